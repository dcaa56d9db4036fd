"""The control store: what it keeps, what it refuses, and how it fails."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive.control import store as store_module
from statnive.control.snapshot import Site
from statnive.control.store import ALIASES_MAX, MIGRATIONS, ControlStore
from statnive.errors import BrokenInput, Overloaded, Rejected, Retryable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.db"


@pytest.fixture
def store(path: Path) -> Iterator[ControlStore]:
    with ControlStore.open(path, now_s=lambda: 1_700_000_000.9) as opened:
        yield opened


def test_site_survives_the_process(path: Path, store: ControlStore) -> None:
    site = store.add_site("Example.com", "Europe/Berlin", ["www.example.com", "Bücher.example"])
    assert site == Site(
        1,
        "example.com",
        "Europe/Berlin",
        frozenset({"example.com", "www.example.com", "xn--bcher-kva.example"}),
    )
    store.close()
    with ControlStore.open(path) as again:
        assert again.list_sites() == [site]
        assert again.snapshot().by_id == {1: site}
        assert again.snapshot().lookup("www.xn--bcher-kva.example") == site


def test_creation_time_is_the_given_clock(path: Path, store: ControlStore) -> None:
    store.add_site("example.com", "UTC")
    with sqlite3.connect(path) as direct:
        assert direct.execute("SELECT created_at FROM sites").fetchall() == [(1_700_000_000,)]
    direct.close()


def test_sites_are_listed_by_domain(store: ControlStore) -> None:
    for domain in ("b.example", "a.example", "c.example"):
        store.add_site(domain, "UTC")
    assert [site.domain for site in store.list_sites()] == ["a.example", "b.example", "c.example"]


def test_files_are_for_the_owner_only(path: Path, store: ControlStore) -> None:
    store.add_site("example.com", "UTC")
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["control.db", "control.db-shm", "control.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_file_that_others_can_read_is_closed_to_them(path: Path) -> None:
    ControlStore.open(path).close()
    path.chmod(0o644)
    ControlStore.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_id_of_a_removed_site_is_never_used_again(path: Path, store: ControlStore) -> None:
    store.add_site("one.example", "UTC")
    assert store.add_site("two.example", "UTC").id == 2
    store.remove_site("two.example")
    store.close()
    with ControlStore.open(path) as again:
        assert again.add_site("two.example", "UTC").id == 3


def test_removed_site_frees_its_hosts(store: ControlStore) -> None:
    removed = store.add_site("example.com", "UTC", ["a.example", "b.example"])
    assert store.remove_site("EXAMPLE.com.") == removed
    assert store.list_sites() == []
    assert store.add_site("a.example", "UTC", ["example.com"]).hosts == {"a.example", "example.com"}


@pytest.mark.parametrize(
    ("domain", "aliases", "field", "host"),
    [
        ("example.com", [], "domain", "example.com"),
        ("SHOP.example.com", [], "domain", "shop.example.com"),
        ("new.example", ["ok.example", "shop.example.com"], "alias", "shop.example.com"),
        ("new.example", ["example.com"], "alias", "example.com"),
    ],
)
def test_host_of_another_site_is_refused_by_name_and_nothing_is_kept(
    store: ControlStore, domain: str, aliases: list[str], field: str, host: str
) -> None:
    store.add_site("example.com", "UTC", ["shop.example.com"])
    with pytest.raises(Rejected) as caught:
        store.add_site(domain, "UTC", aliases)
    assert caught.value.field == field
    assert caught.value.reason == f"{host} already belongs to the site example.com"
    assert [site.domain for site in store.list_sites()] == ["example.com"]


def test_naming_a_host_twice_is_forgiven(store: ControlStore) -> None:
    assert store.add_site("example.com", "UTC", ["example.com", "a.example", "A.example"]).aliases == [
        "a.example"
    ]


@pytest.mark.parametrize(
    ("domain", "timezone", "aliases", "field"),
    [
        ("https://example.com", "UTC", [], "domain"),
        ("example.com", "Europe/Berln", [], "timezone"),
        ("example.com", "UTC", ["ok.example", "a b"], "alias"),
        ("example.com", "UTC", [f"a{n}.example" for n in range(ALIASES_MAX + 1)], "alias"),
    ],
)
def test_bad_site_is_refused_by_field(
    store: ControlStore, domain: str, timezone: str, aliases: list[str], field: str
) -> None:
    with pytest.raises(Rejected) as caught:
        store.add_site(domain, timezone, aliases)
    assert caught.value.field == field
    assert store.list_sites() == []


def test_alias_joins_an_existing_site_which_keeps_its_id(store: ControlStore) -> None:
    site = store.add_site("example.com", "UTC")
    grown = store.add_alias("example.com", "shop.example.com")
    assert (grown.id, grown.hosts) == (site.id, frozenset({"example.com", "shop.example.com"}))
    assert store.add_alias("example.com", "shop.example.com") == grown
    assert store.list_sites() == [grown]


def test_alias_beyond_the_limit_or_of_another_site_is_refused(store: ControlStore) -> None:
    store.add_site("other.example", "UTC")
    store.add_site("example.com", "UTC", [f"a{n}.example" for n in range(ALIASES_MAX)])
    with pytest.raises(Rejected, match="limit of 100"):
        store.add_alias("example.com", "one-more.example")
    with pytest.raises(Rejected, match=r"a7\.example already belongs to the site example\.com"):
        store.add_alias("other.example", "a7.example")


def test_unknown_site_is_answered_with_the_nearest(store: ControlStore) -> None:
    store.add_site("example.com", "UTC", ["shop.example"])
    with pytest.raises(Rejected, match=r"did you mean example\.com\?"):
        store.remove_site("exmaple.com")
    with pytest.raises(Rejected, match=r"shop\.example is an alias of the site example\.com"):
        store.remove_site("shop.example")
    with pytest.raises(Rejected, match="site list"):
        store.remove_site("something-else.org")


def test_locked_database_is_retryable(path: Path, store: ControlStore) -> None:
    with ControlStore.open(path, busy_timeout_ms=1) as other:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retryable, match=r"control\.db: another process holds it locked"):
            other.add_site("example.com", "UTC")
        blocker.execute("ROLLBACK")
        blocker.close()
        assert other.add_site("example.com", "UTC").id == 1


def test_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"this is a text file, and a long one" * 100)
    with pytest.raises(BrokenInput, match=r"control\.db: is not a database"):
        ControlStore.open(path)
    assert path.read_bytes().startswith(b"this is a text file")


def test_damaged_database_is_refused_at_the_start(path: Path) -> None:
    with ControlStore.open(path) as store:
        for n in range(60):
            store.add_site(f"site-{n}.example", "UTC")
    content = bytearray(path.read_bytes())
    content[-8192:] = b"\xa5" * 8192
    path.write_bytes(content)
    with pytest.raises(BrokenInput, match=r"control\.db: the database is damaged"):
        ControlStore.open(path)


def test_database_of_another_program_is_left_alone(path: Path) -> None:
    direct = sqlite3.connect(path)
    direct.execute("CREATE TABLE bookmarks (url TEXT)")
    direct.close()
    before = path.read_bytes()
    with pytest.raises(BrokenInput, match=r"control\.db: is a database of another program"):
        ControlStore.open(path)
    assert path.read_bytes() == before


def test_database_of_a_newer_statnive_is_refused(path: Path) -> None:
    ControlStore.open(path).close()
    direct = sqlite3.connect(path)
    direct.execute("PRAGMA user_version = 99")
    direct.close()
    with pytest.raises(BrokenInput, match=r"newer statnive \(has schema 99"):
        ControlStore.open(path)


@pytest.mark.parametrize("kind", ["missing directory", "directory"])
def test_path_that_can_not_be_a_file_is_named(path: Path, kind: str) -> None:
    if kind == "directory":
        path.mkdir()
    else:
        path = path.parent / "missing" / "control.db"
    with pytest.raises(BrokenInput, match=r"control\.db: can't be "):
        ControlStore.open(path)


def test_full_disk_is_overload_and_keeps_what_was_there(path: Path, store: ControlStore) -> None:
    store.add_site("example.com", "UTC")
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    fill = (
        store.add_site(f"a-rather-long-hostname-to-fill-the-pages-{n}.example", "UTC") for n in range(500)
    )
    with pytest.raises(Overloaded, match=r"control\.db: no room left"):
        list(fill)
    kept = store.list_sites()
    assert kept[-1].domain == "example.com"
    store.close()
    with ControlStore.open(path) as again:
        assert again.list_sites() == kept


def test_failed_migration_leaves_the_last_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ControlStore.open(path) as store:
        site = store.add_site("example.com", "UTC")
    good = (
        "CREATE TABLE novel (id INTEGER PRIMARY KEY, site_id INTEGER REFERENCES sites (id) ON DELETE CASCADE)"
    )
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, (good, "CREATE TABLE sites (oops)")))
    with pytest.raises(BrokenInput, match="sites already exists"):
        ControlStore.open(path)
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, (good,)))
    with ControlStore.open(path) as store:  # would fail if the first half had stayed
        assert store.list_sites() == [site]
    monkeypatch.undo()
    with pytest.raises(BrokenInput, match="newer statnive"):
        ControlStore.open(path)


def test_threads_that_add_the_same_host_get_one_site(store: ControlStore) -> None:
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def add() -> None:
        barrier.wait()
        try:
            store.add_site("example.com", "UTC")
        except Rejected:
            outcomes.append("rejected")
        else:
            outcomes.append("added")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["added", "rejected", "rejected", "rejected"]


@pytest.mark.parametrize("connections", [1, 4])
def test_threads_and_processes_that_add_sites_at_once_get_each_of_them(path: Path, connections: int) -> None:
    stores = [ControlStore.open(path) for _ in range(connections)]
    barrier = threading.Barrier(4)

    def add(number: int) -> None:
        barrier.wait()
        for n in range(10):
            stores[number % connections].add_site(f"site-{number}-{n}.example", "UTC")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))  # raises what a thread raised
    assert {site.id for site in stores[0].list_sites()} == set(range(1, 41))
    for opened in stores:
        opened.close()


def test_processes_that_start_together_migrate_once(path: Path) -> None:
    barrier = threading.Barrier(4)
    stores: list[ControlStore] = []

    def start() -> None:
        barrier.wait()
        stores.append(ControlStore.open(path))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    site = stores[0].add_site("example.com", "UTC")
    assert [opened.list_sites() for opened in stores] == [[site]] * 4
    for opened in stores:
        opened.close()


HOSTS = st.sampled_from([f"{name}.example" for name in "abcdef"])
CHANGES = st.one_of(
    st.tuples(st.just("add"), HOSTS, st.lists(HOSTS, max_size=3)),
    st.tuples(st.just("alias"), HOSTS, HOSTS),
    st.tuples(st.just("remove"), HOSTS, st.none()),
)


@settings(deadline=None, max_examples=40)
@given(changes=st.lists(CHANGES, max_size=12))
def test_any_sequence_of_changes_agrees_with_a_model(
    changes: list[tuple[str, str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model: dict[str, tuple[int, set[str]]] = {}
    last_id = 0
    with ControlStore.open(tmp_path_factory.mktemp("control") / "control.db") as store:
        for kind, domain, more in changes:
            taken = {host for _, hosts in model.values() for host in hosts}
            try:
                if kind == "add":
                    assert isinstance(more, list)
                    site = store.add_site(domain, "UTC", more)
                    assert not taken & {domain, *more}
                    assert site.id > last_id
                    last_id = site.id
                    model[domain] = (site.id, {domain, *more})
                elif kind == "alias":
                    assert isinstance(more, str)
                    store.add_alias(domain, more)
                    assert more not in taken - model[domain][1]
                    model[domain][1].add(more)
                else:
                    store.remove_site(domain)
                    del model[domain]
            except Rejected:
                wanted = {domain, *more} if isinstance(more, list) else {more}
                assert (wanted & taken) if kind == "add" else (domain not in model or wanted & taken)
        assert {site.domain: (site.id, set(site.hosts)) for site in store.list_sites()} == model
        snapshot = store.snapshot()
        for domain, (site_id, hosts) in model.items():
            assert {snapshot.lookup(host) for host in hosts} == {snapshot.by_id[site_id]}
            assert snapshot.by_id[site_id].domain == domain
