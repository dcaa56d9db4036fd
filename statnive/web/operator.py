"""The operator's routes: what was dropped, how every part is, whether events can be taken, and Prometheus' figures."""

from __future__ import annotations

import platform
import shutil
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute

from statnive.clickhouse.verify import table_sizes
from statnive.errors import StatniveError
from statnive.web.access import ANYONE, METRICS, OPERATOR, Guarded

if TYPE_CHECKING:
    from statnive.web.app import WebParts

NO_STORE: Final = {"cache-control": "no-store"}


def routes(parts: WebParts) -> list[BaseRoute]:
    """For those who may see the dashboard, and for the control socket."""

    async def drops(request: Request) -> Response:
        return JSONResponse(parts.drops.report(), headers=NO_STORE)

    async def status(request: Request) -> Response:
        engine, problem = await _engine(parts)
        problems = parts.readiness()
        if problem:
            problems.setdefault("clickhouse", problem)
        body = {
            "time": datetime.fromtimestamp(parts.clock(), UTC).isoformat(timespec="milliseconds"),
            "problems": problems,
            "figures": parts.figures(),
            "versions": {**_versions(), "clickhouse": engine.get("version")},
            "tables": engine.get("tables"),
            "disk": await trio.to_thread.run_sync(_disk, parts),
            "sites": len(parts.sites.current.by_id),
        }
        return JSONResponse(body, headers=NO_STORE)

    async def ready(request: Request) -> Response:
        problems = parts.readiness()
        shown = problems if parts.gate.mode == "open" else dict.fromkeys(problems, "has a problem")
        text = "".join(f"{name}: {problem}\n" for name, problem in shown.items()) or "ready\n"
        # Only what keeps events from being taken makes a node unready: with ClickHouse down it still takes them.
        return PlainTextResponse(text, 503 if "log" in problems else 200)

    async def metrics(request: Request) -> Response:
        lines = [f"statnive_{name} {value}" for name, value in sorted(parts.figures().items())]
        for bound, requests in parts.ingest.ack_times.buckets():
            lines.append(f'statnive_ack_seconds_bucket{{le="{bound}"}} {requests}')
        for reason in parts.drops.report()["reasons"]:
            lines.append(f'statnive_dropped_total{{reason="{reason["reason"]}"}} {reason["events"]}')
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    return [
        Guarded("/api/operator/drops", drops, access=OPERATOR),
        Guarded("/api/operator/status", status, access=OPERATOR),
        Guarded("/readyz", ready, access=ANYONE),
        Guarded("/metrics", metrics, access=METRICS),
    ]


async def _engine(parts: WebParts) -> tuple[dict[str, Any], str]:
    """ClickHouse's version and tables, or why they can't be told: the page must work without it."""
    try:
        return await parts.reads.uncached(table_sizes), ""
    except StatniveError as error:
        return {}, str(error)


def _disk(parts: WebParts) -> dict[str, int]:
    """The disk of the data directory, in bytes."""
    usage = shutil.disk_usage(parts.data_dir)
    return {"total_bytes": usage.total, "free_bytes": usage.free}


@cache
def _versions() -> dict[str, str]:
    return {"statnive": version("statnive"), "python": platform.python_version()}
