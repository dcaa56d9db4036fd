"""At least 99.5 % of every class of the labelled sets, each on its own. `make gates` prints the table."""

from __future__ import annotations

import pytest

from statnive.ingest.user_agent import AgentParser
from tests.attribution import gates, scores
from tests.attribution.scores import Table


@pytest.fixture(scope="module")
def agent_tables() -> list[Table]:
    return scores.of_agents(AgentParser(cache_entries=10))


def test_sources_and_channels_of_the_labelled_set() -> None:
    for table in scores.of_sources():
        assert table.low() == {}, table.title


def test_agents_of_the_labelled_set(agent_tables: list[Table]) -> None:
    for table in agent_tables:
        assert table.low() == {}, table.title


def test_every_bot_is_caught_and_no_person_is_lost(agent_tables: list[Table]) -> None:
    kinds = agent_tables[0]
    assert (kinds.wrong["bot"], kinds.wrong["person"]) == ([], [])
    assert kinds.rows["person"] >= 1_000
    assert kinds.rows["bot"] >= 1_000


def test_gates_end_with_1_when_one_class_is_low(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def low_tables(label: str, wrong: int, rows: int, title: str) -> list[Table]:
        table = Table(title)
        for number in range(rows):
            table.add(label, number < wrong, False, f"case {number}")
        return [table]

    for sources, agents, code in (
        (low_tables("Email", 5, 1_000, "channel"), low_tables("bot", 0, 9, "agent"), 0),
        (low_tables("Email", 6, 1_000, "channel"), low_tables("bot", 0, 9, "agent"), 1),
        (low_tables("Email", 0, 1_000, "channel"), low_tables("bot", 1, 1_000, "agent"), 1),
    ):
        monkeypatch.setattr(gates, "of_sources", lambda sources=sources: sources)
        monkeypatch.setattr(gates, "of_agents", lambda parser, agents=agents: agents)
        with pytest.raises(SystemExit) as stop:
            gates.main()
        assert int(stop.value.code or 0) == code
        assert ("case 0" in capsys.readouterr().out) == bool(code)
