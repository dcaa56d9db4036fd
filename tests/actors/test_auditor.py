"""The auditor: reports in the order they came, and the books checked when it is due."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from statnive.actors import auditor
from statnive.actors.audit_file import AuditFile
from statnive.actors.audit_record import FLOOD_PER_MINUTE, Subjects
from statnive.actors.auditor import AuditorHandle
from statnive.config import AuditConfig
from statnive.errors import BrokenInput, Retryable


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
    return [json.loads(line)["kind"] for line in handle.file.path.read_text().splitlines()]


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
    (line,) = (json.loads(line) for line in handle.file.path.read_text().splitlines())
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
    assert [json.loads(line)["number"] for line in handle.file.path.read_text().splitlines()] == list(
        range(5)
    )
    assert handle.file.path.stat().st_mode & 0o777 == 0o600


# Records: who did what


async def written(handle: AuditorHandle) -> list[dict[str, object]]:
    """What stands in the file once everything that was sent is written."""
    await until(handle, Books(0), lambda: True, at_once=False)
    return [json.loads(line) for line in handle.file.path.read_text().splitlines()]


async def test_a_record_holds_its_kind_its_time_and_its_fields(tmp_path: Path) -> None:
    handle = make(tmp_path)
    handle.record("login", account=7, second_factor=True)
    assert await written(handle) == [
        {"time": "2026-09-21T14:13:20.000+00:00", "kind": "login", "account": 7, "second_factor": True}
    ]


def test_a_kind_that_is_not_listed_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no kind of record"):
        make(tmp_path).record("whatever")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("of anna.b+c@example.com again", "of subject:"),
        ("from 203.0.113.9 again", "from [address] again"),
        ("from 203.0.113.9:8080", "from [address]:8080"),
        ("from [2001:db8::1]:443", "from [[address]]:443"),
        ("::ffff:203.0.113.9", "[address]"),
        ("key 3f" + "a1" * 20, "key [secret]"),
        ("Bearer stn_" + "aB3-_" * 9, "Bearer [secret]"),
        ("DB::Exception at 12:30:45, version 26.9", "DB::Exception at 12:30:45, version 26.9"),
        ("a site of example.com", "a site of example.com"),
        ('x\n{"kind":"login"}\r\x1b[31m\u202e', 'x\ufffd{"kind":"login"}\ufffd\ufffd[31m\ufffd'),
    ],
)
def test_what_looks_like_a_person_or_a_secret_is_never_written(
    tmp_path: Path, given: str, wanted: str
) -> None:
    redacted = Subjects(tmp_path / "audit.key").redact(given)
    assert redacted.startswith(wanted)
    assert "@" not in redacted


def test_a_subject_is_the_same_on_one_node_and_another_on_the_next(tmp_path: Path) -> None:
    here, again = Subjects(tmp_path / "audit.key"), Subjects(tmp_path / "audit.key")
    there = Subjects(tmp_path / "other.key")
    assert here.of("Anna@Example.com ") == again.of("anna@example.com")
    assert here.of("anna@example.com") != there.of("anna@example.com")
    assert here.of("anna@example.com") != here.of("anne@example.com")
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_key_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    Subjects(tmp_path / "audit.key")
    (tmp_path / "audit.key").chmod(mode)
    with pytest.raises(BrokenInput, match=r"audit\.key has mode \d+: others could"):
        make(tmp_path)


async def test_strangers_fill_the_file_a_minute_at_a_time_and_the_rest_is_counted(tmp_path: Path) -> None:
    now = 0.0
    handle = AuditorHandle(tmp_path / "audit.log", AuditConfig(), lambda: 1_790_000_000.0, lambda: now)
    for number in range(500):
        handle.record("login_failed", subject=handle.subject(f"{number}@example.com"))
    for number in range(200):
        handle.record("site_added", site=f"{number}.example")  # an operator's doing is always written
    now = 61.0
    handle.record("login_failed")
    handle.tell_sums()
    lines = await written(handle)
    by_kind = Counter(str(line["kind"]) for line in lines)
    assert by_kind == {"login_failed": FLOOD_PER_MINUTE + 1, "site_added": 200, "unlisted": 1}
    assert lines[-1]["login_failed"] == 500 - FLOOD_PER_MINUTE
    assert handle.stats()["audit_lines_unlisted_total"] == 500 - FLOOD_PER_MINUTE


async def test_counters_are_told_by_their_growth_and_only_when_they_grew(tmp_path: Path) -> None:
    handle, counts = make(tmp_path), Counter({"unknown_site": 3, "malformed": 0})
    handle.sum_up("dropped", lambda: counts)
    handle.tell_sums()
    handle.tell_sums()
    counts.update(["unknown_site", "malformed"])
    handle.tell_sums()
    told = [{name: line[name] for name in line if name != "time"} for line in await written(handle)]
    assert told == [
        {"kind": "dropped", "unknown_site": 3},
        {"kind": "dropped", "unknown_site": 1, "malformed": 1},
    ]


async def test_a_full_channel_drops_records_and_counts_them(tmp_path: Path) -> None:
    handle = make(tmp_path)
    for number in range(auditor.QUEUE_MAX + 5):
        handle.record("site_added", number=number)
    assert handle.stats()["audit_lines_lost_total"] == 5
    assert len(await written(handle)) == auditor.QUEUE_MAX


def test_the_file_is_rotated_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.log", bytes_max=100, files_kept=2)
    for number in range(8):
        file.append([f"{number}" * 40])
    kept = {path.name: path.read_text()[0] for path in tmp_path.iterdir()}
    assert kept == {"audit.log": "6", "audit.log.1": "4", "audit.log.2": "2"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert file.rotations == 3


def test_a_file_that_was_moved_away_is_left_alone_from_the_next_line_on(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.log", bytes_max=1_000, files_kept=2)
    file.append(["one"])
    file.path.rename(tmp_path / "audit.log-20261201")
    file.append(["two"])
    assert (tmp_path / "audit.log-20261201").read_text() == "one\n"
    assert file.path.read_text() == "two\n"
