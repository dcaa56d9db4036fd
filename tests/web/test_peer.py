"""A socket that listens on both families says "::ffff:1.2.3.4" for an IPv4 peer: to every limit that is 1.2.3.4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statnive.config import ServerConfig
from statnive.web.app import PublicApp
from statnive.web.ingest import peer_of
from tests.web.accounts_world import World
from tests.web.test_lanes import EVENT, ask, lane, post

PROXIED = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.control.close()


@pytest.mark.parametrize(
    ("client", "peer"),
    [
        (("::ffff:192.0.2.7", 5), "192.0.2.7"),
        (("192.0.2.7", 5), "192.0.2.7"),
        (("2001:db8::ffff:7", 5), "2001:db8::ffff:7"),
        (None, ""),  # the control socket
    ],
)
def test_an_ipv4_peer_is_an_ipv4_address_whatever_the_socket(
    client: tuple[str, int] | None, peer: str
) -> None:
    assert peer_of({"client": client}) == peer


@pytest.mark.parametrize("slow_only", [False, True])
async def test_a_proxy_is_trusted_by_its_ipv4_network_on_a_socket_of_both_families(
    tmp_path: Path, slow_only: bool
) -> None:
    server = ServerConfig(
        listen=":0", trusted_proxies=("127.0.0.0/8",), request_deadline_s=60, answer_deadline_s=60
    )
    async with lane(tmp_path, slow_only=slow_only, server=server) as served:
        asked = post(EVENT, b"X-Forwarded-For: 203.0.113.9", b"X-Debug-Request: true")
        (reply,) = await ask(served.port, asked)
    assert b"client address: 203.0.113.9" in reply.body


async def test_accounts_believe_a_trusted_proxy_and_count_the_client_s_address(world: World) -> None:
    world.user("ann@example.com", a="viewer")
    wrong = {"email": "ann@example.com", "password": "not this one"}
    for peer in ("127.0.0.1", "::ffff:127.0.0.1"):
        headers = {**PROXIED, "origin": "https://stats.example:8080"}
        answer = await world.post(
            "/api/account/login",
            {**wrong, "password": "correct horse battery"},
            address=peer,
            headers=headers,
        )
        assert answer.headers["set-cookie"].startswith("__Host-statnive="), peer
    for _ in range(6):
        await world.post("/api/account/login", wrong, address="::ffff:127.0.0.1", headers=PROXIED)
    own = await world.post("/api/account/login", wrong, address="::ffff:127.0.0.1")
    assert own.status_code == 401, "the proxy's own address was not slowed down"
    slowed = await world.post("/api/account/login", wrong, address="203.0.113.9")
    assert slowed.status_code == 429


async def test_a_stranger_s_forwarded_headers_are_not_believed(world: World) -> None:
    world.user("ann@example.com", a="viewer")
    right = {"email": "ann@example.com", "password": "correct horse battery"}
    answer = await world.post("/api/account/login", right, address="::ffff:198.51.100.4", headers=PROXIED)
    assert answer.headers["set-cookie"].startswith("statnive=")


@pytest.mark.parametrize(("peer", "status"), [("::ffff:192.0.2.7", 200), ("::ffff:198.51.100.4", 403)])
async def test_the_dashboard_is_open_to_the_ipv4_networks_named(world: World, peer: str, status: int) -> None:
    world.parts.server = ServerConfig(dashboard_from=("192.0.2.0/24",))
    answer = await world.ask("GET", "/api/account", app=PublicApp(world.parts), address=peer)
    assert answer.status_code == status


async def test_an_open_node_answers_this_machine_over_a_socket_of_both_families(tmp_path: Path) -> None:
    world = World(tmp_path, mode="open")
    headers = {"host": "localhost:8080"}
    for peer, status in (("::ffff:127.0.0.1", 200), ("::ffff:192.0.2.7", 403)):
        answer = await world.ask("GET", "/api/sites", address=peer, headers=headers)
        assert answer.status_code == status, answer.text
    world.control.close()
