"""The look at the reader's user, at the start: reported once, never in the way."""

from __future__ import annotations

import pytest
import trio

from statnive.actors import reader_check
from statnive.errors import ConfigError, Retryable


class Server:
    """Answers in order: an error is raised, text returned."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.reports: list[str] = []

    def check(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def report(self, kind: str, text: str) -> None:
        self.reports.append(f"{kind}: {text}")


async def test_a_server_that_is_down_is_asked_again_and_advice_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_check, "AGAIN_S", 0)
    server = Server(Retryable("down"), Retryable("down"), "take a read-only user")
    with trio.fail_after(30):
        await reader_check.run(server.check, server.report)
    assert server.reports == ["reader_user: take a read-only user"]


async def test_a_refused_reader_is_reported_and_ends_nothing() -> None:
    server = Server(ConfigError("clickhouse.reader_user", "looker", "must be read-only"))
    await reader_check.run(server.check, server.report)
    assert server.reports == [
        "reader_refused: reports can't be answered: clickhouse.reader_user = 'looker': must be read-only"
    ]


async def test_a_reader_as_it_should_be_is_not_worth_a_line() -> None:
    server = Server("")
    await reader_check.run(server.check, server.report)
    assert server.reports == []
