"""The wheel carries everything it serves, and runs where there is no Node and no checkout."""

from __future__ import annotations

import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import TIMEOUT_S, environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_carries_sql_tracker_dashboard_and_address_data(unpacked: Path) -> None:
    assets = unpacked / "statnive" / "_assets"
    carried = {"sql": "sql", "tracker": "tracker/dist", "dashboard": "dashboard/dist", "geo": "geo/dist"}
    for made, source in carried.items():
        expected = {p.relative_to(ROOT / source) for p in (ROOT / source).rglob("*") if p.is_file()}
        assert expected
        assert {p.relative_to(assets / made) for p in (assets / made).rglob("*") if p.is_file()} == expected
    assert not list(unpacked.rglob("node_modules"))
    assert not (unpacked / "tests").exists()


def test_the_wheel_serves_without_node(unpacked: Path, tmp_path: Path) -> None:
    plain = {**environment(), "PYTHONPATH": str(unpacked), "PATH": str(Path(sys.executable).parent)}
    command = [sys.executable, "-P", "-m", "statnive", "serve", "--data-dir", str(tmp_path / "data")]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], cwd=tmp_path, env=plain, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "is ready on http://" in line
        url = line.split("is ready on ")[1].split()[0]
        tracker = httpx.get(f"{url}/tracker.js", timeout=TIMEOUT_S)
        assert tracker.content == (ROOT / "tracker" / "dist" / "tracker.js").read_bytes()
        assert "<title>statnive</title>" in httpx.get(url, timeout=TIMEOUT_S).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
