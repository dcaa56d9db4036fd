"""The short matrix, on a node with the embedded engine: killed, with failing calls, without power."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.matrix import Matrix, line
from chaos.rig.home import Home
from chaos.scenarios import SCENARIOS
from chaos.scenarios.contract import QUICK


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with Home() as home, Matrix(home) as matrix:
        yield matrix


@pytest.mark.slow
@pytest.mark.parametrize(
    "letter", [letter for letter, scenario in SCENARIOS.items() if scenario.kinds[0] == "embedded"]
)
def test_nothing_acknowledged_is_lost_or_doubled(matrix: Matrix, letter: str) -> None:
    outcome = matrix.play(letter, QUICK)
    assert outcome.ok, line(outcome)
