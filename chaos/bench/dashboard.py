"""`make dashboard-speed`: the first load of the dashboard in a real Chromium, into docs/receipts/dashboard.md.

A node on the embedded engine with a month of made-up traffic (`statnive demo`) is opened over a slow link by a slowed
processor, each time in a fresh profile. Two ways in turn: days that nobody asked for before, so that every answer is
counted, and the usual days, whose answers the node has kept.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import attrs
import click
from playwright.sync_api import Browser, sync_playwright

from chaos.bench.vitals import (
    CPU_SLOWDOWN,
    DOWN_BITS_PER_S,
    LATENCY_MS,
    UP_BITS_PER_S,
    chromium,
    slow_down,
)
from chaos.statnive_node import StatniveNode, statnive

ROOT = Path(__file__).parents[2]
RECEIPT = ROOT / "docs" / "receipts" / "dashboard.md"
SITE = "demo.example"
ZONE = "Europe/Berlin"
CONTENT_MS_MAX = 1_500
TASK_MS_MAX = 100
DEADLINE_MS = 60_000
SIZES = ((1_400, 900), (390, 844))
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)
# When the first headline number, the chart and the first row of a list are there; what jumped; what kept the page busy.
OBSERVE = """
window.seen = {content: 0, chart: 0, lists: 0, cls: 0, task: 0, lcp: 0};
const ENDS = {content: '.headline .value:not(:has(.skeleton))', chart: '.chart canvas', lists: '.list tbody tr'};
new MutationObserver(() => {
  for (const [name, selector] of Object.entries(ENDS)) {
    if (!seen[name] && document.querySelector(selector)) {
      seen[name] = -1;
      requestAnimationFrame(() => setTimeout(() => { seen[name] = performance.now(); }));
    }
  }
}).observe(document, {subtree: true, childList: true, characterData: true});
const watch = (type, each) =>
  new PerformanceObserver((list) => list.getEntries().forEach(each)).observe({type, buffered: true});
watch('layout-shift', (entry) => { seen.cls += entry.value; });
watch('longtask', (entry) => { seen.task = Math.max(seen.task, entry.duration); });
watch('largest-contentful-paint', (entry) => { seen.lcp = entry.startTime; });
"""
QUIET = "seen.content > 0 && seen.chart > 0 && seen.lists > 0 && !document.querySelector('.skeleton')"
BYTES = """performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
  .reduce((sum, entry) => sum + entry.transferSize, 0)"""


@attrs.frozen
class Measure:
    """One figure of a visit, and the most that it may be (None: only told)."""

    key: str
    title: str
    most: float | None = None
    digits: int = 0


MEASURES = (
    Measure("content", "headline numbers drawn, ms", CONTENT_MS_MAX),
    Measure("lcp", "LCP, ms"),
    Measure("chart", "chart drawn, ms"),
    Measure("lists", "first list drawn, ms"),
    Measure("task", "longest task, ms", TASK_MS_MAX),
    Measure("cls", "CLS", 0, 4),
    Measure("bytes", "bytes over the link"),
)
Results = dict[str, dict[str, list[float]]]


@click.command()
@click.option("--runs", type=int, default=10, show_default=True, help="For each way and window.")
@click.option("--output", type=click.Path(path_type=Path), default=RECEIPT, help="The receipt.")
def dashboard(runs: int, output: Path) -> None:
    """Measure the dashboard's first load and write the receipt. Exit 1 when a bound is broken.

    \b
    Examples:
      python -m chaos.bench.dashboard
      python -m chaos.bench.dashboard --runs 3 --output /tmp/dashboard.md
    """
    with tempfile.TemporaryDirectory(prefix="statnive-dashboard-") as directory:
        data_dir = Path(directory) / "data"
        made = statnive("demo", "--site", SITE, "--timezone", ZONE, data_dir=data_dir)
        if made.returncode:
            raise click.ClickException(made.stderr)
        with StatniveNode(data_dir) as node, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
            version = browser.version
            results = take_turns(browser, node.url, runs)
            browser.close()
    broken = judge(results)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(receipt(results, broken, runs, version))
    click.echo(output.read_text())
    sys.exit(1 if broken else 0)


def take_turns(browser: Browser, url: str, runs: int) -> Results:
    """Every way and window once a round; the first visit, which warms the engine up, does not count."""
    usual = f"{url}/?site={SITE}"
    visit(browser, usual, SIZES[0])
    results: Results = {}
    today = datetime.now(UTC).date()
    for number in range(runs):
        for index, size in enumerate(SIZES):
            fresh = days_for(today, number * len(SIZES) + index)
            for way, address in (("counted", f"{usual}{fresh}"), ("kept", usual)):
                name = f"{way}, {size[0]} px"
                found = results.setdefault(name, {measure.key: [] for measure in MEASURES})
                for key, value in visit(browser, address, size).items():
                    found[key].append(value)
        click.echo(f"… round {number + 1} of {runs}", err=True)
    return results


def days_for(today: date, number: int) -> str:
    """About a month of days that no other number has."""
    last = today - timedelta(days=number % 5)
    first = today - timedelta(days=25 + number // 5)
    return f"&from={first}&to={last}"


def visit(browser: Browser, address: str, size: tuple[int, int]) -> dict[str, float]:
    """One first load in a fresh profile, without the CSP, which forbids what waits here. Raises TimeoutError."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, bypass_csp=True)
    context.add_init_script(OBSERVE)
    try:
        page = context.new_page()
        slow_down(page)
        page.goto(address, wait_until="commit", timeout=DEADLINE_MS)
        page.wait_for_function(QUIET, timeout=DEADLINE_MS)
        page.wait_for_timeout(500)
        figures: dict[str, float] = page.evaluate("seen")
        return {**figures, "bytes": page.evaluate(BYTES)}
    finally:
        context.close()


def judge(results: Results) -> list[str]:
    """What is over its bound, in words. Times by their median; nothing may ever jump."""
    broken = []
    for name, found in results.items():
        for measure in MEASURES:
            if measure.most is None:
                continue
            values = found[measure.key]
            value = max(values) if measure.key == "cls" else statistics.median(values)
            if value > measure.most:
                broken.append(
                    f"{name}: {measure.title} {value:,.{measure.digits}f}, allowed {measure.most:,}"
                )
    return broken


def cell(values: list[float], digits: int) -> str:
    """Median and the largest."""
    return f"{statistics.median(values):,.{digits}f} ({max(values):,.{digits}f})"


def receipt(results: Results, broken: list[str], runs: int, version: str) -> str:
    """The text of docs/receipts/dashboard.md."""
    header = ["", *(measure.title for measure in MEASURES)]
    rows = [[name, *(cell(found[m.key], m.digits) for m in MEASURES)] for name, found in results.items()]
    verdict = "All bounds hold." if not broken else f"{len(broken)} bounds do not hold:"
    lines = [
        "# The first load of the dashboard",
        "",
        "Made by `make dashboard-speed`; nothing in this file is typed in by hand.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} cores, shared by node and browser · "
        f"Linux {platform.release()} · Chromium {version} · processor slowed {CPU_SLOWDOWN} times · "
        f"link {LATENCY_MS} ms, {DOWN_BITS_PER_S / 1e6:.1f} Mbit/s down, {UP_BITS_PER_S / 1e6:.2f} up · "
        f"{runs} first loads each, in a fresh profile, in turns · embedded engine, a month of `statnive demo`",
        "",
        "Median (largest).",
        "",
        *("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)),
        "",
        "*Counted*: days that nobody asked for before. *Kept*: the usual days, whose answers the node has kept. A "
        "number counts as drawn in the first frame after it is in the page.",
        "",
        f"Bounds: headline numbers within {CONTENT_MS_MAX:,} ms and no task longer than {TASK_MS_MAX} ms, by their "
        f"medians; CLS 0 in every single visit. {verdict}",
        *(f"- {text}" for text in broken),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    dashboard(prog_name="python -m chaos.bench.dashboard")
