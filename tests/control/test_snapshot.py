"""The snapshot: which site a host counts for."""

from __future__ import annotations

import attrs
import pytest

from statnive.control.snapshot import EMPTY, Site, Snapshot, SnapshotHolder

SHOP = Site(1, "example.com", "UTC", frozenset({"example.com", "shop.example.com"}))
OWN_WWW = Site(2, "www.example.org", "UTC", frozenset({"www.example.org"}))
BARE = Site(3, "example.org", "UTC", frozenset({"example.org"}))
SITES = Snapshot.of([SHOP, OWN_WWW, BARE])


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("example.com", SHOP),
        ("shop.example.com", SHOP),
        ("www.example.com", SHOP),
        ("www.shop.example.com", SHOP),
        ("WWW.Example.COM.", SHOP),
        ("www.example.org", OWN_WWW),  # an exact host wins
        ("example.org", BARE),
        ("www.www.example.com", None),
        ("other.example.com", None),
        ("com", None),
        ("www.", None),
        ("", None),
    ],
)
def test_host_finds_its_site_exactly_or_without_its_www(host: str, site: Site | None) -> None:
    assert SITES.lookup(host) is site


def test_bare_host_does_not_find_a_site_that_is_only_www() -> None:
    assert Snapshot.of([OWN_WWW]).lookup("example.org") is None


def test_snapshot_and_site_never_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        SHOP.domain = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        SITES.by_host["x"] = SHOP  # type: ignore[index]
    with pytest.raises(TypeError):
        SITES.by_id[9] = SHOP  # type: ignore[index]


def test_two_sites_with_one_host_are_a_programmers_error() -> None:
    with pytest.raises(AssertionError):
        Snapshot.of([SHOP, Site(4, "example.com", "UTC", frozenset({"example.com"}))])


def test_a_reader_keeps_what_it_took_while_the_holder_moves_on() -> None:
    holder = SnapshotHolder()
    taken = holder.current
    holder.current = SITES
    assert taken is EMPTY
    assert taken.lookup("example.com") is None
    assert holder.current.lookup("example.com") is SHOP


def test_aliases_are_the_hosts_beside_the_domain() -> None:
    assert SHOP.aliases == ["shop.example.com"]
    assert BARE.aliases == []
