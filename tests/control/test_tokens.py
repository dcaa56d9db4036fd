"""API tokens in the control store: what is kept of them, what is refused, what opens nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from statnive.control.store import ControlStore
from statnive.control.tokens import (
    DAY_S,
    SECRET_BYTES,
    TOKENS_MAX,
    NewToken,
    Token,
    TokenScope,
    digest_of,
    secret_of,
)
from statnive.errors import Rejected

NOW = 1_700_000_000
READS = ("stats:read",)
EVERYWHERE = NewToken("grafana", READS, None)


def secret(number: int) -> str:
    return secret_of(number.to_bytes(SECRET_BYTES, "big"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.db"


@pytest.fixture
def store(path: Path) -> Iterator[ControlStore]:
    with ControlStore.open(path, now_s=lambda: NOW + 0.9) as opened:
        opened.add_site("example.com", "UTC")
        opened.add_site("other.example", "UTC")
        yield opened


def test_a_token_survives_the_process_and_is_found_by_its_secret(path: Path, store: ControlStore) -> None:
    new = NewToken(" our CRM ", ("sites:manage", "stats:read"), frozenset({1, 2}), days=7)
    token = store.add_token(new, secret(1))
    assert token == Token(
        1, "our CRM", "stnv_AAAA", frozenset({TokenScope.STATS_READ, TokenScope.SITES_MANAGE}),
        frozenset({1, 2}), NOW, NOW + 7 * DAY_S,
    )  # fmt: skip
    store.close()
    with ControlStore.open(path) as again:
        assert again.tokens_by_digest() == {digest_of(secret(1)): token}
        assert again.list_tokens() == [token]


def test_the_secret_is_in_no_file(path: Path, store: ControlStore) -> None:
    store.add_token(EVERYWHERE, secret(5))
    store.close()
    for file in path.parent.iterdir():
        assert secret(5)[9:].encode() not in file.read_bytes()


def test_a_token_expires_at_its_second(store: ControlStore) -> None:
    token = store.add_token(NewToken("short", READS, None, days=1), secret(1))
    assert token.is_open(NOW + DAY_S - 1)
    assert not token.is_open(NOW + DAY_S)
    assert store.add_token(EVERYWHERE, secret(2)).is_open(NOW + 100_000 * DAY_S)


def test_a_revoked_token_opens_nothing_and_stays_in_the_list(store: ControlStore) -> None:
    token = store.add_token(EVERYWHERE, secret(1))
    revoked = store.revoke_token(token.id)
    assert not revoked.is_open(NOW)
    assert store.tokens_by_digest() == {}
    assert store.list_tokens() == [revoked]
    with pytest.raises(Rejected, match="no token 1 to revoke"):
        store.revoke_token(token.id)
    assert store.add_token(EVERYWHERE, secret(2)).id == 2


def test_a_token_of_a_removed_site_covers_none_not_all(store: ControlStore) -> None:
    store.add_token(NewToken("one", READS, frozenset({2})), secret(1))
    store.remove_site("other.example")
    (token,) = store.list_tokens()
    assert token.site_ids == frozenset()
    assert not token.covers(1)
    assert not token.covers(2)


def test_the_last_use_is_noted_and_never_goes_back(store: ControlStore) -> None:
    token = store.add_token(EVERYWHERE, secret(1))
    for at in (NOW + 50, NOW + 20):
        store.token_used(token.id, at)
    assert store.list_tokens()[0].last_used_at == NOW + 50


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewToken(" ", READS, None), "name"),
        (NewToken("x" * 101, READS, None), "name"),
        (NewToken("a\nb", READS, None), "name"),
        (NewToken("x", (), None), "scope"),
        (NewToken("x", ("stats:write",), None), "scope"),
        (NewToken("x", READS, frozenset()), "site"),
        (NewToken("x", READS, None, days=0), "days"),
        (NewToken("x", READS, None, days=3_651), "days"),
    ],
)
def test_a_bad_token_is_refused_by_field_and_nothing_is_kept(
    store: ControlStore, new: NewToken, field: str
) -> None:
    with pytest.raises(Rejected) as caught:
        store.add_token(new, secret(1))
    assert caught.value.field == field
    assert store.list_tokens() == []


def test_a_name_is_in_use_once_and_free_again_after_a_revocation(store: ControlStore) -> None:
    store.add_token(EVERYWHERE, secret(1))
    with pytest.raises(Rejected, match="'grafana' is in use already"):
        store.add_token(EVERYWHERE, secret(2))
    store.revoke_token(1)
    store.add_token(EVERYWHERE, secret(2))


def test_there_are_so_many_tokens_at_most(path: Path, store: ControlStore) -> None:
    store.add_token(EVERYWHERE, secret(0))
    with sqlite3.connect(path) as raw:
        raw.executemany(
            "INSERT INTO tokens (name, digest, shown, scopes, for_all_sites, created_at) "
            "VALUES (?, ?, '', 'stats:read', 1, 0)",
            [(f"t{number}", number.to_bytes(4, "big")) for number in range(TOKENS_MAX - 1)],
        )
    raw.close()
    with pytest.raises(Rejected, match=f"{TOKENS_MAX} tokens in use"):
        store.add_token(NewToken("one more", READS, None), secret(1))
    store.revoke_token(1)
    store.add_token(NewToken("one more", READS, None), secret(1))


@pytest.mark.parametrize(
    "text", ["", "stnv_", "x" * 48, secret(1) + "a", secret(1)[:-1] + "=", "stnv_" + "é" * 43]
)
def test_a_text_that_is_no_secret_has_no_digest(text: str) -> None:
    assert digest_of(text) is None
    assert digest_of(secret(1)) is not None
