"""No file under the data directory holds an address that was sent, as text or packed, nor a whole user agent."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec

from tests.e2e.server import TIMEOUT_S, Server, statnive

SITE = "private.example"
ADDRESSES = [f"203.0.113.{n}" for n in range(1, 60)] + [f"2001:db8:77:{n:x}::{n:x}" for n in range(1, 40)]
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    f"Chrome/1{n}.0.{n}.7 Safari/537.36"
    for n in range(10, 40)
]


def needles() -> list[bytes]:
    found: list[bytes] = [agent.encode() for agent in AGENTS]
    for text in ADDRESSES:
        address = ipaddress.ip_address(text)
        found.append(text.encode())
        found.append(address.exploded.encode())
        if address.version == 6:
            # Four bytes occur by chance in any file of some size; sixteen do not.
            found += [address.packed, address.packed[:8] + bytes(8), address.packed.hex().encode()]
    return found


def search(directory: Path) -> list[str]:
    wanted = needles()
    return [
        f"{file}: {needle!r}"
        for file in directory.rglob("*")
        if file.is_file()
        for content in [file.read_bytes().rstrip(bytes(1))]  # the log's segments end in megabytes of zeros
        for needle in wanted
        if needle in content
    ]


def packed_ipv4_in_rows(directory: Path) -> list[str]:
    """Packed IPv4 in the log, both byte orders: several of them in one file are no chance."""
    hits = []
    for file in directory.rglob("*"):
        if file.is_file():
            content = file.read_bytes().rstrip(bytes(1))
            for order in (1, -1):
                found = {
                    t
                    for t in ADDRESSES
                    if ":" not in t and ipaddress.ip_address(t).packed[::order] in content
                }
                if len(found) > 3:
                    hits.append(f"{file}: {len(found)} packed addresses")
    return hits


def test_no_file_holds_an_address_or_a_whole_user_agent(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    statnive("site", "add", SITE, data_dir=data_dir)
    made = statnive("token", "add", "shop", "--site", SITE, "--scope", "events:write", data_dir=data_dir)
    token = made.stdout.strip()
    for killed in (True, False):
        server = Server(data_dir)
        with httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client:
            for number, address in enumerate(ADDRESSES):
                headers = {"user-agent": AGENTS[number % len(AGENTS)], "x-forwarded-for": address}
                body = {"n": "pageview", "u": f"https://{SITE}/{number}", "r": "https://www.google.com/"}
                assert (
                    client.post("/api/event", content=msgspec.json.encode(body), headers=headers).status_code
                    == 202
                )
                bad = {"x-forwarded-for": address, "user-agent": AGENTS[0]}
                assert client.post("/api/event", content=b"nope", headers=bad).status_code == 400
                client.post(
                    "/api/event",
                    content=msgspec.json.encode({**body, "d": "unknown.example"}),
                    headers=headers,
                )
            told = [
                {
                    "name": "pageview",
                    "url": f"https://{SITE}/s",
                    "ip": address,
                    "user_agent": AGENTS[number % 30],
                }
                for number, address in enumerate(ADDRESSES)
            ]
            for some in (
                told[:50],
                told[50:],
                [*told[:3], {**told[3], "time": "never"}, {"ip": ADDRESSES[0]}],
            ):
                bearer = {"authorization": f"Bearer {token}", "x-forwarded-for": ADDRESSES[1]}
                answer = client.post("/api/v1/events", json=some, headers=bearer)
                assert answer.status_code == 202, answer.text
                assert not any(address in answer.text for address in ADDRESSES)
        if killed:
            server.kill()
        else:
            assert server.stop() == 0
        assert search(data_dir) == []
        assert packed_ipv4_in_rows(data_dir) == []
        assert not any(address in line for line in server.output for address in ADDRESSES)
    assert any(file.suffix == ".wal" for file in data_dir.rglob("*")), "the log was searched, too"


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "leak").write_bytes(b"x" + ipaddress.ip_address(ADDRESSES[-1]).packed)
    assert search(tmp_path)
    (tmp_path / "leak").write_bytes(b"".join(ipaddress.ip_address(text).packed for text in ADDRESSES[:5]))
    assert packed_ipv4_in_rows(tmp_path)


def mode(path: Path) -> int:
    """Its permissions; none if the running node has renamed it meanwhile."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def ours(data_dir: Path) -> Iterator[Path]:
    """The directory and all in it that the node makes itself. The engine makes its own files, and takes them away
    while one looks: they are closed off by their directory.
    """
    yield data_dir
    for parent, directories, files in os.walk(data_dir):
        yield from (Path(parent, name) for name in (*directories, *files))
        if Path(parent) == data_dir and "clickhouse" in directories:
            directories.remove("clickhouse")


def test_every_file_is_for_its_owner_only(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    statnive("site", "add", SITE, data_dir=data_dir)
    with Server(data_dir) as server:
        assert server.event(host=SITE).status_code == 202
        seen = list(ours(data_dir))
        assert {"data", "wal", "control.db"} <= {path.name for path in seen}
        assert [str(path) for path in seen if mode(path) & 0o077] == []
