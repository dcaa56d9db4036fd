"""The matrix: every scenario on a rig, one line each.

    python -m chaos.matrix                     all of them, with short windows
    python -m chaos.matrix --only A,C --hold 60
    python -m chaos.matrix --quick             the shortest windows: what `make test` runs
    python -m chaos.matrix --receipt FILE      and writes it down (`make chaos`: docs/receipts/chaos.md)

Exit code 0: all green; 1: something is red; 2: no verdict, the rig itself failed. Needs root, iproute2, iptables,
strace, e2fsprogs and a C compiler.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import attrs
import click

from chaos import matrix_receipt
from chaos.rig.disks import MIB
from chaos.rig.home import Home, sweep
from chaos.rig.rig import Kind, Rig
from chaos.rig.shell import RigError
from chaos.scenarios import SCENARIOS
from chaos.scenarios.contract import QUICK, SHORT, Outcome, Scenario, Windows, play
from chaos.service.control import ControlError
from chaos.service.process import ChildError
from statnive.errors import StatniveError

COLUMNS: Final = (
    f"{'scenario':26}{'':6}{'sent':>8}{'acked':>8}{'lost':>6}{'twice':>7}{'worst ack':>11}{'back':>8}"
    f"{'restart':>9}{'drain':>7}{'took':>7}  the clients saw"
)
GROUPS: Final = ("visitors", "carriers")
# A log's only; and an engine's, which keeps the parts of eight minutes that it has merged.
DISK_BYTES: Final[dict[Kind, int]] = {"server": 160 * MIB, "embedded": 512 * MIB}
NO_VERDICT: Final = (RigError, ChildError, ControlError, StatniveError, RuntimeError, OSError)


class Matrix:
    """Rigs, started when a scenario first needs them and shared by those that come after, until a quarter of their disk
    is full of what an engine keeps of earlier ones: a fault should not meet a second one that nobody applied.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._rigs: dict[Kind, Rig] = {}
        self._stack = ExitStack()
        self._runs = 0
        self._started = 0

    def __enter__(self) -> Matrix:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def rig(self, kind: Kind) -> Rig:
        """The rig of a kind, up."""
        rig = self._rigs.get(kind)
        if rig is not None and kind == "embedded" and rig.disk.free_bytes < 0.75 * rig.disk.size_bytes:
            rig.close()
            rig = None
        if rig is None:
            self._started += 1
            groups = GROUPS if kind == "server" else ()
            name = f"{kind}-{self._started}"
            rig = Rig(self._home, kind, disk_bytes=DISK_BYTES[kind], groups=groups, name=name)
            self._rigs[kind] = self._stack.enter_context(rig)
        return rig

    def play(self, letter: str, windows: Windows) -> Outcome:
        """One scenario on the rig that it is for. Raises NO_VERDICT."""
        scenario = SCENARIOS[letter]
        self._runs += 1
        return play(scenario(self.rig(scenario.kinds[0]), windows), f"{letter.lower()}-{self._runs}")


def order(letters: Sequence[str]) -> list[str]:
    """Rig by rig; F last on its own, since it leaves the node with a clock that can be set."""
    return sorted(letters, key=lambda letter: (SCENARIOS[letter].kinds[0] != "server", letter == "F", letter))


def line(outcome: Outcome) -> str:
    """One line of the matrix; more lines for what is red."""

    def seconds(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f} s"

    drain = "–" if outcome.drain_ratio is None else f"{outcome.drain_ratio:.0f} ×"
    text = (
        f"{outcome.letter} {outcome.title:24}{'green' if outcome.ok else 'RED':6}"
        f"{outcome.sent:>8,}{outcome.acknowledged:>8,}{outcome.lost:>6,}{outcome.duplicated:>7,}"
        f"{outcome.worst_ack_ms:>8,.0f} ms{seconds(outcome.recovery_s):>8}{seconds(outcome.restart_s):>9}"
        f"{drain:>7}{outcome.seconds:>5.0f} s  {outcome.client_saw}"
    )
    facts = [f"    {name}: {value}" for name, value in outcome.facts.items()]
    return "\n".join([text, *facts, *(f"    RED {reason}" for reason in outcome.red)])


def run(letters: Sequence[str], windows: Windows, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Play the scenarios, saying each line as it comes. Raises NO_VERDICT."""
    with Home() as home, Matrix(home) as matrix:
        say(COLUMNS)
        for letter in order(letters):
            outcome = matrix.play(letter, windows)
            say(line(outcome))
            yield outcome


def _letters(_: click.Context, __: click.Parameter, text: str) -> list[str]:
    letters = [letter.strip().upper() for letter in text.split(",") if letter.strip()] or list(SCENARIOS)
    unknown = [letter for letter in letters if letter not in SCENARIOS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]} is none of {', '.join(SCENARIOS)}")
    return letters


def _help(scenarios: dict[str, type[Scenario]]) -> str:
    return "\b\n" + "\n".join(f"  {letter}  {scenario.title}" for letter, scenario in scenarios.items())


@click.command(epilog=_help(SCENARIOS), context_settings={"max_content_width": 110, "show_default": True})
@click.option("--only", "letters", callback=_letters, default="", metavar="A,C", help="Not all of them.")
@click.option("--hold", "hold_s", type=float, help="Seconds that each fault is held.  [4; quick: 2.2]")
@click.option("--quick", is_flag=True, help="The shortest windows, samples in place of everything.")
@click.option("--receipt", "file", type=click.Path(path_type=Path), help="Write the receipt here.")
@click.option("--restore", is_flag=True, help="Only put right what a crashed run left behind.")
def main(letters: list[str], hold_s: float | None, quick: bool, file: Path | None, restore: bool) -> None:
    """Break a statnive in every way there is, under load, and account for every event."""
    if restore:
        for name in sweep():
            print(f"put right: {name}")
        return
    windows = QUICK if quick else SHORT
    if hold_s:
        windows = attrs.evolve(windows, hold_s=hold_s)
    outcomes: list[Outcome] = []
    try:
        for outcome in run(letters, windows, lambda text: print(text, flush=True)):
            outcomes.append(outcome)
    except NO_VERDICT as error:
        print(f"chaos.matrix: no verdict: {error}", file=sys.stderr)
        sys.exit(2)
    red = [outcome.letter for outcome in outcomes if not outcome.ok]
    print(f"RED: {', '.join(red)}" if red else f"all {len(outcomes)} green", flush=True)
    if file is not None:
        matrix_receipt.write(file, outcomes, " ".join(["python -m chaos.matrix", *sys.argv[1:]]))
    sys.exit(bool(red))


if __name__ == "__main__":
    main(prog_name="python -m chaos.matrix")
