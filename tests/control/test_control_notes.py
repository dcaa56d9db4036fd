"""Notes: of a site, by day, within limits."""

from __future__ import annotations

import attrs
import pytest

from statnive.control import notes
from statnive.control.snapshot import Note
from statnive.control.store import ControlStore
from statnive.errors import Rejected


@pytest.fixture
def store(tmp_path):
    with ControlStore.open(tmp_path / "control.db") as opened:
        opened.add_site("a.example", "UTC")
        opened.add_site("b.example", "UTC")
        yield opened


def of(store, domain):
    return next(site.notes for site in store.list_sites() if site.domain == domain)


def test_the_notes_of_a_site_are_in_the_order_of_their_days(store):
    late = store.add_note("a.example", "2026-11-03", "  a launch ")
    early = store.add_note("a.example", "2026-11-01", "an outage")
    assert of(store, "a.example") == (early, late)
    assert late == Note(late.id, "2026-11-03", "a launch")
    assert of(store, "b.example") == ()


def test_a_removed_note_is_gone_and_its_number_not_used_again(store):
    first = store.add_note("a.example", "2026-11-03", "one")
    with pytest.raises(Rejected, match="no note of this site"):
        store.remove_note("b.example", first.id)
    assert store.remove_note("a.example", first.id) == first
    assert store.add_note("a.example", "2026-11-03", "two").id > first.id


@pytest.mark.parametrize(
    ("day", "text", "field"),
    [
        ("2026-02-30", "x", "day"),
        ("20260203", "x", "day"),
        ("2026-02-03", " ", "text"),
        ("2026-02-03", "a\nb", "text"),
        ("2026-02-03", "x" * (notes.TEXT_CHARS_MAX + 1), "text"),
    ],
)
def test_what_is_no_day_or_no_line_of_text_is_refused(store, day, text, field):
    with pytest.raises(Rejected) as refused:
        store.add_note("a.example", day, text)
    assert refused.value.field == field


def test_a_site_has_a_limit_of_notes(store, monkeypatch):
    monkeypatch.setattr(notes, "NOTES", attrs.evolve(notes.NOTES, most=1))
    store.add_note("a.example", "2026-11-03", "one")
    with pytest.raises(Rejected, match="limit of 1"):
        store.add_note("a.example", "2026-11-03", "two")
    assert store.add_note("b.example", "2026-11-03", "one")
