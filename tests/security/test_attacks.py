"""The quick part of `make security`, on one node; and the suite's own promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from chaos.security import __main__ as command
from chaos.security.attack import Attack, GaveWay, NotTried, Told
from chaos.security.catalog import ATTACKS
from chaos.security.stage import Stage

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.quick], ids=lambda attack: attack.name)
def test_the_product_holds(attack: Attack, stage: Stage) -> None:
    line, held = command.run(attack, stage)
    print(line)
    assert held, line


class _Calm:
    """A stage on which nothing happens."""

    class node:  # noqa: N801 - stands for an attribute
        running = True

        @staticmethod
        def resident_bytes() -> int:
            return 0

    def check(self, resident: int) -> None:
        pass


def _said(attack: Any) -> tuple[str, bool]:
    return command.run(Attack("kind/name", "something", attack), cast(Stage, _Calm()))


def test_a_line_says_what_was_tried_how_often_and_what_happened() -> None:
    line, held = _said(lambda stage: Told(1_234, "nothing"))
    assert held
    assert line.startswith("held    kind/name")
    assert "something: 1,234 ×; nothing" in line


def test_a_product_that_gives_way_is_a_failure_and_an_absent_tool_is_none() -> None:
    def gives_way(stage: Stage) -> Told:
        raise GaveWay("it let me in")

    def absent(stage: Stage) -> Told:
        raise NotTried("no registry")

    assert _said(gives_way) == ("FAILED  kind/name                      something: it let me in", False)
    assert _said(absent) == ("absent  kind/name                      something: no registry", True)


def test_every_attack_has_a_name_of_its_own_and_stands_in_the_document() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names))
    text = DOCUMENT.read_text()
    kinds = {name.partition("/")[0] for name in names}
    assert {kind for kind in kinds if f"`{kind}/" not in text} == set()


def test_the_command_lists_attacks_and_refuses_a_name_that_is_none() -> None:
    listed = CliRunner().invoke(command.security, ["--list", "--only", "http2"])
    assert listed.exit_code == 0
    assert "http2/rapid-reset" in listed.output
    assert "smuggling" not in listed.output
    refused = CliRunner().invoke(command.security, ["--only", "nonsense"])
    assert refused.exit_code == 2
    assert "names no attack" in refused.output
