"""A site's settings in the control store: what is kept, in which spelling, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from statnive.control import exclusions
from statnive.control.exclusions import ENTRIES_MAX, checked
from statnive.control.site_settings import SiteChange
from statnive.control.snapshot import Exclusions, Funnel
from statnive.control.store import MIGRATIONS, ControlStore
from statnive.errors import Rejected


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.db"


@pytest.fixture
def store(path: Path) -> Iterator[ControlStore]:
    with ControlStore.open(path, now_s=lambda: 1_700_000_000.9) as opened:
        opened.add_site("example.com", "UTC", ["shop.example.com"])
        opened.add_site("other.example", "UTC")
        yield opened


def test_settings_survive_the_process_and_leave_other_sites_alone(path: Path, store: ControlStore) -> None:
    wanted = checked(["192.0.2.7/24"], ["/admin/**"], ["de"], ["*.Staging.example"])
    changed = store.change_site("example.com", SiteChange(None, "Europe/Berlin", "eur", wanted))
    assert (changed.timezone, changed.currency) == ("Europe/Berlin", "EUR")
    store.close()
    with ControlStore.open(path) as again:
        site = again.snapshot().by_host["example.com"]
        assert site == changed
        assert site.exclusions == Exclusions(
            ("192.0.2.0/24",), ("/admin/**",), ("DE",), ("*.staging.example",)
        )
        assert again.snapshot().by_host["other.example"].exclusions is None
        assert again.change_site("example.com", SiteChange(exclusions=checked())).exclusions is None
        assert again.snapshot().by_host["example.com"].currency == "EUR"


def test_a_site_takes_the_name_of_one_of_its_hosts_and_keeps_its_id(store: ControlStore) -> None:
    before = store.snapshot().by_host["example.com"]
    renamed = store.change_site("example.com", SiteChange(domain="Shop.example.com"))
    assert (renamed.id, renamed.domain, renamed.hosts) == (before.id, "shop.example.com", before.hosts)
    with pytest.raises(Rejected, match=r"other\.example is no alias"):
        store.change_site("shop.example.com", SiteChange(domain="other.example"))


def test_an_alias_goes_and_a_name_stays(store: ControlStore) -> None:
    with pytest.raises(Rejected, match="is the site's name"):
        store.remove_alias("example.com", "example.com")
    with pytest.raises(Rejected, match="no alias"):
        store.remove_alias("example.com", "other.example")
    store.remove_alias("example.com", "shop.example.com")
    assert store.snapshot().lookup("shop.example.com") is None


@pytest.mark.parametrize(
    ("field", "entry"),
    [
        ("networks", "192.0.2"),
        ("networks", "2001:db8::/129"),
        ("pages", "admin"),
        ("countries", "Germany"),
        ("hostnames", "https://staging.example/"),
        ("hostnames", "a*b.example"),
    ],
)
def test_an_exclusion_that_can_not_be_matched_is_refused_by_its_list(field: str, entry: str) -> None:
    with pytest.raises(Rejected) as refused:
        checked(**{field: [entry]})
    assert refused.value.field == field


def test_too_many_exclusions_are_refused_and_blank_ones_forgiven() -> None:
    with pytest.raises(Rejected, match=str(ENTRIES_MAX)):
        checked(pages=[f"/{n}" for n in range(ENTRIES_MAX + 1)])
    assert checked(pages=["", "  ", "/a", "/a "]).pages == ("/a",)
    # What is told apart is the /64.
    assert checked(networks=["2001:db8::1"]).networks == ("2001:db8::/64",)


def test_a_wrong_currency_and_a_wrong_zone_change_nothing(store: ControlStore) -> None:
    before = store.snapshot().by_host["example.com"]
    for change in (SiteChange(currency="euro"), SiteChange(timezone="Berlin", currency="EUR")):
        with pytest.raises(Rejected):
            store.change_site("example.com", change)
    assert store.snapshot().by_host["example.com"] == before


def test_funnels_are_kept_and_forgotten_and_their_names_are_single(store: ControlStore) -> None:
    steps = json.dumps([{"page": "/"}, {"event": "Signup"}])
    funnel = store.add_funnel("example.com", " Sign-up ", steps, 3600)
    assert funnel == Funnel(1, "Sign-up", steps, 3600)
    assert store.snapshot().by_host["example.com"].funnels == (funnel,)
    with pytest.raises(Rejected, match="already"):
        store.add_funnel("example.com", "Sign-up", steps, 3600)
    with pytest.raises(Rejected, match="no funnel of this site"):
        store.remove_funnel("other.example", funnel.id)
    store.remove_funnel("example.com", funnel.id)
    assert store.snapshot().by_host["example.com"].funnels == ()


def test_a_site_of_before_these_settings_has_none_of_them(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        added = next(n for n, steps in enumerate(MIGRATIONS) if exclusions.TABLE[0] in steps)
        for statements in MIGRATIONS[:added]:
            for statement in statements:
                raw.execute(statement)
        raw.execute("INSERT INTO sites (domain, timezone, created_at) VALUES ('old.example', 'UTC', 1)")
        raw.execute("INSERT INTO aliases VALUES ('old.example', 1)")
        raw.execute(f"PRAGMA user_version = {added}")
        raw.execute(f"PRAGMA application_id = {0x73746E76}")
    with ControlStore.open(path) as store:
        site = store.snapshot().by_host["old.example"]
        assert (site.currency, site.exclusions, site.funnels) == ("", None, ())
