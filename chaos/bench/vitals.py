"""`make vitals`: what the tracker costs a page, in a real Chromium; one command, one run, docs/receipts/vitals.md.

An article (vitals_page.py) is loaded over a slow link by a slowed processor, each time in a fresh profile: without
the tracker (twice, so that the difference of nothing is shown), with it, and with a node that is dead or hangs. The
variants take turns, so that what else the machine does meets them all.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs
import click
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from chaos.bench.vitals_page import OBSERVE, PageServer, hanging_server, refusing_port
from chaos.statnive_node import StatniveNode, statnive

ROOT = Path(__file__).parents[2]
RECEIPT = ROOT / "docs" / "receipts" / "vitals.md"
TRACKER = ROOT / "tracker" / "dist"
DOMAIN = "article.example"
CPU_SLOWDOWN = 4
LATENCY_MS = 150
DOWN_BITS_PER_S = 1_600_000
UP_BITS_PER_S = 750_000
READY_DEADLINE_MS = 8_000
VISIT_TRIES_MAX = 5
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-blink-features=AutomationControlled",  # the tracker counts no automated visit
    f"--host-resolver-rules=MAP {DOMAIN} 127.0.0.1",
)
TTFB_SHARE, TTFB_MS = 1.10, 25.0


@attrs.frozen
class Variant:
    """One way to load the page."""

    name: str
    snippet: str
    counts: bool = False  # whether its events reach the node


@attrs.frozen
class Measure:
    """One figure of a visit: how it is called, its unit, and how many digits tell something."""

    key: str
    title: str
    unit: str = "ms"
    digits: int = 0


MEASURES = (
    Measure("ttfb", "TTFB"),
    Measure("lcp", "LCP"),
    Measure("inp", "INP"),
    Measure("cls", "CLS", "", 3),
    Measure("app", "own script ready"),
    Measure("dcl", "DOMContentLoaded"),
    Measure("link", "click on a link to the next page's first byte"),
    Measure("form", "submission to the next page's first byte"),
)
FIGURES = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const [app] = performance.getEntriesByName("app");
  return { ttfb: page.responseStart, dcl: page.domContentLoadedEventEnd, app: app ? app.startTime : 0, ...vitals };
}"""
ARRIVED = """() => {
  const [page] = performance.getEntriesByType("navigation");
  return performance.timeOrigin + page.responseStart - Number(sessionStorage.getItem("left"));
}"""


def main() -> None:
    """Entry point of `python -m chaos.bench.vitals`."""
    vitals(prog_name="python -m chaos.bench.vitals")


@click.command()
@click.option("--runs", type=int, default=20, show_default=True, help="For each variant.")
@click.option("--output", type=click.Path(path_type=Path), default=RECEIPT, help="The receipt.")
def vitals(runs: int, output: Path) -> None:
    """Measure what the tracker costs a page and write the receipt. Exit 1 when a bound is broken.

    \b
    Examples:
      python -m chaos.bench.vitals
      python -m chaos.bench.vitals --runs 3 --output /tmp/vitals.md
    """
    with tempfile.TemporaryDirectory(prefix="statnive-vitals-") as directory, node(Path(directory)) as served:
        page_server = PageServer({"/js/all.js": (TRACKER / "tracker.all.js").read_bytes()})
        try:
            with hanging_server() as hanging, sync_playwright() as playwright:
                kinds = variants(
                    served.url, f"http://127.0.0.1:{refusing_port()}", f"http://127.0.0.1:{hanging}"
                )
                browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
                version = browser.version
                results = take_turns(browser, page_server, kinds, runs)
                browser.close()
        finally:
            page_server.close()
        events = int(served.metrics()["limiter_admitted_total"])
    expected = sum(kind.counts for kind in kinds) * runs * 3  # the page, the next one, the form's
    verdicts = judge(results, kinds)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(receipt(results, kinds, verdicts, runs, version, events))
    click.echo(output.read_text())
    if events < expected:
        click.echo(f"only {events} events of at least {expected} arrived: the tracker did not run", err=True)
        sys.exit(1)
    sys.exit(0 if all(good for good, _ in verdicts) else 1)


def chromium() -> str:
    """Where Chromium is. Raises click.ClickException."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise click.ClickException("Chromium is missing: apt-get install chromium")
    return path


@contextmanager
def node(directory: Path) -> Iterator[StatniveNode]:
    """A node that counts the page's site."""
    added = statnive("site", "add", DOMAIN, data_dir=directory / "data")
    if added.returncode:
        raise click.ClickException(added.stderr)
    with StatniveNode(directory / "data") as served:
        yield served


def variants(live: str, dead: str, hanging: str) -> list[Variant]:
    """The ways to load the page, given the nodes' addresses."""

    def snippet(url: str) -> str:
        return f'<script async src="{url}/tracker.js"></script>'

    def everything(url: str) -> str:
        return f'<script async src="/js/all.js" data-api="{url}/api/event"></script>'

    return [
        Variant("without", ""),
        Variant("without, once more", ""),
        Variant("tracker", snippet(live), counts=True),
        Variant("tracker, everything on", everything(live), counts=True),
        Variant("node dead", snippet(dead)),
        Variant("node dead, script cached, everything on", everything(dead)),
        Variant("node hanging", snippet(hanging)),
        Variant("node hanging, script cached, everything on", everything(hanging)),
    ]


Results = dict[str, dict[str, list[float]]]
"""Variant -> measure -> a figure for each run."""


def take_turns(browser: Browser, server: PageServer, kinds: list[Variant], runs: int) -> Results:
    """Every variant once a round, each round in another order. The first visit, which warms up, doesn't count."""
    chance = random.Random(1)
    results: Results = {kind.name: {measure.key: [] for measure in MEASURES} for kind in kinds}
    visit(browser, server, kinds[0])
    for number in range(runs):
        click.echo(f"… round {number + 1} of {runs}", err=True)
        for kind in chance.sample(kinds, len(kinds)):
            for key, value in visit(browser, server, kind).items():
                results[kind.name][key].append(value)
    return results


def visit(browser: Browser, server: PageServer, kind: Variant) -> dict[str, float]:
    """One visit's figures. On a shared machine everything may stand still for minutes: such a visit is made again."""
    for _ in range(VISIT_TRIES_MAX - 1):
        try:
            return visit_once(browser, server, kind)
        except TimeoutError:
            click.echo(f"… {kind.name}: timed out, once more", err=True)
    return visit_once(browser, server, kind)


def visit_once(browser: Browser, server: PageServer, kind: Variant) -> dict[str, float]:
    """Load the page in a fresh profile, use it, go on by the link and then by the form. Raises TimeoutError."""
    server.snippet = kind.snippet
    context = browser.new_context(viewport={"width": 1_000, "height": 800})
    context.add_init_script(OBSERVE)
    try:
        page = context.new_page()
        slow_down(page)
        page.goto(f"http://{DOMAIN}:{server.port}/", wait_until="commit")
        figures = use(page)
        figures["link"] = go_on(page, "next", lambda: page.click("#next", no_wait_after=True))
        figures["form"] = go_on(page, "thanks", lambda: page.click("#send", no_wait_after=True))
        return figures
    finally:
        context.close()


def slow_down(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": DOWN_BITS_PER_S / 8,
            "uploadThroughput": UP_BITS_PER_S / 8,
        },
    )


def use(page: Page) -> dict[str, float]:
    """Wait for the picture and the page's own script, click and type, and read the figures."""
    page.wait_for_function("document.querySelector('#hero')?.complete", timeout=60_000)
    never: list[str] = []
    try:
        page.wait_for_function("performance.getEntriesByName('app').length > 0", timeout=READY_DEADLINE_MS)
    except TimeoutError:
        never.append("app")
    page.wait_for_timeout(500)
    for _ in range(3):
        page.click("#menu")
    page.click("#menu")
    page.click("#name")
    page.keyboard.type("Ada", delay=60)
    page.wait_for_timeout(400)
    figures: dict[str, float] = page.evaluate(FIGURES)
    for key in ("app", "dcl"):  # what has not happened by now counts as this late
        if not figures[key]:
            figures[key] = float(READY_DEADLINE_MS)
    return figures


def go_on(page: Page, path: str, leave: Callable[[], None]) -> float:
    """ms from the click (the submission) to the first byte of the next page."""
    with page.expect_navigation(url=f"**/{path}*", wait_until="commit"):
        leave()
    page.wait_for_function("performance.getEntriesByType('navigation')[0].responseEnd > 0")
    arrived: float = page.evaluate(ARRIVED)
    return arrived


# The verdicts and the receipt


def judge(results: Results, kinds: list[Variant]) -> list[tuple[bool, str]]:
    """For each bound whether it holds, and what was found."""
    verdicts = []
    plain = results["without"]
    for kind in kinds[1:]:
        for measure in MEASURES:
            before, after = plain[measure.key], results[kind.name][measure.key]
            difference = statistics.median(after) - statistics.median(before)
            if measure.key == "ttfb":
                allowed = max(statistics.median(before) * (TTFB_SHARE - 1), TTFB_MS)
            else:
                allowed = max(spread(before), spread(after), 10.0**-measure.digits)
            good = difference <= allowed
            verdicts.append(
                (
                    good,
                    f"{kind.name}: {measure.title} {difference:+.{measure.digits}f} {measure.unit}".strip()
                    + f", allowed {allowed:.{measure.digits}f}",
                )
            )
    return verdicts


def spread(values: list[float]) -> float:
    """The distance between the quartiles."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return high - low


def cell(values: list[float], digits: int) -> str:
    """Median and quartiles."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def receipt(
    results: Results,
    kinds: list[Variant],
    verdicts: list[tuple[bool, str]],
    runs: int,
    version: str,
    events: int,
) -> str:
    """The text of docs/receipts/vitals.md."""
    header = ["", *(f"{m.title}{', ' + m.unit if m.unit else ''}" for m in MEASURES)]
    rows = [[kind.name, *(cell(results[kind.name][m.key], m.digits) for m in MEASURES)] for kind in kinds]
    broken = [text for good, text in verdicts if not good]
    lines = [
        "# What the tracker costs a page",
        "",
        "Made by `make vitals`; nothing in this file is typed in by hand.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} cores, shared · Linux {platform.release()} · "
        f"Chromium {version} · processor slowed {CPU_SLOWDOWN} times · link {LATENCY_MS} ms, "
        f"{DOWN_BITS_PER_S / 1e6:.1f} Mbit/s down, {UP_BITS_PER_S / 1e6:.2f} up · {runs} visits a variant in a fresh "
        f"profile, in turns · {events} events counted by the node",
        "",
        "Median (quartiles).",
        "",
        *("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)),
        "",
        "*Tracker*: the base script by the snippet of the README, from the node. *Everything on*: the script with all "
        "features, from the site's own host. *Dead*: nobody listens at the node's address. *Hanging*: the connection "
        "is taken and nothing is ever answered. Chromium notes TTFB before it adds the link's latency. INP "
        "is the slowest of four clicks and a typed word; CLS has no unit. "
        f"What had not happened after {READY_DEADLINE_MS / 1000:.0f} s counts as that late.",
        "",
        f"Bounds: TTFB within +10 % or +25 ms of the page without the tracker; every other figure within the noise, "
        f"which is the distance between the quartiles. {len(verdicts) - len(broken)} of {len(verdicts)} comparisons "
        "hold" + ("." if not broken else "; not these:"),
        *(f"- {text}" for text in broken),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
