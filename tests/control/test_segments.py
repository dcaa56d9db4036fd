"""Saved segments: kept by site, never under an old id again, read as the filters that they are."""

from __future__ import annotations

import pytest

from statnive.control.store import ControlStore
from statnive.errors import Rejected
from statnive.query.filters import filter_of, json_of, parse_filters, segments_of
from statnive.query.model import And, Is, Matches, Not, Or

TEXT = '["is","visit:source",["Google"]]'


@pytest.fixture
def store(tmp_path):
    with ControlStore.open(tmp_path / "control.db") as opened:
        opened.add_site("a.example", "UTC")
        opened.add_site("b.example", "UTC")
        yield opened


def test_a_segment_belongs_to_its_site_and_survives_a_restart(store, tmp_path):
    made = store.add_segment("a.example", " From Google ", TEXT)
    assert (made.name, made.filters) == ("From Google", TEXT)
    store.close()
    with ControlStore.open(tmp_path / "control.db") as again:
        sites = {site.domain: site for site in again.list_sites()}
    assert sites["a.example"].segments == (made,)
    assert sites["b.example"].segments == ()
    wanted = [["is", "segment", [made.id]], ["contains", "event:page", ["/x"]]]
    found = filter_of(wanted, segments_of(sites["a.example"]))
    assert isinstance(found, And)
    assert found.filters[0] == Is("visit:source", "Google")
    with pytest.raises(Rejected, match="no saved segment"):
        filter_of(wanted, segments_of(sites["b.example"]))


def test_a_site_s_segments_are_listed_by_id(store):
    made = [store.add_segment("a.example", name, TEXT) for name in ("b", "a")]
    assert store.list_segments("a.example") == tuple(made)
    assert store.list_segments("b.example") == ()
    with pytest.raises(Rejected, match="no site is called"):
        store.list_segments("unknown.example")


def test_a_removed_segment_s_id_is_not_used_again(store):
    first = store.add_segment("a.example", "one", TEXT)
    assert store.remove_segment("a.example", first.id) == first
    assert store.add_segment("a.example", "one", TEXT).id > first.id
    with pytest.raises(Rejected):
        store.remove_segment("b.example", first.id + 1)


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb"])
def test_a_name_that_is_none_is_refused(store, name):
    with pytest.raises(Rejected) as refused:
        store.add_segment("a.example", name, TEXT)
    assert refused.value.field == "name"


def test_two_segments_of_a_site_have_two_names(store):
    store.add_segment("a.example", "one", TEXT)
    with pytest.raises(Rejected, match="already"):
        store.add_segment("a.example", "one", TEXT)
    assert store.add_segment("b.example", "one", TEXT)


def test_a_filter_is_the_same_after_it_was_json():
    made = Or(
        (Is("visit:source", "a'b", ""), Not(And((Matches("event:page", "^/x"), Is("event:props:k", "v")))))
    )
    assert filter_of(json_of(made)) == made
    assert parse_filters("[]") is None
