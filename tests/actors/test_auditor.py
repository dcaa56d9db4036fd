"""The auditor: reports in the order they came, and the books checked when it is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from statnive.actors import auditor
from statnive.actors.auditor import AuditorHandle
from statnive.config import AuditConfig
from statnive.errors import Retryable


class Books:
    """A drift check: answers in order, the last one for ever; an exception is raised."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.checks = 0

    def measure(self) -> int:
        self.checks += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def make(tmp_path: Path, interval_s: float = 3_600) -> AuditorHandle:
    return AuditorHandle(
        tmp_path / "audit.log", AuditConfig(drift_check_interval_s=interval_s), lambda: 1_790_000_000.0
    )


async def until(
    handle: AuditorHandle, books: Books, done: Callable[[], bool], *, at_once: bool = True
) -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(
                lambda **named: auditor.run(handle, books.measure, check_at_once=at_once, **named)
            )
            while not done():
                await trio.sleep(0.001)
            handle.close()


def kinds(handle: AuditorHandle) -> list[str]:
    return [json.loads(line)["kind"] for line in handle.file.read_text().splitlines()]


async def test_after_an_unclean_stop_the_rollups_are_checked_at_once(tmp_path: Path) -> None:
    handle, books = make(tmp_path), Books(0)
    await until(handle, books, lambda: handle.drift_rows == 0)
    assert books.checks == 1
    assert handle.stats()["rollup_drift_rows"] == 0
    assert handle.stats()["rollup_drift_checked_timestamp_seconds"] == 1_790_000_000.0


async def test_after_a_clean_stop_the_first_check_is_an_interval_away(tmp_path: Path) -> None:
    handle, books = make(tmp_path), Books(0)
    handle.report("start", "x")
    await until(handle, books, lambda: handle.lines == 1, at_once=False)
    assert books.checks == 0
    assert "rollup_drift_rows" not in handle.stats()


async def test_the_rollups_are_checked_once_an_interval(tmp_path: Path) -> None:
    handle, books = make(tmp_path, interval_s=0.001), Books(0)
    await until(handle, books, lambda: books.checks >= 3, at_once=False)


async def test_drift_is_an_error_for_the_operator_and_a_metric(tmp_path: Path) -> None:
    handle, books = make(tmp_path), Books(12)
    await until(handle, books, lambda: handle.drift_rows == 12)
    (line,) = (json.loads(line) for line in handle.file.read_text().splitlines())
    assert (line["kind"], line["rows"]) == ("drift", 12)
    assert "statnive verify" in line["text"]
    assert handle.stats()["rollup_drift_rows"] == 12


async def test_a_check_that_could_not_be_made_is_tried_again_soon_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "UNCHECKED_AGAIN_S", 0.001)
    handle = make(tmp_path)
    books = Books(Retryable("ClickHouse is down"), Retryable("ClickHouse is down"), Retryable("slow"), 0)
    await until(handle, books, lambda: handle.drift_rows == 0)
    assert books.checks == 4
    assert kinds(handle) == ["drift_unchecked", "drift_unchecked"]


async def test_what_was_reported_before_the_end_is_written(tmp_path: Path) -> None:
    handle = make(tmp_path)
    for number in range(5):
        handle.report("repaired", f"{number}", number=number)
    await until(handle, Books(0), lambda: True, at_once=False)
    assert [json.loads(line)["number"] for line in handle.file.read_text().splitlines()] == list(range(5))
    assert handle.file.stat().st_mode & 0o777 == 0o600
