"""Does each scenario notice when its guard is gone? The product in a copy of the tree, one guard of it removed, and
the scenario on that: it must turn red.

    python -m chaos.mutation                     all of them (about twenty minutes)
    python -m chaos.mutation --only C,E
    python -m chaos.mutation --receipt FILE      and writes it down (docs/receipts/mutations.md)

Exit code 0: every scenario turned red; 1: one stayed green, so it guards nothing; 2: no verdict. The simulation has
mutants of its own (chaos/sim/mutants.py, tests/chaos/test_sim.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
import click

ROOT: Final = Path(__file__).parents[1]
COPIED: Final = ("statnive", "chaos")
DEADLINE_S: Final = 900.0
RED_SHOWN_MAX: Final = 4
NOT_READY: Final = "the node did not become ready"
HEADING: Final = "\n\n## "
QUICK: Final = ("--quick",)  # where the shortest windows are enough to notice


@attrs.frozen
class Mutation:
    """A guard, and the product without it. `old` occurs in the file exactly once."""

    letter: str
    guard: str
    file: str
    old: str
    new: str
    options: tuple[str, ...] = ()


@attrs.frozen
class Verdict:
    mutation: Mutation
    red: tuple[str, ...]  # what the oracle or the scenario said; () = it noticed nothing
    failure: str = ""  # "" or why there is no verdict
    seconds: float = 0.0


MUTATIONS: Final = (
    Mutation(
        "A",
        "an error of a client's connection ends that connection, and nothing else",
        "statnive/actors/fast_lane.py",
        "            return\n        except OSError:\n            self._close(connection)\n            return\n"
        "        if not data:\n",
        "            return\n        if not data:\n",
        QUICK,
    ),
    Mutation(
        "B",
        "a request is looked at once all of its body is there",
        "statnive/actors/fast_lane.py",
        "            elif length > len(data):\n",
        "            elif length > 0 and not data:\n",
        QUICK,
    ),
    Mutation(
        "C",
        "an insert without an answer is not taken for one that is done",
        "statnive/clickhouse/client.py",
        "            raise translate(error, inserting=True) from error\n",
        "            translate(error, inserting=True)\n",
    ),
    Mutation(
        "D",
        "what waits goes to ClickHouse in large blocks",
        "statnive/actors/writer.py",
        "            rows_max=handle.config.block_rows_max,\n            bytes_max",
        "            rows_max=1,\n            bytes_max",
        ("--hold", "15"),
    ),
    Mutation(
        "E",
        "a block is retried for as long as it takes",
        "statnive/actors/writer.py",
        "                handle.retries += 1\n",
        "                handle.retries += 1\n                if handle.retries % 5 == 0:\n"
        "                    return block\n",
    ),
    Mutation(
        "F",
        "a clock that jumps is not believed at once when keys are erased",
        "statnive/actors/salts.py",
        "        return _oldest_needed(self.trusted_now())\n",
        "        return _oldest_needed(self._clock())\n",
    ),
    Mutation(
        "G",
        "what the log holds behind the checkpoint is inserted at the next start",
        "statnive/actors/writer.py",
        "        self.state = state or WriterState(log.log_id, 0)\n",
        "        self.state = WriterState(log.log_id, log.durable_lsn)\n",
        QUICK,
    ),
    Mutation(
        "H",
        "a checkpoint that can't be written ends the node",
        "statnive/wal/state.py",
        '            self._poison = f"{self._path} can\'t be written: {error}"\n'
        "            raise Fatal(self._poison) from error\n",
        "            del error\n",
    ),
    Mutation(
        "I",
        "a flush that failed is final",
        "statnive/wal/fs.py",
        "        os.fdatasync(fd)\n",
        "        try:\n            os.fdatasync(fd)\n        except OSError:\n            return\n",
        QUICK,
    ),
    Mutation(
        "J",
        "behind a damaged frame the good ones are looked for",
        "statnive/wal/segment.py",
        "            good = _find_good(buffer, offset, log_id, expected, limit_lsn)\n",
        "            good: Found | None = None\n",
        QUICK,
    ),
    Mutation(
        "K",
        "only the rows that ClickHouse can't read are set aside",
        "statnive/clickhouse/repair.py",
        "            if len(lsns) == 1:\n                refused[lsns[0]] = str(poison)\n",
        "            if lsns:\n                refused.update(dict.fromkeys(lsns, str(poison)))\n",
    ),
    Mutation(
        "L",
        "events are acknowledged after they were flushed",
        "statnive/wal/fs.py",
        "        os.fdatasync(fd)\n",
        "        return\n",
        QUICK,
    ),
)


def run(mutation: Mutation) -> Verdict:
    """Play a mutation's scenario on the product without its guard."""
    started = time.monotonic()
    with _mutated(mutation) as tree:
        done = subprocess.run(
            [sys.executable, "-m", "chaos.matrix", "--only", mutation.letter, *mutation.options],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    took = time.monotonic() - started
    red = tuple(
        line.strip().removeprefix("RED ") for line in done.stdout.splitlines() if line.startswith("    RED ")
    )
    if NOT_READY in done.stderr:  # the rig gives no verdict on a node that it can't start; here it is one
        return Verdict(mutation, (done.stderr[done.stderr.index(NOT_READY) :].strip()[:500],), seconds=took)
    if done.returncode == 2 or (done.returncode == 1 and not red):
        return Verdict(mutation, (), done.stderr.strip()[-500:] or "no verdict", took)
    return Verdict(mutation, red, seconds=took)


def apply(mutation: Mutation, tree: Path) -> None:
    """Remove the guard in a copy of the tree. Raises LookupError when the product has changed there."""
    file = tree / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        raise LookupError(
            f"{mutation.letter}: {mutation.file} has what is to be removed {text.count(mutation.old)} ×"
        )
    file.write_text(text.replace(mutation.old, mutation.new))


def receipt(verdicts: Sequence[Verdict], before: str = "") -> str:
    """docs/receipts/mutations.md. What did not run this time is taken over from the file as it was `before`."""
    sections = {part[0]: part.rstrip() for part in before.split(HEADING)[1:]}
    sections |= {one.mutation.letter: _section(one) for one in verdicts}
    lines = [
        "# Each scenario without its guard: a receipt",
        "",
        "Written by `python -m chaos.mutation --receipt docs/receipts/mutations.md`. One guard of the product is "
        "removed in a copy of the tree, and the scenario that is for it is run: it must turn red.",
    ]
    return "\n".join(lines) + "".join(HEADING + sections[letter] for letter in sorted(sections)) + "\n"


def _section(verdict: Verdict) -> str:
    mutation = verdict.mutation
    command = " ".join(["python -m chaos.matrix --only", mutation.letter, *mutation.options])
    ran = f"`{command}`, {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC: "
    lines = [f"{mutation.letter}: {mutation.guard}", "", f"`{mutation.file}`", "", "```diff"]
    lines += [f"-{line}" for line in mutation.old.rstrip("\n").splitlines()]
    lines += [f"+{line}" for line in mutation.new.rstrip("\n").splitlines()]
    lines += ["```", "", ran + ("red" if verdict.red else verdict.failure or "**stayed green**"), ""]
    lines += [f"- {said}" for said in verdict.red[:RED_SHOWN_MAX]]
    return "\n".join(lines).rstrip()


@contextmanager
def _mutated(mutation: Mutation) -> Iterator[Path]:
    """The repository as it is, with its own copy of what is changed."""
    with tempfile.TemporaryDirectory(prefix="statnive-mutation-") as directory:
        tree = Path(directory)
        for entry in ROOT.iterdir():
            if entry.name in COPIED:
                shutil.copytree(entry, tree / entry.name, ignore=shutil.ignore_patterns("__pycache__"))
            elif not entry.name.startswith("."):
                (tree / entry.name).symlink_to(entry.resolve())
        apply(mutation, tree)
        yield tree


@click.command(context_settings={"show_default": True})
@click.option("--only", default="", metavar="A,C", help="Not all of them.")
@click.option("--receipt", "file", type=click.Path(path_type=Path), help="Write the receipt here.")
def main(only: str, file: Path | None) -> None:
    """Remove each scenario's guard in a copy of the product, and see it turn red."""
    letters = {letter.strip().upper() for letter in only.split(",") if letter.strip()}
    verdicts = []
    for mutation in MUTATIONS:
        if letters and mutation.letter not in letters:
            continue
        verdict = run(mutation)
        verdicts.append(verdict)
        word = (
            "red" if verdict.red else f"NO VERDICT {verdict.failure}" if verdict.failure else "STAYED GREEN"
        )
        print(f"{mutation.letter} without “{mutation.guard}”: {word} ({verdict.seconds:.0f} s)", flush=True)
        for said in verdict.red[:RED_SHOWN_MAX]:
            print(f"    {said}", flush=True)
    if file is not None:
        file.write_text(receipt(verdicts, file.read_text() if file.exists() else ""))
    if any(verdict.failure for verdict in verdicts):
        sys.exit(2)
    sys.exit(any(not verdict.red for verdict in verdicts))


if __name__ == "__main__":
    main(prog_name="python -m chaos.mutation")
