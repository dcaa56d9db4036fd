"""The guards that `python -m chaos.mutation` removes are still where it looks for them."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from chaos.mutation import MUTATIONS, ROOT, Mutation, Verdict, apply, receipt
from chaos.scenarios import SCENARIOS


def test_every_scenario_has_a_guard_to_be_removed() -> None:
    assert {mutation.letter for mutation in MUTATIONS} == set(SCENARIOS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.letter)
def test_the_guard_is_there_once_and_what_is_left_without_it_is_a_program(
    mutation: Mutation, tmp_path: Path
) -> None:
    file = tmp_path / mutation.file
    file.parent.mkdir(parents=True)
    shutil.copy(ROOT / mutation.file, file)
    apply(mutation, tmp_path)
    assert file.read_text() != (ROOT / mutation.file).read_text()
    ast.parse(file.read_text())


def test_a_guard_that_is_no_longer_there_is_no_verdict(tmp_path: Path) -> None:
    mutation = MUTATIONS[0]
    file = tmp_path / mutation.file
    file.parent.mkdir(parents=True)
    file.write_text("")
    with pytest.raises(LookupError):
        apply(mutation, tmp_path)


def test_the_receipt_says_what_stayed_green() -> None:
    text = receipt([Verdict(MUTATIONS[0], ("lost: 3",)), Verdict(MUTATIONS[1], ())])
    assert "- lost: 3" in text
    assert "**stayed green**" in text


def test_what_did_not_run_this_time_stays_in_the_receipt() -> None:
    first = receipt([Verdict(MUTATIONS[0], ("lost: 3",)), Verdict(MUTATIONS[1], ())])
    text = receipt([Verdict(MUTATIONS[1], ("lost: 4",))], first)
    assert "- lost: 3" in text
    assert "- lost: 4" in text
    assert "**stayed green**" not in text
    assert receipt([], text) == text
