"""What an operator gets wrong and what the machine does to us: each with one clear message naming the thing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from chaos.rig.watch import until
from tests.e2e.server import BROWSER, NOON_ZONE, TIMEOUT_S, Server, environment, statnive

GEOIP = Path(__file__).parents[2].parent / "shared" / "data" / "geoip"


def serve(
    data_dir: Path, *options: str, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "statnive", "serve", "--data-dir", str(data_dir), *options],
        capture_output=True,
        text=True,
        env={**environment(), **(settings or {})},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"STATNIVE_WAL_COMMIT_INTERVALL_MS": "20"},
            ["wal.commit_intervall_ms", "unknown key", "commit_interval_ms"],
        ),
        ({"STATNIVE_WAL_COMMIT_INTERVAL_MS": "500"}, ["wal.commit_interval_ms", "500", "at most 100"]),
        ({"STATNIVE_SERVER_TRUSTED_PROXIES": "10.0.0.0/33"}, ["server.trusted_proxies", "10.0.0.0/33"]),
        ({"STATNIVE_LIMITER_KEYS_MAX": "many"}, ["limiter.keys_max", "many", "int"]),
        ({"STATNIVE_CLICKHOUSE_URL": "tcp://db:9000"}, ["clickhouse.url", "embedded"]),
        ({"STATNIVE_NONSENSE": "1"}, ["nonsense", "unknown key"]),
    ],
)
def test_a_wrong_setting_ends_the_start_with_key_value_and_what_is_allowed(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    done = serve(tmp_path / "data", settings=settings)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_a_typo_in_the_file_is_named_and_a_file_that_is_no_toml_too(tmp_path: Path) -> None:
    file = tmp_path / "statnive.toml"
    file.write_text("[wall]\nsegment_bytes = 1\n")
    done = serve(tmp_path / "data", "--config", str(file))
    assert (done.returncode, "[wall]" in done.stderr) == (2, True)
    file.write_text("[wal\n")
    done = serve(tmp_path / "data", "--config", str(file))
    assert (done.returncode, "is not TOML" in done.stderr) == (2, True)


def test_a_data_directory_in_use_and_a_port_in_use_are_named(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        busy = serve(tmp_path / "data", "--listen", "127.0.0.1:0")
        assert busy.returncode == 4
        assert f"in use by process {server.pid}" in busy.stderr
        port = server.url.rpartition(":")[2]
        taken = serve(tmp_path / "other", "--listen", f"127.0.0.1:{port}")
        assert taken.returncode == 4
        assert f"127.0.0.1:{port} is in use" in taken.stderr
        assert server.event(host="x.example").status_code == 202


@pytest.mark.parametrize("name", sorted(path.name for path in GEOIP.glob("bad-*.mmdb")))
def test_a_corrupt_geoip_file_ends_the_start_by_name(tmp_path: Path, name: str) -> None:
    done = serve(tmp_path / "data", settings={"STATNIVE_GEO_CITY_DATABASE": str(GEOIP / name)})
    assert done.returncode == 5
    assert name in done.stderr


def test_a_full_disk_ends_the_process_with_a_message_or_refuses_and_loses_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("this test mounts a small tmpfs and needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(mount)], check=True)
    try:
        settings = {
            "STATNIVE_WAL_SEGMENT_BYTES": str(1024 * 1024),
            "STATNIVE_WAL_SIZE_BYTES_MAX": str(64 * 1024 * 1024),
            "STATNIVE_LIMITER_ADDRESS_PER_S": "100000",
            "STATNIVE_LIMITER_ADDRESS_BURST": "100000",
        }
        added = statnive(
            "site", "add", "full.example", "--timezone", NOON_ZONE, data_dir=mount / "data", settings=settings
        )
        assert added.returncode == 0, added.stderr
        acknowledged = refused = in_doubt = 0
        server = Server(mount / "data", settings=settings)
        filler = mount / "filler"
        with filler.open("wb") as out, pytest.raises(OSError, match="No space left"):
            while True:
                out.write(bytes(65_536))
                out.flush()
        body = msgspec.json.encode([{"n": "pageview", "u": "https://full.example/" + "x" * 600}] * 10)
        with httpx.Client(base_url=server.url, headers={"user-agent": BROWSER}, timeout=TIMEOUT_S) as client:
            for _ in range(3_000):
                try:
                    status = client.post("/api/event", content=body).status_code
                except httpx.HTTPError:
                    in_doubt = 10  # durable or not, when the process ended
                    break
                acknowledged += 10 * (status == 202)
                refused += status == 503
                if refused:
                    break
        filler.unlink()
        if refused:
            server.kill()
        else:
            assert server.wait() == 3
            assert any("No space left" in line for line in server.output)
        assert acknowledged > 0
        with Server(mount / "data", settings=settings) as again:
            assert again.stop() == 0
        with Server(mount / "data", settings=settings) as again:
            counted = again.stats("overview", site="full.example", period="day")["metrics"]["pageviews"]
            assert counted in (acknowledged, acknowledged + in_doubt)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_an_unknown_site_is_answered_with_its_reason_and_listed_for_the_operator(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        answer = server.event(host="www.unknown.example")
        assert answer.status_code == 202
        assert answer.headers["x-statnive-dropped"] == "unknown_site=1"
        drops = httpx.get(f"{server.url}/api/operator/drops", timeout=TIMEOUT_S).json()
        assert drops["unknown_sites"][0]["host"] == "www.unknown.example"
        assert drops["reasons"] == [{"reason": "unknown_site", "events": 1}]


def test_sigterm_answers_what_is_in_flight_and_brings_every_acknowledged_event_into_clickhouse(
    tmp_path: Path,
) -> None:
    statnive("site", "add", "term.example", "--timezone", NOON_ZONE, data_dir=tmp_path / "data")
    with Server(tmp_path / "data") as server:
        host, port = server.url.removeprefix("http://").split(":")
        body = msgspec.json.encode({"n": "pageview", "u": "https://term.example/"})
        head = f"POST /api/event HTTP/1.1\r\nhost: x\r\nuser-agent: {BROWSER}\r\ncontent-length: {len(body)}\r\n\r\n"
        for _ in range(16):
            assert server.event(host="term.example").status_code == 202
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as half:
            half.sendall(head.encode() + body[:-1])
            for _ in range(4):  # the half request was read before the last of these was answered
                assert server.event(host="term.example").status_code == 202
            os.kill(server.pid, 15)
            half.sendall(body[-1:])
            assert half.recv(100).startswith(b"HTTP/1.1 202")
        assert server.wait() == 0
        assert any("every event is in ClickHouse" in line for line in server.output)
    with Server(tmp_path / "data") as again:
        assert again.stats("overview", site="term.example", period="day")["metrics"]["pageviews"] == 21


def test_a_statement_that_clickhouse_never_answers_does_not_keep_an_ending_process(tmp_path: Path) -> None:
    """Its thread can't be ended: the process is, and its stop was no clean one."""
    statnive("site", "add", "hole.example", data_dir=tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "STATNIVE_CLICKHOUSE_URL": f"http://default:x@127.0.0.1:{silent.getsockname()[1]}",
        }
        with Server(tmp_path / "data", settings=settings) as server:
            assert server.event(host="hole.example").status_code == 202
            silent.settimeout(TIMEOUT_S)
            asked, _ = silent.accept()
            with asked:
                asked.settimeout(TIMEOUT_S)
                assert asked.recv(1) != b""  # the writer has asked something, and waits
                os.kill(server.pid, 15)
                assert until(lambda: any("draining" in line for line in server.output), TIMEOUT_S, 0.05)
                os.kill(server.pid, 15)
                assert server.wait() == 0
                assert any("still under way" in line for line in server.output)
        assert (tmp_path / "data" / "wal" / "running").exists()


def test_parts_that_are_not_there_are_refused_not_ignored(tmp_path: Path) -> None:
    statnive("site", "add", "q.example", data_dir=tmp_path / "data")
    with Server(tmp_path / "data") as server:
        for query, field in (
            ("site=nope.example", "site"),
            ("site=q.example&from=x&to=2026-01-01", "from"),
            ("site=q.example&filter=page", "filter"),
            ("site=q.example&period=fortnight", "period"),
        ):
            answer = httpx.get(f"{server.url}/api/stats/overview?{query}", timeout=TIMEOUT_S)
            assert 400 <= answer.status_code < 500
            assert answer.json()["error"]["field"] == field
