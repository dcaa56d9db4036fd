"""`python -m chaos.load`: offer load to a statnive on this machine, and say what became of it."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from chaos.load.driver import Ramp, ramp, run
from chaos.load.settings import AddressKind, Arrivals, Headers, Settings, Stage, Variety, to_json
from chaos.load.summary import Summary
from chaos.load.table import render
from chaos.load.variety import site_domain
from statnive.errors import StatniveError

EXAMPLES = """\b
Examples:
  One minute at a million page views a minute, ledger kept for the oracle:
    python -m chaos.load --rate 16700 --seconds 60 --connections 4096 --ledger /tmp/ledger
  Where does it break?
    python -m chaos.load --ramp --rate 5000 --connections 4096
  Ten events a request; a connection for each request; a bad day:
    python -m chaos.load --rate 6000 --seconds 20 --events-per-request 10
    python -m chaos.load --rate 12000 --seconds 20 --new-connections
    python -m chaos.load --stages 1000:60,9000:10,1000:60 --arrivals poisson
  The sites that the server must know, one a line:
    python -m chaos.load --print-sites
"""


def _stages(_: click.Context, __: click.Parameter, text: str | None) -> list[Stage]:
    try:
        parts = [part.split(":") for part in text.split(",")] if text else []
        return [Stage(float(rate), float(seconds)) for rate, seconds in parts]
    except ValueError:
        raise click.BadParameter("must look like RATE:SECONDS,RATE:SECONDS") from None


def _cpus(_: click.Context, __: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError:
        raise click.BadParameter("must be core numbers such as 1 or 0,1") from None


@click.command(epilog=EXAMPLES, context_settings={"max_content_width": 110, "show_default": True})
@click.option("--target", default="http://127.0.0.1:8080/api/event", help="Only addresses of this machine.")
@click.option("--rate", type=float, default=1_000, help="Requests a second; with --ramp the first rate.")
@click.option("--seconds", type=float, default=10, help="How long.")
@click.option("--stages", callback=_stages, metavar="R:S,…", help="Several rates, one after another.")
@click.option("--ramp", "ramping", is_flag=True, help="Raise the rate until the server can't keep up.")
@click.option("--ramp-factor", type=float, default=1.15, help="From one rate to the next.")
@click.option("--ramp-seconds", type=float, default=5, help="For each rate.")
@click.option("--p99-ms-max", type=float, default=1_000, help="A ramp's rate is sustained up to this p99.")
@click.option("--connections", type=int, default=1_024, help="Kept alive; with --new-connections at a time.")
@click.option("--processes", type=int, default=1, help="Of the generator.")
@click.option(
    "--cpus", callback=_cpus, default="", show_default="any", help="Cores for the processes, in turn."
)
@click.option("--events-per-request", type=int, default=1, help="1 to 10; more than one go as an array.")
@click.option("--new-connections", is_flag=True, help="A connection for each request.")
@click.option("--pipeline", type=int, default=1, help="Requests without an answer on one connection.")
@click.option(
    "--arrivals",
    type=click.Choice([kind.value for kind in Arrivals]),
    default=Arrivals.EVEN.value,
    help="Due times.",
)
@click.option(
    "--addresses",
    type=click.Choice([kind.value for kind in AddressKind]),
    default=AddressKind.BENCHMARK.value,
    help="Clients.",
)
@click.option("--clients", type=int, default=200_000, help="Distinct client addresses.")
@click.option(
    "--headers",
    type=click.Choice([kind.value for kind in Headers]),
    default=Headers.BROWSER.value,
    help="How many.",
)
@click.option("--host", default="", show_default="the target's", help="Host header.")
@click.option("--timeout-s", type=float, default=10, help="When a request is given up.")
@click.option("--run", "run_id", default="", show_default="a new one", help="Run id in every event.")
@click.option("--first-seq", type=int, default=0, help="To go on with an earlier run's numbers.")
@click.option("--seed", type=int, default=1, help="Of who visits what.")
@click.option("--tags/--no-tags", default=True, help="Run id and sequence number in each event's properties.")
@click.option("--ledger", type=click.Path(path_type=Path), help="Directory to keep the ledgers in.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Summary as JSON; - for stdout.")
@click.option("--print-sites", is_flag=True, help="Print the sites' domains, and nothing else.")
def main(**options: Any) -> None:
    """Offer load to a statnive on this machine: an open loop, so that a stalled server can't hide.

    Requests are due at fixed times, whatever the server does; latency runs from the due time to the answer.
    """
    variety = Variety(
        addresses=options["clients"],
        address_kind=AddressKind(options["addresses"]),
        headers=Headers(options["headers"]),
        seed=options["seed"],
    )
    if options["print_sites"]:
        click.echo("\n".join(site_domain(site) for site in range(variety.sites)))
        return
    settings = Settings(
        target=options["target"],
        run=options["run_id"] or f"load-{secrets.token_hex(4)}",
        arrivals=Arrivals(options["arrivals"]),
        tagged=options["tags"],
        variety=variety,
        **{
            name: options[name]
            for name in (
                "connections", "processes", "cpus", "events_per_request", "new_connections", "pipeline",
                "host", "timeout_s",
            )
        },
    )  # fmt: skip
    with _ledger_directory(options["ledger"]) as directory:
        summaries = (
            _ramp(settings, options, directory) if options["ramping"] else _run(settings, options, directory)
        )
    if options["json_file"]:
        stages = [summary.to_json() for summary in summaries]
        text = json.dumps({"settings": to_json(settings), "stages": stages}, indent=1)
        click.open_file(str(options["json_file"]), "w").write(text + "\n")


@contextmanager
def _ledger_directory(kept: Path | None) -> Iterator[Path]:
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="statnive-load-") as temporary:
        yield Path(temporary)


def _run(settings: Settings, options: dict[str, Any], directory: Path) -> list[Summary]:
    stages = options["stages"] or [Stage(options["rate"], options["seconds"])]
    result = run(settings, stages, directory, first_seq=options["first_seq"])
    click.echo(render(result.stages), err=True)
    return list(result.stages)


def _ramp(settings: Settings, options: dict[str, Any], directory: Path) -> list[Summary]:
    plan = Ramp(
        options["rate"], options["ramp_seconds"], options["ramp_factor"], p99_ms_max=options["p99_ms_max"]
    )
    summaries = []
    for summary in ramp(settings, plan, directory, first_seq=options["first_seq"]):
        summaries.append(summary)
        click.echo(
            f"  {summary.rate:>9,.0f}/s {'sustained' if plan.sustained(summary) else 'not sustained'}",
            err=True,
        )
    click.echo(render(summaries), err=True)
    sustained = [summary.rate for summary in summaries if plan.sustained(summary)]
    best = f"{max(sustained):,.0f} requests a second" if sustained else "below the first rate"
    click.echo(f"sustained: {best}", err=True)
    return summaries


if __name__ == "__main__":
    try:
        main(prog_name="python -m chaos.load")
    except StatniveError as error:
        click.echo(f"chaos.load: {error}", err=True)
        sys.exit(2)
