"""Notes by HTTP: added and removed on the control socket, read with the reading API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trio

from statnive.control.snapshot import SnapshotHolder
from statnive.control.store import ControlStore
from statnive.web import app, control, settings, stats


class Web:
    """The routes over a control store."""

    def __init__(self, store: ControlStore) -> None:
        self.sites = SnapshotHolder(store.snapshot())
        self.recorded: list[str] = []
        parts: Any = SimpleNamespace(
            store=store,
            sites=self.sites,
            reload_sites=lambda: setattr(self.sites, "current", store.snapshot()),
            auditor=SimpleNamespace(record=lambda kind, **more: self.recorded.append(kind)),
        )
        self.served: Any = app._starlette(
            parts, [*stats.routes(parts), *control.routes(parts), *settings.routes(parts)]
        )

    def ask(self, method: str, url: str, body: object = None) -> httpx.Response:
        async def work() -> httpx.Response:
            transport = httpx.ASGITransport(self.served, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, url, json=body)

        return trio.run(work)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with ControlStore.open(tmp_path / "control.db") as store:
        store.add_site("a.example", "UTC")
        store.add_site("b.example", "UTC")
        yield Web(store)


@pytest.mark.parametrize("base", ["/control/notes", "/api/notes"])
def test_a_note_is_added_listed_and_removed(web: Web, base: str) -> None:
    made = web.ask("POST", base, {"site": "a.example", "day": "2026-11-03", "text": "a launch"})
    assert made.status_code == 201
    note = made.json()
    assert web.ask("GET", "/api/notes?site=a.example").json() == {"notes": [note]}
    assert web.ask("GET", "/api/notes?site=b.example").json() == {"notes": []}
    assert web.ask("POST", f"{base}/{note['id']}/remove", {"site": "a.example"}).json() == note
    assert web.ask("GET", "/api/notes?site=a.example").json() == {"notes": []}
    assert web.recorded == ["note_added", "note_removed"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/control/notes", {"site": "a.example", "day": "today", "text": "x"}, "day"),
        ("/control/notes", {"site": "a.example", "day": "2026-11-03"}, "body"),
        ("/control/notes", {"site": "c.example", "day": "2026-11-03", "text": "x"}, "domain"),
        ("/control/notes/9/remove", {"site": "a.example"}, "note"),
    ],
)
def test_a_bad_body_is_refused_by_its_field(web: Web, path: str, body: Any, field: str) -> None:
    answer = web.ask("POST", path, body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field), answer.text
