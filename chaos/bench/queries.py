"""`make bench-query`: how long each report takes, of a large, a middle and a small site: docs/receipts/queries.md.

    python -m chaos.bench.queries [--events 200000000] [--data DIRECTORY]

One command, one run, one receipt: the data are made (query_data.py), growth is measured in the engine
(query_growth.py), then a node on the data is asked over HTTP, alone and beside ingest (query_http.py), and what the
hour cache saves is played with the times found (query_cache.py). Progress is told on stderr.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
import click

from chaos.bench import query_cache, query_data, query_growth, query_http
from chaos.bench.query_data import ROOT
from chaos.bench.query_plot import plot
from chaos.bench.query_receipt import Found, render, verdicts
from chaos.bench.stage import SITES as LOAD_SITES
from chaos.load.variety import site_domain
from chaos.statnive_node import StatniveNode, add_sites
from statnive.control.store import ControlStore

RECEIPT: Final = ROOT / "docs" / "receipts" / "queries.md"
# As long a range as is asked for, and a day more for each cold round of both series.
DAYS: Final = max(query_http.DAY_RANGES) + 2 * query_http.ROUNDS


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--events", type=click.IntRange(min=1), default=200_000_000, show_default=True, help="Of the day."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the data are made and kept: the next run finds them there. Else they go afterwards.",
)
@click.option(
    "--rounds", type=click.IntRange(min=2), default=query_http.ROUNDS, show_default=True, help="Cold ones."
)
@click.option(
    "--ingest-seconds",
    type=float,
    default=30,
    show_default=True,
    help="Of each of the twelve stages; 0 = none.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=RECEIPT, show_default=True, help="The receipt."
)
def bench(events: int, data: Path | None, rounds: int, ingest_seconds: float, output: Path) -> None:
    """Measure the reading side and write the receipt, its plot and its figures (.md, .svg, .json).

    \b
    Examples:
      python -m chaos.bench.queries                                           everything
      python -m chaos.bench.queries --data /var/tmp/queries                   and keep the data
      python -m chaos.bench.queries --events 2000000 --rounds 3 --output /tmp/queries.md
    """
    started = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{time.monotonic() - started:6.0f} s] {text}", err=True)

    rounds = min(rounds, query_http.ROUNDS)
    with _directory(data) as directory:
        made = query_data.build(directory, events, DAYS, say)
        growths = query_growth.measure(directory, made.days, say)
        anew_ms = query_growth.anew_ms(directory, query_cache.PAGE, 30)
        _let_load_in(directory)
        with StatniveNode(directory) as node:
            say(f"a node is ready on {node.url}")
            timings = query_http.measure_alone(node.url, say, rounds)
            alone: list[query_http.Acks] = []
            beside: list[query_http.Acks] = []
            if ingest_seconds:
                more, alone, beside = query_http.measure_beside_ingest(node, ingest_seconds, say)
                timings += more
    saved = query_cache.play(query_http.cold_by_report(timings, "largest", 30), anew_ms)
    found = Found(made, timings, alone, beside, growths, saved, time.monotonic() - started)
    _write(output, found, f"python -m chaos.bench.queries --events {events}")
    for verdict in verdicts(found):
        click.echo(f"{'met    ' if verdict.met else 'NOT MET'}  {verdict.target}: {verdict.measured}")
    say(f"written to {output}")


def _write(output: Path, found: Found, command: str) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    picture = output.with_suffix(".svg")
    picture.write_text(plot(found.growths))
    figures = {
        "made": attrs.asdict(found.made),
        "timings": [query_http.as_json(timing) for timing in found.timings],
        "ingest_alone": [attrs.asdict(each) for each in found.alone],
        "ingest_beside": [attrs.asdict(each) for each in found.beside],
        "growth": [attrs.asdict(each) for each in found.growths],
        "saved": [attrs.asdict(each) for each in found.saved],
    }
    output.with_suffix(".json").write_text(json.dumps(figures) + "\n")
    output.write_text(render(found, command, picture.name))


def _let_load_in(directory: Path) -> None:
    """The generator's sites, beside those that are asked about."""
    with ControlStore.open(directory / "control.db") as store:
        known = {site.domain for site in store.list_sites()}
    missing = [site_domain(number) for number in range(LOAD_SITES) if site_domain(number) not in known]
    add_sites(directory, missing)


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="statnive-queries-") as temporary:
        yield Path(temporary)


if __name__ == "__main__":
    bench()
