"""The gate of the API: which request is let in, and what a refusal says."""

from __future__ import annotations

import attrs
import pytest

from statnive.control.snapshot import Site
from statnive.control.tokens import SECRET_BYTES, Token, TokenScope, digest_of, secret_of
from statnive.errors import Retryable
from statnive.web.token_gate import INVALID, MISSING, NOTE_EVERY_S, TokenGate, TokenRefused

READ, MANAGE = TokenScope.STATS_READ, TokenScope.SITES_MANAGE
SECRET = secret_of(bytes(SECRET_BYTES))
TOKEN = Token(1, "grafana", "stnv_AAAA", frozenset({READ}), frozenset({1}), 0, expires_at=50_000)
SITE = Site(1, "example.com", "UTC", frozenset({"example.com"}))


@attrs.define
class World:
    now: float = 1_000.0
    tokens: dict[bytes, Token] = attrs.field(factory=lambda: {digest_of(SECRET): TOKEN})
    notes: list[tuple[int, int]] = attrs.field(factory=list)
    reports: list[str] = attrs.field(factory=list)
    disk_fails: bool = False

    def note(self, token_id: int, at: int) -> None:
        if self.disk_fails:
            raise Retryable("locked")
        self.notes.append((token_id, at))

    def gate(self, limit: int = 600) -> TokenGate:
        return TokenGate(
            lambda: dict(self.tokens), self.note, clock=lambda: self.now, requests_per_hour=limit,
            report=lambda kind, text: self.reports.append(f"{kind}: {text}"),
        )  # fmt: skip


async def refusal(gate: TokenGate, header: str, *scopes: TokenScope) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        await gate.admit(header, *(scopes or (READ,)))
    return caught.value


@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer {SECRET}", f"Bearer  {SECRET} "])
async def test_a_bearer_token_is_let_in_however_it_is_spaced(header: str) -> None:
    assert await World().gate().admit(header, READ) == TOKEN


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", MISSING),
        ("Bearer", MISSING),
        ("Bearer   ", MISSING),
        (f"Basic {SECRET}", MISSING),
        (SECRET, MISSING),
        ("Bearer wrong", INVALID),
        (f"Bearer {secret_of(bytes([1] * SECRET_BYTES))}", INVALID),
        (f"Bearer {SECRET}x", INVALID),
    ],
)
async def test_a_request_without_a_key_of_ours_is_401(header: str, message: str) -> None:
    refused = await refusal(World().gate(), header)
    assert (refused.status, refused.message) == (401, message)


async def test_an_expired_token_is_401() -> None:
    world = World()
    gate = world.gate()
    world.now = 49_999
    await gate.admit(f"Bearer {SECRET}", READ)
    world.now = 50_000
    assert (await refusal(gate, f"Bearer {SECRET}")).status == 401


async def test_a_revoked_token_is_401_from_the_reload_on() -> None:
    world = World()
    gate = world.gate()
    await gate.admit(f"Bearer {SECRET}", READ)
    world.tokens.clear()
    gate.reload()
    assert (await refusal(gate, f"Bearer {SECRET}")).status == 401
    assert gate.last_used(attrs.evolve(TOKEN, last_used_at=7)) == 7  # nothing of it is left in memory


async def test_a_token_without_the_scope_is_403_and_told_which() -> None:
    refused = await refusal(World().gate(), f"Bearer {SECRET}", MANAGE)
    assert refused.status == 403
    assert "sites:manage" in refused.message
    assert "stats:read" in refused.message


async def test_a_foreign_site_and_one_that_is_none_are_refused_alike() -> None:
    gate = World().gate()
    token = await gate.admit(f"Bearer {SECRET}", READ)
    assert gate.for_site(token, SITE) == SITE
    found = []
    for site in (None, attrs.evolve(SITE, id=2)):
        with pytest.raises(TokenRefused) as caught:
            gate.for_site(token, site)
        found.append((caught.value.status, caught.value.message))
    assert found == [(401, INVALID)] * 2


async def test_the_limit_is_for_each_hour_and_says_when_it_ends() -> None:
    world = World()
    gate = world.gate(limit=3)
    for _ in range(3):
        await gate.admit(f"Bearer {SECRET}", READ)
    world.now += 600
    refused = await refusal(gate, f"Bearer {SECRET}")
    assert (refused.status, refused.retry_after_s) == (429, 3_001)
    assert "3 requests per hour" in refused.message
    world.now += 3_000
    await gate.admit(f"Bearer {SECRET}", READ)
    assert gate.stats()["api_refused_429_total"] == 1


async def test_each_token_has_a_limit_of_its_own() -> None:
    world = World()
    other = secret_of(bytes([9] * SECRET_BYTES))
    world.tokens[digest_of(other)] = attrs.evolve(TOKEN, id=2)
    gate = world.gate(limit=1)
    await gate.admit(f"Bearer {SECRET}", READ)
    assert (await refusal(gate, f"Bearer {SECRET}")).status == 429
    assert (await gate.admit(f"Bearer {other}", READ)).id == 2


async def test_a_use_is_noted_on_disk_now_and_then_and_known_at_once() -> None:
    world = World()
    gate = world.gate()
    await gate.admit(f"Bearer {SECRET}", READ)
    world.now += NOTE_EVERY_S - 1
    await gate.admit(f"Bearer {SECRET}", READ)
    assert world.notes == [(1, 1_000)]
    assert gate.last_used(TOKEN) == 1_000 + NOTE_EVERY_S - 1
    world.now += 1
    await gate.admit(f"Bearer {SECRET}", READ)
    assert world.notes == [(1, 1_000), (1, 1_000 + NOTE_EVERY_S)]


async def test_a_use_that_can_not_be_noted_is_reported_and_lets_the_request_go_on() -> None:
    world = World(disk_fails=True)
    assert await world.gate().admit(f"Bearer {SECRET}", READ) == TOKEN
    assert world.reports == ["token_use: the last use of token 1 can't be noted: locked"]
