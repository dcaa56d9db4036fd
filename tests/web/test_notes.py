"""Notes by HTTP: added and removed by a site's owner, read by whoever may see the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.accounts_world import as_session
from tests.web.test_settings import PAGE, Web

NOTE = {"site": "example.com", "day": "2026-11-03", "text": "a launch"}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    made.control.add_site("other.example", "UTC")
    made.reload_sites()
    yield made
    made.control.close()


def notes(web: Web, site: str) -> Any:
    return web.request("GET", f"/api/notes?site={site}").json()["notes"]


def test_a_note_is_added_listed_and_removed(web: Web) -> None:
    made = web.change("/api/notes", NOTE)
    assert made.status_code == 201
    note = made.json()
    assert (note["day"], note["text"]) == (NOTE["day"], NOTE["text"])
    assert (notes(web, "example.com"), notes(web, "other.example")) == ([note], [])
    assert web.change(f"/api/notes/{note['id']}/remove", {"site": "other.example"}).status_code == 400
    assert web.change(f"/api/notes/{note['id']}/remove", {"site": "example.com"}).json() == note
    assert notes(web, "example.com") == []


def test_who_has_no_part_in_a_site_can_not_add_a_note_to_it(web: Web) -> None:
    web.page = {**PAGE, **as_session(web.session(web.user("bob@example.com")))}
    assert web.change("/api/notes", NOTE).status_code in (403, 404)
    web.page = PAGE
    assert web.change("/api/notes", NOTE).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/notes", {**NOTE, "day": "today"}, "day"),
        ("/api/notes", {"site": "example.com", "day": "2026-11-03"}, "body"),
        ("/api/notes/9/remove", {"site": "example.com"}, "note"),
    ],
)
def test_a_bad_body_is_refused_by_its_field(web: Web, path: str, body: Any, field: str) -> None:
    answer = web.change(path, body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field), answer.text
