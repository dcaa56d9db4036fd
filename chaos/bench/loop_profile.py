"""`make profile`: where the event loop's thread spends its time while a node takes the law's rate.

The kernel's sampler (`perf`, Debian's linux-perf) on that one thread, by the library that was running: what is left of
a core is the limit of a node, and this says who has the rest. Samples are of CPU time, so waiting costs nothing here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import attrs
import click

from chaos.bench.receipt import header, machine, table
from chaos.bench.stage import (
    ROOT,
    Measured,
    Options,
    bench_directory,
    node_on,
    run_stage,
    settings_for,
)
from chaos.load.settings import Stage

RECEIPT = ROOT / "docs" / "receipts" / "loop.md"
SAMPLES_PER_S = 999
SETTLE_S = 7.0  # the warm-up's rows are in, and the visits' table is in use
KERNEL, INTERPRETER = (
    "the kernel: receive, send, epoll, scheduling",
    "CPython: our code, as it is interpreted",
)
# What a shared object is there for; the first name that its file's begins with.
OBJECTS = (
    ("[kernel", KERNEL),
    ("python3", INTERPRETER),
    ("parser.cpython", "llhttp, by httptools: the head of a request"),
    ("_core.cpython", "msgspec: JSON in, MessagePack out"),
    ("blake3", "BLAKE3: the visitor's hash"),
    ("extension.cpython", "libmaxminddb: place and AS number"),
    ("ua_parser", "ua-parser: agents that the cache has not"),
    ("libc", "libc: memory, strings, addresses"),
)
OTHERS = "all others"


@attrs.frozen
class Profile:
    """Samples of the loop's thread by what was running, and the load meanwhile."""

    samples: Counter[str]
    measured: Measured


def by_purpose(lines: list[str]) -> Counter[str]:
    """Samples by purpose, of `perf script -F dso`: a line a sample, the object's path in brackets."""
    found: Counter[str] = Counter()
    for line in lines:
        name = Path(line.strip().strip("()")).name or line.strip()
        if name:
            found[next((purpose for start, purpose in OBJECTS if name.startswith(start)), OTHERS)] += 1
    return found


def profile(rate: int, seconds: float) -> Profile:
    """Sample the loop for `seconds` while `rate` requests a second come. Raises ClickException without `perf`."""
    perf = shutil.which("perf")
    if perf is None:
        raise click.ClickException("`perf` is needed: apt-get install linux-perf")
    options = Options(seconds + SETTLE_S + 2, 0, 1_024)
    with tempfile.TemporaryDirectory() as directory, bench_directory() as home, node_on(home) as node:
        data = Path(directory) / "perf.data"
        record = [perf, "record", "-q", "-e", "cpu-clock", "-F", str(SAMPLES_PER_S), "-t", str(node.pid)]
        done: list[subprocess.CompletedProcess[str]] = []

        def sample() -> None:
            time.sleep(SETTLE_S)
            command = [*record, "-o", str(data), "--", "sleep", str(seconds)]
            done.append(subprocess.run(command, capture_output=True, text=True, check=False))

        sampler = threading.Thread(target=sample)
        sampler.start()
        measured = run_stage(node, Stage(rate, options.seconds), settings_for(node.url, options), None)
        sampler.join()
        if done[0].returncode:
            raise click.ClickException(f"perf record: {done[0].stderr.strip()}")
        script = [perf, "script", "-i", str(data), "-F", "ip,dso"]
        text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    return Profile(
        by_purpose([line.partition("(")[2] for line in text.splitlines() if "(" in line]), measured
    )


def report(found: Profile) -> str:
    """The table, and what it says of the limit."""
    total = sum(found.samples.values())
    loop_us = found.measured.loop_cpu_s / max(1, found.measured.summary.acknowledged) * 1e6
    share = found.measured.loop_cpu_s / found.measured.summary.seconds
    rows = [
        [purpose, f"{count / total:.0%}", f"{count / total * loop_us:.1f}"]
        for purpose, count in found.samples.most_common()
    ]
    rows.append(["together", "", f"{loop_us:.1f}"])
    kernel, interpreter = (found.samples[name] / total for name in (KERNEL, INTERPRETER))
    return (
        f"{found.measured.summary.acknowledged_per_s:,.0f} requests a second acknowledged; the loop's thread used "
        f"{share:.2f} of one core; {total:,} samples.\n\n"
        + table(["what ran", "share of the loop", "µs a request"], rows)
        + f"\n\nThe interpreter has {interpreter:.0%} of the loop and the kernel {kernel:.0%}. One thread holds the "
        f"interpreter's lock, so at {1 / share:.2f} times this rate the core is used up, and from well before that on "
        "a burst of the engine's makes requests wait. What would lift it: an interpreter that compiles (the same code "
        "in a faster one), or a second process that reads and parses."
    )


@click.command()
@click.option("--rate", type=int, default=16_700, show_default=True, help="Requests a second.")
@click.option("--seconds", type=float, default=20, show_default=True, help="How long to sample.")
@click.option("--output", type=click.Path(path_type=Path), default=RECEIPT, help="The receipt.")
def main(rate: int, seconds: float, output: Path) -> None:
    """Sample the event loop under load and write the receipt.

    \b
    Examples:
      python -m chaos.bench.loop_profile
      python -m chaos.bench.loop_profile --rate 10000 --output /dev/stdout
    """
    text = f"{header('The event loop under load', 'make profile')}{machine()}\n\n{report(profile(rate, seconds))}\n"
    output.write_text(text)
    if str(output) != "/dev/stdout":
        click.echo(text)
        click.echo(f"written to {output}", err=True)


if __name__ == "__main__":
    sys.exit(main(prog_name="python -m chaos.bench.loop_profile"))
