"""Erasing a site's days, and how long they are kept: for the site's owner, and on the control socket.

Owns:       nothing. Inputs: requests that the gate let in. Outputs: JSON; erasures in the eraser's ledger.
Invariants: I1 an answer that says 202 stands for an erasure that is durable, and will be done; I2 only an owner (and
            the operator) erases; I3 a dry run changes nothing.
Failure:    Rejected naming the field; what ClickHouse can't answer now is a 503.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.clickhouse.erase import Extent
from statnive.control import retention
from statnive.control.snapshot import Retention, Site
from statnive.erasures import DAY_LAST, REQUEST, Erasure, Removed, Span, day_number, day_text
from statnive.errors import Rejected
from statnive.web.access import OPERATOR, OWN, Guarded, in_body, in_query
from statnive.web.control import read_body

if TYPE_CHECKING:
    from statnive.web.app import WebParts

Endpoint = Callable[[Request], Awaitable[Response]]
NO_STORE: Final = {"cache-control": "no-store"}
SEEN_S: Final = 5.0


class EraseWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/erase; local days, YYYY-MM-DD, "" = from the first, or to the last."""

    site: str
    first: str = msgspec.field(name="from", default="")
    last: str = msgspec.field(name="to", default="")
    dry_run: bool = False


class RetentionWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /api/retention; see statnive.control.retention. None = stays. `apply`: at once."""

    site: str
    keep_events: str | None = None
    keep_counts: str | None = None
    apply: bool = False


class SiteGone(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/sites/remove; `erase`: its events and counts go, too."""

    site: str
    erase: bool


def routes(parts: WebParts) -> list[BaseRoute]:
    """For a site's owner (keeps I2)."""
    return [
        Guarded("/api/erasures", _list(parts), access=OWN, site=in_query()),
        Guarded("/api/erase", _erase(parts), access=OWN, methods=("POST",), site=in_body),
        Guarded("/api/retention", _keep(parts), access=OWN, methods=("POST",), site=in_body),
    ]


def control_routes(parts: WebParts) -> list[BaseRoute]:
    """For this machine's operator."""
    return [
        Guarded("/control/erasures", _list(parts), access=OPERATOR),
        Guarded("/control/erasures/{id:int}", _one(parts), access=OPERATOR),
        Guarded("/control/erase", _erase(parts), access=OPERATOR, methods=("POST",)),
        Guarded("/control/retention", _keep(parts), access=OPERATOR, methods=("POST",)),
        Guarded("/control/sites/remove", _remove(parts), access=OPERATOR, methods=("POST",)),
    ]


def _list(parts: WebParts) -> Endpoint:
    async def erasures(request: Request) -> Response:
        site = _site(parts, request.query_params.get("site", ""))
        ledger = parts.eraser.book.ledger
        found = [
            erasure_json(one)
            for one in (*ledger.done, *ledger.open)
            if any(span.site_id == site.id for span in (*one.events, *one.rollups))
        ]
        answer = {"site": site.domain, **retention_json(site), "erasures": found}
        return JSONResponse(answer, headers=NO_STORE)

    return erasures


def _one(parts: WebParts) -> Endpoint:
    async def one(request: Request) -> Response:
        """An erasure as it is; not before it has changed from `seen`, its state and months done, or SEEN_S are over."""
        number, seen = int(request.path_params["id"]), request.query_params.get("seen", "")
        with trio.move_on_after(SEEN_S):
            while True:
                progress = parts.eraser.progress
                found = parts.eraser.find(number)
                if found is None:
                    raise Rejected("id", f"{number} is no erasure")
                shown = erasure_json(found)
                if f"{shown['state']} {shown['months_done']}" != seen:
                    break
                await progress.wait()
        return JSONResponse(shown, headers=NO_STORE)

    return one


def _erase(parts: WebParts) -> Endpoint:
    async def erase(request: Request) -> Response:
        wish = await read_body(request, EraseWish)
        site = _site(parts, wish.site)
        span = _span(site, wish)
        if parts.eraser.is_refused:
            raise Rejected("clickhouse.cluster", parts.eraser.is_refused)
        if wish.dry_run:  # keeps I3
            found = extent_json(await parts.eraser.measure(span))
            return JSONResponse({"site": site.domain, **_days(span), **found}, headers=NO_STORE)
        erasure = await ask_to_erase(parts, request, site, span)
        return JSONResponse({"site": site.domain, **erasure_json(erasure)}, 202, NO_STORE)

    return erase


def _keep(parts: WebParts) -> Endpoint:
    async def keep(request: Request) -> Response:
        wish = await read_body(request, RetentionWish)
        site = _site(parts, wish.site)
        now = site.retention or Retention()
        if wish.keep_events is not None or wish.keep_counts is not None:
            if parts.eraser.is_refused:
                raise Rejected("keep_events", parts.eraser.is_refused)
            wanted = retention.checked(
                now.events if wish.keep_events is None else wish.keep_events,
                now.counts if wish.keep_counts is None else wish.keep_counts,
            )
            if (wanted.events, wanted.counts) != (now.events, now.counts):
                site = await trio.to_thread.run_sync(parts.store.set_retention, site.domain, wanted)
                await trio.to_thread.run_sync(parts.reload_sites)
                parts.auditor.record(
                    "retention_changed", site_id=site.id, events=wanted.events or "for ever",
                    counts=wanted.counts or "for ever", by=request.state.caller.name,
                )  # fmt: skip
        begun = await parts.eraser.apply(site.id) if wish.apply else None
        site = parts.sites.current.by_id.get(site.id, site)
        answer = {"site": site.domain, **retention_json(site), "applied": begun and erasure_json(begun)}
        return JSONResponse(answer, headers=NO_STORE)

    return keep


def _remove(parts: WebParts) -> Endpoint:
    async def remove(request: Request) -> Response:
        wish = await read_body(request, SiteGone)
        site = _site(parts, wish.site)
        erasure = await remove_site(parts, request, site, erase=wish.erase)
        return JSONResponse(
            {"site": site.domain, "erasure": erasure and erasure_json(erasure)}, headers=NO_STORE
        )

    return remove


async def remove_site(parts: WebParts, request: Request, site: Site, *, erase: bool) -> Erasure | None:
    """Forget a site: roles, links and goals go. Its events stay under its id, which no other site gets, or are erased:
    that is durable before the site is forgotten.
    """
    erasure = None
    if erase:
        if parts.eraser.is_refused:
            raise Rejected("erase", parts.eraser.is_refused)
        erasure = await ask_to_erase(parts, request, site, Span(site.id, 0, DAY_LAST))
    await trio.to_thread.run_sync(parts.store.remove_site, site.domain)
    await trio.to_thread.run_sync(parts.reload_sites)
    await trio.to_thread.run_sync(parts.tokens.reload)
    parts.auditor.record("site_removed", site_id=site.id, erased=erase, by=request.state.caller.name)
    return erasure


async def ask_to_erase(parts: WebParts, request: Request, site: Site, span: Span) -> Erasure:
    """Keeps I1."""
    erasure = await parts.eraser.ask(span)
    parts.auditor.record(
        "erase_asked", erasure=erasure.id, site_id=site.id, first=day_text(span.first), last=day_text(span.last),
        by=request.state.caller.name,
    )  # fmt: skip
    return erasure


def erasure_json(one: Erasure) -> dict[str, Any]:
    """An erasure as the API shows it; rows are those that are gone so far."""
    state = "done" if one.done_at else "running" if one.has_begun else "waiting"
    days = _days(one.events[0]) if one.kind == REQUEST else {}
    return {
        "id": one.id,
        "why": one.kind,
        "state": state,
        **days,
        "months": one.months_all,
        "months_done": one.months_all - len(one.months),
        "rows_erased": one.rows,
        "events_uncounted": one.counted,
        "asked_at": one.asked_at,
        "done_at": one.done_at or None,
    }


def extent_json(extent: Extent) -> dict[str, Any]:
    """What an erasure takes: rows by table."""
    return {
        "rows": extent.rows,
        "first_day": extent.first_day or None,
        "last_day": extent.last_day or None,
        "months": len(extent.months),
    }


def retention_json(site: Site) -> dict[str, Any]:
    """How long a site's days are kept ("" = for ever), and what is gone already."""
    kept, gone = site.retention or Retention(), site.removed or Removed()
    return {
        "keep_events": kept.events,
        "keep_counts": kept.counts,
        "events_from": day_text(gone.events_from) if gone.events_from else None,
        "counts_from": day_text(gone.counted_from) if gone.counted_from else None,
    }


def _days(span: Span) -> dict[str, str | None]:
    return {
        "from": day_text(span.first) if span.first else None,
        "to": day_text(span.last) if span.last < DAY_LAST else None,
    }


def _span(site: Site, wish: EraseWish) -> Span:
    first = day_number(_day("from", wish.first)) if wish.first else 0
    last = day_number(_day("to", wish.last)) if wish.last else DAY_LAST
    if not 0 <= first <= last <= DAY_LAST:
        raise Rejected("to", "lies before from")
    return Span(site.id, first, last)


def _day(field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or len(text) != 10 or not 1970 <= day.year <= 2148:
        raise Rejected(field, "must be a day such as 2026-11-01")
    return day


def _site(parts: WebParts, domain: str) -> Site:
    site = parts.sites.current.lookup(domain)
    if site is None:
        raise Rejected("site", f"{domain[:60]} is not a site of this node")
    return site
