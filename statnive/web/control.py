"""The control socket's routes: sites, goals, tokens, imports and checks, for the CLI on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.clickhouse.full_check import FullCheck
from statnive.control.goals import NewGoal, money_text
from statnive.control.snapshot import Goal, Note, Segment, Site
from statnive.control.tokens import SECRET_BYTES, NewToken, Token, secret_of
from statnive.errors import Rejected
from statnive.query.filters import filter_of, json_of
from statnive.web.access import OPERATOR, Guarded, capped
from statnive.web.imports import Entry, Hit

if TYPE_CHECKING:
    from statnive.web.app import WebParts

T = TypeVar("T")
BODY_BYTES_MAX = 4 * 1024 * 1024
# How long a check waits for a block that nobody knows whether it is in.
VERIFY_PATIENCE_S = 60.0


class NewSite(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/sites."""

    domain: str
    timezone: str = "UTC"
    aliases: list[str] = []


class SiteGoal(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/goals."""

    site: str
    kind: str
    target: str
    scroll_depth: int = 0
    value: str = ""
    currency: str = ""


class SiteName(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/goals/{id}/remove."""

    site: str


class TokenWish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/tokens; `sites` null = all."""

    name: str
    scopes: list[str]
    sites: list[str] | None
    days: int | None = None


class NewSegment(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/segments."""

    site: str
    name: str
    filters: list[Any]


class NewNote(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/notes; `day` is a local day of the site, YYYY-MM-DD."""

    site: str
    day: str
    text: str


class NewImport(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/imports."""

    site: str


class Verify(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /control/verify."""

    repair: bool = False


def routes(parts: WebParts) -> list[BaseRoute]:
    async def changed(change: Callable[..., T], *given: Any) -> T:
        """Make a change to the sites, in a thread, and have the whole node see it."""
        result = await trio.to_thread.run_sync(change, *given)
        await trio.to_thread.run_sync(parts.reload_sites)
        return result

    async def node(request: Request) -> Response:
        return JSONResponse({"url": parts.listening_url(), "is_listening": parts.is_listening()})

    async def list_sites(request: Request) -> Response:
        sites = await trio.to_thread.run_sync(parts.store.list_sites)
        return JSONResponse({"sites": [site_json(site) for site in sites]})

    async def add_site(request: Request) -> Response:
        new = await read_body(request, NewSite)

        def add() -> Site:
            return parts.store.add_site(new.domain, new.timezone, new.aliases)

        site = await changed(add)
        for host in site.hosts:
            parts.drops.forget_host(host)
        parts.report("site_added", f"site {site.domain} was added")
        return JSONResponse(site_json(site), 201)

    async def list_goals(request: Request) -> Response:
        domain = request.query_params.get("site", "")
        found = await trio.to_thread.run_sync(parts.store.list_goals, domain)
        return JSONResponse({"goals": [{**goal_json(goal), "removed": removed} for goal, removed in found]})

    async def add_goal(request: Request) -> Response:
        body = await read_body(request, SiteGoal)
        new = NewGoal(body.kind, body.target, body.scroll_depth, body.value, body.currency)
        goal = await changed(parts.store.add_goal, body.site, new)
        parts.report("goal_added", f"goal {goal.id} of {body.site} was added")
        return JSONResponse(goal_json(goal), 201)

    async def remove_goal(request: Request) -> Response:
        body = await read_body(request, SiteName)
        number = int(request.path_params["id"])
        goal = await changed(parts.store.remove_goal, body.site, number)
        parts.report("goal_removed", f"goal {goal.id} of {body.site} was removed")
        return JSONResponse(goal_json(goal))

    async def list_tokens(request: Request) -> Response:
        found = await trio.to_thread.run_sync(parts.store.list_tokens)
        return JSONResponse({"tokens": [token_json(parts, token) for token in found]})

    async def add_token(request: Request) -> Response:
        wish = await read_body(request, TokenWish)
        site_ids = None if wish.sites is None else frozenset(_site_id(parts, name) for name in wish.sites)
        secret = secret_of(os.urandom(SECRET_BYTES))
        new = NewToken(wish.name, tuple(wish.scopes), site_ids, wish.days)
        token = await trio.to_thread.run_sync(parts.store.add_token, new, secret)
        await trio.to_thread.run_sync(parts.tokens.reload)
        parts.report("token_added", f"token {token.id} ({token.name}) was added")
        return JSONResponse({**token_json(parts, token), "secret": secret}, 201)

    async def revoke_token(request: Request) -> Response:
        token = await trio.to_thread.run_sync(parts.store.revoke_token, int(request.path_params["id"]))
        await trio.to_thread.run_sync(parts.tokens.reload)
        parts.report("token_revoked", f"token {token.id} ({token.name}) was revoked")
        return JSONResponse(token_json(parts, token))

    async def list_segments(request: Request) -> Response:
        domain = request.query_params.get("site", "")
        found = await trio.to_thread.run_sync(parts.store.list_segments, domain)
        return JSONResponse({"segments": [segment_json(segment) for segment in found]})

    async def add_segment(request: Request) -> Response:
        body = await read_body(request, NewSegment)
        found = filter_of(body.filters)
        if found is None:
            raise Rejected("filters", "is empty: a segment has at least one filter")
        text = msgspec.json.encode(json_of(found)).decode()
        segment = await changed(parts.store.add_segment, body.site, body.name, text)
        parts.auditor.record("segment_added", segment=segment.id, site=body.site)
        return JSONResponse(segment_json(segment), 201)

    async def remove_segment(request: Request) -> Response:
        body = await read_body(request, SiteName)
        number = int(request.path_params["id"])
        segment = await changed(parts.store.remove_segment, body.site, number)
        parts.auditor.record("segment_removed", segment=segment.id, site=body.site)
        return JSONResponse(segment_json(segment))

    async def add_note(request: Request) -> Response:
        body = await read_body(request, NewNote)
        note = await changed(parts.store.add_note, body.site, body.day, body.text)
        parts.auditor.record("note_added", note=note.id, site=body.site)
        return JSONResponse(note_json(note), 201)

    async def remove_note(request: Request) -> Response:
        body = await read_body(request, SiteName)
        note = await changed(parts.store.remove_note, body.site, int(request.path_params["id"]))
        parts.auditor.record("note_removed", note=note.id, site=body.site)
        return JSONResponse(note_json(note))

    async def begin_import(request: Request) -> Response:
        new = await read_body(request, NewImport)
        site = parts.sites.current.lookup(new.site)
        if site is None:
            raise Rejected("site", f"{new.site} is not a site; add it with: statnive site add {new.site}")
        return JSONResponse({"id": parts.imports.begin(site), "timezone": site.timezone}, 201)

    async def import_entries(request: Request) -> Response:
        entries = await read_packed(request, list[Entry])
        return JSONResponse(await parts.imports.take(int(request.path_params["id"]), entries))

    async def import_hits(request: Request) -> Response:
        hits = await read_packed(request, list[Hit])
        return JSONResponse(await parts.imports.take_hits(int(request.path_params["id"]), hits))

    async def finish_import(request: Request) -> Response:
        site_id, done = await parts.imports.finish(int(request.path_params["id"]))
        parts.reads.forget(site_id)
        parts.auditor.record("imported", site_id=site_id)
        return JSONResponse(done)

    async def verify(request: Request) -> Response:
        body = await read_body(request, Verify)
        set_aside = int(parts.figures()["writer_quarantine_rows"])

        def check() -> FullCheck:
            return parts.engine.check_all(
                repairing=body.repair, rows_set_aside=set_aside, patience_s=VERIFY_PATIENCE_S
            )

        found = await trio.to_thread.run_sync(check)
        parts.auditor.record("verified", is_right=found.is_right, repair=body.repair)
        for line in found.repaired:
            parts.report("repaired", line)
        if found.repaired:
            parts.reads.forget()
        if not found.is_right:
            parts.report(
                "drift", f"{found.drift_rows} rows of the rollups, {len(found.doubled)} stretches of rows"
            )
        return JSONResponse({**found.as_json(), "set_aside": set_aside})

    return [
        Guarded("/control/verify", verify, access=OPERATOR, methods=("POST",)),
        Guarded("/control/node", node, access=OPERATOR, methods=("GET",)),
        Guarded("/control/sites", list_sites, access=OPERATOR, methods=("GET",)),
        Guarded("/control/sites", add_site, access=OPERATOR, methods=("POST",)),
        Guarded("/control/goals", list_goals, access=OPERATOR, methods=("GET",)),
        Guarded("/control/goals", add_goal, access=OPERATOR, methods=("POST",)),
        Guarded("/control/goals/{id:int}/remove", remove_goal, access=OPERATOR, methods=("POST",)),
        Guarded("/control/tokens", list_tokens, access=OPERATOR, methods=("GET",)),
        Guarded("/control/tokens", add_token, access=OPERATOR, methods=("POST",)),
        Guarded("/control/tokens/{id:int}/revoke", revoke_token, access=OPERATOR, methods=("POST",)),
        Guarded("/control/segments", list_segments, access=OPERATOR, methods=("GET",)),
        Guarded("/control/segments", add_segment, access=OPERATOR, methods=("POST",)),
        Guarded("/control/segments/{id:int}/remove", remove_segment, access=OPERATOR, methods=("POST",)),
        Guarded("/control/notes", add_note, access=OPERATOR, methods=("POST",)),
        Guarded("/control/notes/{id:int}/remove", remove_note, access=OPERATOR, methods=("POST",)),
        Guarded("/control/imports", begin_import, access=OPERATOR, methods=("POST",)),
        Guarded("/control/imports/{id:int}/entries", import_entries, access=OPERATOR, methods=("POST",)),
        Guarded("/control/imports/{id:int}/hits", import_hits, access=OPERATOR, methods=("POST",)),
        Guarded("/control/imports/{id:int}/finish", finish_import, access=OPERATOR, methods=("POST",)),
    ]


def site_json(site: Site) -> dict[str, Any]:
    """A site as the API shows it."""
    return {"domain": site.domain, "timezone": site.timezone, "aliases": site.aliases}


def goal_json(goal: Goal) -> dict[str, Any]:
    """A goal as the API shows it: its value a decimal, null when it has none."""
    return {
        "id": goal.id,
        "name": goal.name,
        "kind": goal.kind.value,
        "target": goal.target,
        "scroll_depth": goal.scroll_depth or None,
        "value": money_text(goal.value) if goal.currency else None,
        "currency": goal.currency or None,
    }


def token_json(parts: WebParts, token: Token) -> dict[str, Any]:
    """A token as the API shows it: never its secret."""
    known = parts.sites.current.by_id
    state = "open" if token.is_open(parts.clock()) else "expired"
    return {
        "id": token.id,
        "name": token.name,
        "shown": token.shown,
        "scopes": sorted(token.scopes),
        "sites": None
        if token.site_ids is None
        else sorted(known[number].domain for number in token.site_ids if number in known),
        "state": "revoked" if token.revoked_at is not None else state,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": parts.tokens.last_used(token),
    }


def _site_id(parts: WebParts, domain: str) -> int:
    site = parts.sites.current.lookup(domain)
    if site is None:
        raise Rejected("site", f"{domain[:60]} is not a site; `statnive site list` shows them")
    return site.id


def segment_json(segment: Segment) -> dict[str, Any]:
    """A saved filter as the API shows it."""
    return {"id": segment.id, "name": segment.name, "filters": msgspec.json.decode(segment.filters)}


def note_json(note: Note) -> dict[str, Any]:
    """A note as the API shows it."""
    return {"id": note.id, "day": note.day, "text": note.text}


async def read_body(request: Request, kind: type[T]) -> T:
    """The request's JSON body as a `kind`. Raises Rejected naming what is wrong."""
    judged = getattr(request.state, "body", None)
    try:
        if judged is not None:  # by the gate: what was judged is what is done
            return msgspec.convert(judged, kind)
        return msgspec.json.decode(await capped(request, BODY_BYTES_MAX), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Rejected("body", str(error)) from None


async def read_packed(request: Request, kind: type[T]) -> T:
    """The request's MessagePack body as a `kind`. Raises Rejected naming what is wrong."""
    try:
        return msgspec.msgpack.decode(await capped(request, BODY_BYTES_MAX), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Rejected("body", str(error)) from None
