"""The reading API: GET /api/sites and /api/stats/*, JSON or CSV from the same routes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from statnive.clickhouse.client import Client
from statnive.control.snapshot import Site
from statnive.errors import Rejected
from statnive.query import given, reports
from statnive.query.bots import bots
from statnive.query.catalog import REPORTS
from statnive.query.filters import segments_of
from statnive.query.funnels import WINDOW_S_DEFAULT, WINDOW_S_MAX, funnel, journeys, parse_steps
from statnive.query.given import Options, Parameter, parse_options
from statnive.query.model import VALUE_CHARS_MAX
from statnive.query.ranges import LIMIT_MAX, Slice, whole
from statnive.query.removed import gone_of
from statnive.query.reports import Asked
from statnive.query.tables import csv_of, zip_of
from statnive.web import openapi
from statnive.web.access import ANYONE, LISTED, VIEW, Access, Guarded, in_query
from statnive.web.control import note_json, segment_json, site_json
from statnive.web.reads import Read

if TYPE_CHECKING:
    from statnive.web.app import WebParts

Endpoint = Callable[[Request], Awaitable[Response]]
NO_STORE: Final = {"cache-control": "no-store"}
REALTIME: Final = (given.SITE,)
FUNNEL: Final = (
    given.SITE,
    *given.RANGE,
    given.FILTERS,
    given.FORMAT,
    Parameter(
        "steps", 'Two to eight: [{"page":"/pricing"},{"event":"Signup"}]; * and ** in a page are wildcards.'
    ),
    Parameter("window", "Seconds from the first step to the last.", given.number(1, WINDOW_S_MAX)),
)
JOURNEYS: Final = (
    given.SITE,
    *given.RANGE,
    given.FILTERS,
    given.FORMAT,
    Parameter("page", "Only from this page on."),
    Parameter("limit", "How many rows.", given.number(1, LIMIT_MAX)),
)
BOTS: Final = (given.SITE, *given.RANGE, *given.SLICE, given.FORMAT)
ALL_SITES: Final = (*given.RANGE, given.INTERVAL)
EXPORT: Final = (given.SITE, *given.RANGE, given.FILTERS)


@attrs.frozen
class Declared:
    """One route of the reading API: what the OpenAPI document says of it, and who answers."""

    path: str
    summary: str
    parameters: tuple[Parameter, ...]
    endpoint: Endpoint
    method: str = "GET"
    answers: str = "json"  # a schema of openapi.py
    access: Access = VIEW  # who may call it: what is not said is for those who may see the site named

    def guarded(self) -> Guarded:
        """The route itself."""
        site = in_query() if self.access.role else None
        return Guarded(self.path, self.endpoint, access=self.access, methods=(self.method,), site=site)


def routes(parts: WebParts) -> list[BaseRoute]:
    """The routes; reads share a small thread limiter, so that dashboards never crowd out ingest."""
    known = declared(parts)

    async def described(request: Request) -> Response:
        return JSONResponse(openapi.document(known))

    return [
        *(each.guarded() for each in known),
        *(Guarded(each.path, _wrong_method, access=ANYONE) for each in known if each.method != "GET"),
        Guarded(openapi.PATH, described, access=ANYONE),
    ]


def declared(parts: WebParts) -> list[Declared]:
    """Every route with its declaration."""

    async def sites(request: Request) -> Response:
        caller, gate = request.state.caller, parts.gate
        seen = [{**site_json(site), "role": gate.role_text(caller, site)} for site in _seen(parts, request)]
        more = {"signed_in": not caller.is_nobody, "operator": caller.is_operator}
        return JSONResponse({"sites": seen, **more}, headers=NO_STORE)

    async def segments(request: Request) -> Response:
        site = find_site(parts, read_given(request, REALTIME))
        return JSONResponse(
            {"segments": [segment_json(segment) for segment in site.segments]}, headers=NO_STORE
        )

    async def notes(request: Request) -> Response:
        site = find_site(parts, read_given(request, REALTIME))
        return JSONResponse({"notes": [note_json(note) for note in site.notes]}, headers=NO_STORE)

    async def realtime(request: Request) -> Response:
        site = find_site(parts, read_given(request, REALTIME))
        now = datetime.fromtimestamp(int(parts.clock()), UTC)
        answer = await parts.reads.uncached(lambda reader: reports.realtime(reader, site, now))
        return JSONResponse(answer, headers=NO_STORE)

    async def refresh(request: Request) -> Response:
        site = find_site(parts, read_given(request, REALTIME))
        wait_s = parts.reads.refresh(site.id)
        if wait_s:
            message = "a site is refreshed once a minute"
            body = {"error": {"field": None, "message": message}}
            return JSONResponse(body, 429, {"retry-after": str(wait_s)})
        return JSONResponse({"site": site.domain, "refreshed": True}, headers=NO_STORE)

    lists = [
        Declared(
            f"/api/stats/{name}",
            report.title,
            given.of_report(name, report),
            _report(parts, name),
            answers="list",
        )
        for name, report in REPORTS.items()
    ]
    return [
        Declared("/api/sites", "The sites of this node", (), sites, answers="sites", access=LISTED),
        Declared("/api/segments", "The saved filters of a site", REALTIME, segments, answers="segments"),
        Declared("/api/notes", "What happened on days of a site", REALTIME, notes, answers="notes"),
        Declared("/api/stats/sites", "Each site's totals", ALL_SITES, _all_sites(parts), "GET", "all_sites", LISTED),
        Declared("/api/stats/overview", "Totals", given.TOTALS, _report(parts, "overview"), answers="totals"),
        Declared("/api/stats/trend", "Points in time", given.TREND, _report(parts, "trend"), answers="points"),
        *lists,
        Declared("/api/stats/funnel", "Who took some steps in order", FUNNEL, _funnel(parts), answers="funnel"),
        Declared("/api/stats/journeys", "From page to page", JOURNEYS, _journeys(parts), answers="journeys"),
        Declared("/api/stats/bots", "Bots by name, and how many events of them", BOTS, _bots(parts), answers="bots"),
        Declared("/api/stats/export", "Every report as CSV, in a ZIP", EXPORT, _export(parts), answers="zip"),
        Declared("/api/stats/realtime", "The last hour", REALTIME, realtime, answers="realtime"),
        Declared("/api/stats/refresh", "Count anew", REALTIME, refresh, "POST", answers="refreshed"),
    ]  # fmt: skip


async def _wrong_method(request: Request) -> Response:
    """Else the dashboard's pages would answer for it."""
    return Response(status_code=405, headers={"allow": "POST"})


def _report(parts: WebParts, name: str) -> Endpoint:
    is_list = name in REPORTS
    allowed = {"overview": given.TOTALS, "trend": given.TREND}
    parameters = given.of_report(name, REPORTS[name]) if is_list else allowed[name]

    async def endpoint(request: Request) -> Response:
        values = read_given(request, parameters)
        site = find_site(parts, values)
        as_csv = _is_csv(values)
        options = _options(parts, site, values, is_list=is_list)
        columns = reports.columns_of(name, options)  # refuses what no answer has, whatever the format
        read = await ask(parts, site, name, options)
        if as_csv:
            return _csv(csv_of(read.value, columns), f"{name} {site.domain}", read)
        return answer(read)

    return endpoint


def _all_sites(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        values = read_given(request, ALL_SITES)
        found = []
        for site in _seen(parts, request):
            options = _options(parts, site, values, is_list=False)
            totals = await ask(parts, site, "overview", options)
            course = await ask(parts, site, "trend", attrs.evolve(options, metrics=("visitors",)))
            entry = {**totals.value, "points": course.value["points"]}
            found.append({**entry, "stale": True} if totals.stale or course.stale else entry)
        return JSONResponse({"sites": found}, headers=NO_STORE)

    return endpoint


def _seen(parts: WebParts, request: Request) -> list[Site]:
    """The sites that the caller may know, by domain."""
    known = sorted(parts.sites.current.by_id.values(), key=lambda site: site.domain)
    return [site for site in known if parts.gate.sees(request.state.caller, site)]


def _export(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        values = read_given(request, EXPORT)
        site = find_site(parts, values)
        options = attrs.evolve(_options(parts, site, values, is_list=False), slice=Slice(LIMIT_MAX, 0))
        files: dict[str, str] = {}
        for name in reports.NAMES:
            read = await ask(parts, site, name, options)
            files[f"{name}.csv"] = csv_of(read.value, reports.columns_of(name, options))
        name = _file_name(f"{site.domain} {options.range.days.first} {options.range.days.last}")
        headers = {**NO_STORE, "content-disposition": f'attachment; filename="{name}.zip"'}
        return Response(zip_of(files), media_type="application/zip", headers=headers)

    return endpoint


def _funnel(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        values = read_given(request, FUNNEL)
        site = find_site(parts, values)
        steps = parse_steps(values.get("steps", ""))
        window_s = whole("window", values.get("window"), WINDOW_S_DEFAULT, 1, WINDOW_S_MAX)
        options = _options(parts, site, values, is_list=False)

        def work(reader: Client) -> dict[str, Any]:
            return funnel(reader, site, options.range, steps, options.filter, window_s)

        return await _drill_down(parts, site, values, options, ("funnel", steps, window_s), work)

    return endpoint


def _journeys(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        values = read_given(request, JOURNEYS)
        site = find_site(parts, values)
        page = values.get("page", "")
        if len(page) > VALUE_CHARS_MAX:
            raise Rejected("page", f"has {VALUE_CHARS_MAX} characters at most")
        options = _options(parts, site, values, is_list=True)

        def work(reader: Client) -> dict[str, Any]:
            return journeys(reader, site, options.range, page, options.filter, options.slice.limit)

        return await _drill_down(parts, site, values, options, ("journeys", page), work)

    return endpoint


def _bots(parts: WebParts) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        values = read_given(request, BOTS)
        site = find_site(parts, values)
        options = _options(parts, site, values, is_list=True)

        def work(reader: Client) -> dict[str, Any]:
            return bots(reader, site, options.range, options.slice)

        return await _drill_down(parts, site, values, options, ("bots",), work)

    return endpoint


async def _drill_down(
    parts: WebParts,
    site: Site,
    values: dict[str, str],
    options: Options,
    key: tuple[Hashable, ...],
    work: Callable[[Client], dict[str, Any]],
) -> Response:
    """What `work` reads, under the head of every answer. `key`: its name, and what shapes it beside the options."""
    head = reports.head(site, options.range, fresh_through(parts))
    head |= reports.lacking(gone_of(site, options.range.days, "raw"))
    read = await parts.reads.ask(site, (options, *key), lambda reader: {**head, **work(reader)})
    return _csv(csv_of(read.value), f"{key[0]} {site.domain}", read) if _is_csv(values) else answer(read)


def fresh_through(parts: WebParts) -> datetime:
    """The instant through which everything acknowledged can be read now."""
    return datetime.fromtimestamp(int(parts.fresh_through()), UTC)


async def ask(parts: WebParts, site: Site, name: str, options: Options) -> Read:
    """The answer of a native report, kept or new."""
    make = reports.made_by(name)
    through = fresh_through(parts)

    def work(reader: Client) -> dict[str, Any]:
        return make(reader, Asked(site, options, through))

    return await parts.reads.ask(site, (name, options), work)


def answer(read: Read) -> Response:
    """As JSON; that it is stale is said in it."""
    value = {**read.value, "stale": True} if read.stale else read.value
    return JSONResponse(value, headers=NO_STORE)


def read_given(request: Request, parameters: tuple[Parameter, ...]) -> dict[str, str]:
    """The query's parameters. A parameter that would be ignored is refused: it was meant to change the answer."""
    allowed = {parameter.name for parameter in parameters}
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise Rejected(name[:40], f"is unknown; allowed: {', '.join(sorted(allowed))}")
        if name in values:
            raise Rejected(name, "is given twice")
        values[name] = value
    return values


def find_site(parts: WebParts, values: dict[str, str]) -> Site:
    """The site that `site` names. Raises Rejected."""
    domain = values.get("site", "")
    if not domain:
        raise Rejected("site", "is missing: the domain of the site to report on")
    site = parts.sites.current.lookup(domain)
    if site is None:
        raise Rejected("site", f"{domain[:60]} is not a site of this node")
    return site


def _options(parts: WebParts, site: Site, values: dict[str, str], *, is_list: bool) -> Options:
    now = datetime.fromtimestamp(parts.clock(), UTC)
    return parse_options(values, ZoneInfo(site.timezone), now, segments_of(site), is_list=is_list)


def _is_csv(values: dict[str, str]) -> bool:
    chosen = values.get("format", "json")
    if chosen not in ("json", "csv"):
        raise Rejected("format", "must be json or csv")
    return chosen == "csv"


def _csv(text: str, name: str, read: Read) -> Response:
    headers = {**NO_STORE, "content-disposition": f'attachment; filename="{_file_name(name)}.csv"'}
    if read.stale:
        headers["warning"] = '110 - "response is stale"'
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)[:100]
