"""The simulation itself: it repeats to the letter, it finds planted bugs, and the product passes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.sim.mutants import MUTANTS
from chaos.sim.world import simulate

ROOT = Path(__file__).parents[2]
SEEDS = 2_000
MUTANT_SEEDS_MAX = 300
DIGESTS = """
from chaos.sim.world import simulate
for seed in range({first}, {last}):
    print(simulate(seed).digest)
"""


def run(*arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )


def test_no_promise_is_broken_in_two_thousand_worlds() -> None:
    done = run("-m", "chaos.sim", "--seeds", str(SEEDS))
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    acknowledged, repairs = map(int, re.findall(r"(\d+) (?:events acknowledged|repairs)", done.stdout))
    assert acknowledged > 5 * SEEDS
    assert repairs > SEEDS / 20, "hardly anything was ever wrong: the faults do not happen"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_bug_is_found_in_a_few_hundred_worlds(mutant: str) -> None:
    for seed in range(MUTANT_SEEDS_MAX):
        if simulate(seed, [MUTANTS[mutant]]).violation is not None:
            assert simulate(seed).violation is None, "it was not the planted bug"
            return
    pytest.fail(f"not found in {MUTANT_SEEDS_MAX} worlds")


def test_the_same_seed_is_the_same_world_in_every_process() -> None:
    answers = [run("-c", DIGESTS.format(first=0, last=25), hash_seed=seed) for seed in ("1", "2")]
    digests = [answer.stdout.split() for answer in answers]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 25


def test_a_seed_repeats_after_other_worlds_in_the_same_process() -> None:
    first = simulate(7)
    simulate(8)
    again = simulate(7)
    assert again.trace == first.trace


def test_a_broken_promise_is_told_with_its_trace_and_its_seed() -> None:
    done = run("-m", "chaos.sim", "--seeds", "3", "--jobs", "1", "--mutant", "checkpoint before insert")
    assert done.returncode == 1
    assert "seed 0: checkpoint" in done.stdout
    assert "--seed 0 --trace --mutant 'checkpoint before insert'" in done.stdout
    again = run("-m", "chaos.sim", "--seed", "0", "--trace", "--mutant", "checkpoint before insert")
    assert again.returncode == 1
    digest = re.findall(r"seed 0 \(\w+, (\w+)\)", again.stdout)
    assert digest == re.findall(r"seed 0 \(\w+, (\w+)\)", done.stdout)
    assert "life 1" in again.stdout


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("network in_transit", "a statement that arrives after its caller gave up"),
        ("server power cut", "a server that loses its memory"),
        ("engine rename fails", "a part that can't be put in place"),
        ("engine view fails", "an insert that stops half-way"),
        ("engine known token", "a retry that is taken for a repetition"),
        ("dies kill", "a process that is killed"),
        ("dies power", "a machine without power"),
        ("OSError", "a disk that refuses"),
        ("refused", "a log that is full"),
        ("report quarantined", "a row that is refused for ever"),
        (".wal -> spare", "a segment that is used again"),
        ("report repaired", "a table that was wrong"),
        ("checked", "a full check beside the writer"),
        ("cancelled", "a stop without a drain"),
    ],
)
def test_each_fault_happens(fault: str, said: str) -> None:
    assert any(fault in line for seed in range(150) for line in _trace(seed)), f"never seen: {said}"


_traces: dict[int, list[str]] = {}


def _trace(seed: int) -> list[str]:
    if seed not in _traces:
        _traces[seed] = simulate(seed).trace
    return _traces[seed]
