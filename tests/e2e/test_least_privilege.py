"""What a node leaves on disk, and how little it needs to run."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
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


NOBODY = 65_534
# As deploy/ runs it: another user, no capability and none to be had, a root file system that can't be written.
CONFINED = r"""
set -e
data=$1; user=$2; shift 2
mount --make-rprivate /
mount --bind "$data" "$data"
awk '{print $2}' /proc/mounts | grep -vE '^/(proc|sys|dev)(/|$)' | while read -r point; do
  [ "$point" = "$data" ] || mount -o remount,bind,ro "$point" 2>/dev/null || :
done
if touch /root-is-writable 2>/dev/null; then rm /root-is-writable; echo "the root is not read-only"; exit 9; fi
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def test_a_user_without_rights_on_a_read_only_root_is_enough() -> None:
    base = Path(tempfile.mkdtemp(prefix="statnive-confined-", dir="/var/tmp"))
    try:
        base.chmod(0o755)
        data = base / "data"
        data.mkdir()
        # Where nobody else may read this checkout it is root without a capability, which is a user like others.
        user = NOBODY if all(parent.stat().st_mode & 0o001 for parent in Path(__file__).parents) else 0
        os.chown(data, user, user)
        before = ["unshare", "--mount", "sh", "-c", CONFINED, "confined", str(data), str(user)]
        # The engine makes a directory for temporary files; deploy/ gives it a /tmp of its own.
        with Server(data, before=before, settings={"TMPDIR": str(data)}) as server:
            status = Path(f"/proc/{server.pid}/status").read_text()
            assert "\nUid:" + f"\t{user}" * 4 in status
            assert "\nCapEff:\t0000000000000000" in status
            assert "\nNoNewPrivs:\t1" in status
            added = statnive("site", "add", "example.com", "--timezone", NOON_ZONE, data_dir=data)
            assert added.returncode == 0, added.stderr
            assert server.event(host="example.com").status_code == 202
            assert server.stop() == 0, "".join(server.output)
        assert {path.stat().st_uid for path in data.rglob("*") if not path.is_symlink()} <= {user, 0}
    finally:
        shutil.rmtree(base)
