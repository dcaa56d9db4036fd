"""The OpenAPI 3.1 document of the reading API, made from the routes' own declarations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from statnive.event import DropReason
from statnive.query.catalog import REPORTS
from statnive.query.model import METRICS
from statnive.query.ranges import Interval
from statnive.web.token_gate import EVENTS_MAX

if TYPE_CHECKING:
    from statnive.web.stats import Declared

PATH: Final = "/api/openapi.json"
EVENTS_PATH: Final = "/api/v1/events"
VERSION: Final = "1"  # of the interface
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_QUOTIENT: Final = {"type": ["number", "null"]}
_MONEY: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"amount": _TEXT, "currency": _TEXT},
        "required": ["amount", "currency"],
    },
}
_COUNTS: Final = ("visitors", "visits", "pageviews", "events", "entries", "exits")


def document(routes: Iterable[Declared]) -> dict[str, Any]:
    """The document."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    paths[EVENTS_PATH] = {"post": _events_operation()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "statnive",
            "version": VERSION,
            "description": "Days and hours are the site's own; every answer says through when it is complete.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas() | _event_schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Declared) -> dict[str, Any]:
    answers: dict[str, Any] = {
        str(status): {"description": text, "content": _json("error")}
        for status, text in (
            (400, "A parameter is wrong: `field` says which."),
            (401, "Nobody is signed in, or the API key opens nothing (here)."),
            (403, "The role or the API key's scopes do not allow it."),
            (404, "There is no such site."),
            (429, "Asked too often; see Retry-After."),
            (503, "ClickHouse can't answer now, or the question is too large for its limits."),
        )
        if route.parameters
    }
    if route.parameters:
        answers["431"] = {"description": "The address is longer than the server takes."}
    return {
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_').replace('-', '_').replace('.', '_')}",
        "summary": route.summary,
        "parameters": [
            {
                "name": parameter.name,
                "in": "query",
                "description": parameter.text,
                "required": parameter.name in ("site", "steps"),
                "schema": dict(parameter.schema),
            }
            for parameter in route.parameters
        ],
        "responses": {"200": {"description": "The answer.", "content": _content(route)}, **answers},
    }


def _events_operation() -> dict[str, Any]:
    """POST /api/v1/events: the one route here that writes, and whose errors are Plausible's."""
    event, text = {"$ref": "#/components/schemas/server_event"}, {"content": _json("text_error")}
    several = {"type": "array", "items": event, "minItems": 1, "maxItems": EVENTS_MAX}
    header = {"in": "header", "required": False, "schema": _TEXT}
    about = "The visitor's, for events that do not tell"
    return {
        "operationId": "post_events",
        "summary": "Events from a server: what the tracker sends, with the visitor's address and user agent.",
        "security": [{"token": []}],
        "parameters": [
            {"name": "X-Forwarded-For", "description": f"{about} an `ip`: its first address.", **header},
            {"name": "User-Agent", "description": f"{about} a `user_agent`.", **header},
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [event, several]}}},
        },
        "responses": {
            "202": {
                "description": "What was recorded is on disk; what was not is told.",
                "content": _json("taken"),
            },
            "400": {"description": "Nothing could be recorded: `error` names the field.", **text},
            "401": {"description": "No API key, or one that opens nothing here.", **text},
            "403": {"description": "The API key lacks the scope events:write.", **text},
            "429": {"description": "Too many events; see Retry-After.", **text},
            "431": {"description": "The head is longer than the server takes."},
            "503": {"description": "The log takes no more now; nothing was recorded.", **text},
        },
    }


def _event_schemas() -> dict[str, Any]:
    """Those of POST /api/v1/events."""
    either = {"type": ["object", "string"]}
    event = _object(
        "name url",
        name=_TEXT, url=_TEXT, domain=_TEXT, referrer=_TEXT, props=either, revenue=either,
        interactive={"type": "boolean"}, ip=_TEXT, user_agent=_TEXT,
        time={"type": ["number", "string"]},
    )  # fmt: skip
    lost = _object(
        "index reason", index=_COUNT, reason={"enum": list(DropReason)}, field=_TEXT, message=_TEXT
    )
    return {
        "server_event": event,
        "taken": _object("accepted dropped", accepted=_COUNT, dropped={"type": "array", "items": lost}),
        "text_error": _object("error", error=_TEXT),
    }


def _content(route: Declared) -> dict[str, Any]:
    if route.answers == "zip":
        return {"application/zip": {}}
    content = _json(route.answers)
    if any(parameter.name == "format" for parameter in route.parameters):
        content["text/csv"] = {"schema": _TEXT}
    return content


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _compared(**more: Any) -> dict[str, Any]:
    """The range that an answer is compared with, and its own numbers."""
    return _object(" ".join(("from", "to", *more)), **{"from": _TEXT, "to": _TEXT}, **more)


def _removed() -> dict[str, Any]:
    """Days of the range that are erased: `events` only where the answer needs them, or all `counts`."""
    why, what = {"enum": ["retention", "request"]}, {"enum": ["events", "counts"]}
    return _object("from to why what", **{"from": _TEXT, "to": _TEXT}, why=why, what=what)


def _schemas() -> dict[str, Any]:
    figures = {
        name: _COUNT if name in _COUNTS else _MONEY if name.endswith("_revenue") else _QUOTIENT
        for name in METRICS
    }
    keys = sorted({key for report in REPORTS.values() for key in (*report.keys, *report.choices, "value")})
    head = {
        "site": _TEXT,
        "timezone": _TEXT,
        "from": _TEXT,
        "to": _TEXT,
        "fresh_through": {"type": "string", "format": "date-time"},
        "source": {"enum": ["rollup", "raw"]},
        "sampled": _QUOTIENT,
        "stale": {"const": True},
        "warnings": {"type": "array", "items": _TEXT},
        "removed": {"type": "array", "items": _removed()},
    }
    of_site = "site timezone from to fresh_through"
    figure = {"$ref": "#/components/schemas/figures"}
    row = {
        "type": "object",
        "properties": {**dict.fromkeys(keys, _TEXT), **figures, "comparison": figure},
    }
    point = {"type": "object", "required": ["time"], "properties": {"time": _TEXT, **figures}}
    points, interval = {"type": "array", "items": point}, {"enum": list(Interval)}
    step = _object(
        "step visitors conversion_rate conversion_rate_step drop_off",
        step=_TEXT, visitors=_COUNT, conversion_rate=_QUOTIENT, conversion_rate_step=_QUOTIENT, drop_off=_COUNT,
    )  # fmt: skip
    move = _object("page next visits views", page=_TEXT, next=_TEXT, visits=_COUNT, views=_COUNT)
    role = {"enum": ["viewer", "admin", "owner"]}
    site = _object(
        "domain timezone aliases role",
        domain=_TEXT, timezone=_TEXT, aliases={"type": "array", "items": _TEXT}, role=role,
    )  # fmt: skip
    return {
        "error": _object(
            "error", error=_object("field message", field={"type": ["string", "null"]}, message=_TEXT)
        ),
        "figures": {"type": "object", "properties": figures},
        "sites": _object(
            "sites signed_in operator",
            sites={"type": "array", "items": site},
            signed_in={"type": "boolean"},
            operator={"type": "boolean"},
        ),
        "segments": _object(
            "segments",
            segments={
                "type": "array",
                "items": _object("id name filters", id=_COUNT, name=_TEXT, filters={"type": "array"}),
            },
        ),
        "notes": _object(
            "notes",
            notes={"type": "array", "items": _object("id day text", id=_COUNT, day=_TEXT, text=_TEXT)},
        ),
        "totals": _object(f"{of_site} metrics", **head, metrics=figure, comparison=_compared(metrics=figure)),
        "all_sites": _object(
            "sites",
            sites={
                "type": "array",
                "items": _object(
                    f"{of_site} metrics points", **head, metrics=figure, points={"type": "array", "items": point}
                ),
            },
        ),
        "points": _object(
            f"{of_site} interval points", **head, interval=interval, points=points,
            comparison=_compared(points=points),
        ),
        "list": _object(
            f"{of_site} total_rows rows", **head, total_rows=_COUNT, rows={"type": "array", "items": row},
            comparison=_compared(),
        ),
        "funnel": _object(f"{of_site} steps sampled", **head, steps={"type": "array", "items": step}),
        "journeys": _object(f"{of_site} rows sampled", **head, rows={"type": "array", "items": move}),
        "bots": _object(
            f"{of_site} events total_rows rows", **head, events=_COUNT, total_rows=_COUNT,
            rows={"type": "array", "items": _object("bot events", bot=_TEXT, events=_COUNT)},
        ),
        "realtime": _object(
            f"{of_site} visitors pageviews minutes points",
            **head, visitors=_COUNT, pageviews=_COUNT, minutes=_COUNT,
            points=points,
        ),
        "refreshed": _object("site refreshed", site=_TEXT, refreshed={"const": True}),
    }  # fmt: skip
