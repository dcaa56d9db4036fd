"""The short matrix, on a node with a ClickHouse server: each fault under load, and every event accounted for.

The other half is tests/chaos/test_scenarios_embedded.py. `make chaos` runs both with longer windows.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.matrix import Matrix, line, order
from chaos.rig.home import Home
from chaos.rig.rig import Rig
from chaos.scenarios import SCENARIOS
from chaos.scenarios.contract import QUICK

SERVER = [letter for letter in order(list(SCENARIOS)) if SCENARIOS[letter].kinds[0] == "server"]


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with Home() as home, Matrix(home) as matrix:
        yield matrix


def is_whole(rig: Rig) -> bool:
    """Everything runs, and nothing is cut, slowed or full."""
    assert rig.network is not None
    assert rig.path_to_clickhouse is not None
    assert rig.clickhouse is not None
    figures = rig.figures()
    return (
        figures is not None
        and figures["writer_lag_rows"] < 100
        and not any(namespace.lossy() for namespace in rig.network.groups.values())
        and rig.path_to_clickhouse.faults() == type(rig.path_to_clickhouse.faults())()
        and rig.clickhouse.faults() == []
        and not (rig.disk.path / "ballast").exists()
        and (rig.clock is None or rig.clock.offset_s == 0)
    )


@pytest.mark.slow
@pytest.mark.parametrize("letter", SERVER)
def test_nothing_acknowledged_is_lost_or_doubled(matrix: Matrix, letter: str) -> None:
    outcome = matrix.play(letter, QUICK)
    assert outcome.ok, line(outcome)
    assert is_whole(matrix.rig("server"))


@pytest.mark.parametrize("letter", ["A", "B", "C", "D", "E"])
def test_a_fault_is_taken_back_also_by_a_process_that_never_applied_it(matrix: Matrix, letter: str) -> None:
    rig = matrix.rig("server")
    scenario = SCENARIOS[letter]
    broken = scenario(rig, QUICK)
    broken.prepare()
    broken.apply(broken.faults()[0])
    another = scenario(rig, QUICK)
    another.restore()
    another.restore()
    assert rig.drain(60)
    assert is_whole(rig)
