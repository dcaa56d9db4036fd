"""What a node leaves on disk, and how little it needs to run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from chaos.statnive_node import statnive
from tests.e2e.server import NOON_ZONE, Server


def modes(root: Path) -> dict[str, int]:
    """Every file and directory below, with its mode."""
    return {
        str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode)
        for path in [root, *root.rglob("*")]
        if not path.is_symlink()
    }


def test_everything_in_the_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0o000)  # the worst that an operator's shell can have
    try:
        with Server(tmp_path / "data") as server:
            added = statnive("site", "add", "example.com", "--timezone", NOON_ZONE, data_dir=server.data_dir)
            assert added.returncode == 0, added.stderr
            assert server.event(host="example.com").status_code == 202
            running = modes(server.data_dir)
            assert server.stop() == 0
        done = statnive("token", "add", "x", "--all-sites", data_dir=tmp_path / "data")
        assert done.returncode == 0, done.stderr
        stopped = modes(tmp_path / "data")
    finally:
        os.umask(old)
    assert {"control.sock", "audit.log", "audit.key", "identity.key", "control.db", "wal"} <= set(running)
    assert len(stopped) > 50  # the engine's files are among them
    too_open = {
        name: oct(mode) for found in (running, stopped) for name, mode in found.items() if mode & 0o077
    }
    assert too_open == {}


def test_a_start_on_a_secret_that_others_can_read_is_refused_by_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    secret = data / "identity.key"
    secret.write_bytes(bytes(32))
    secret.chmod(0o644)
    done = statnive("site", "list", data_dir=data)
    assert done.returncode == 5
    assert f"{secret} has mode 644" in done.stderr
    assert "Traceback" not in done.stderr
