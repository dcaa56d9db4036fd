"""The oracle on a database in memory: green when all is well, and red on each single thing that is not."""

from __future__ import annotations

import datetime
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest

from chaos import oracle_rows
from chaos.load.ledger import Flag, Header, Ledger
from chaos.load.settings import Settings, Variety
from chaos.load.variety import Deck
from chaos.oracle import Report, check
from statnive.errors import BrokenInput

SETTINGS = Settings(
    target="http://127.0.0.1:1/", run="r1", variety=Variety(addresses=50, user_agents=5, urls=40, sites=4)
)
DAY = datetime.date(2026, 11, 1)
ROLLUPS = {
    "hourly_visitors": ("site_id", "hour", "day"),
    "daily_pages": ("site_id", "day", "pathname"),
    "daily_sources": ("site_id", "day", "channel", "referrer_name", "utm_campaign"),
}
SUMMED = {
    "events": lambda row: 1,
    "pageviews": lambda row: row["pageviews"],
    "visits": lambda row: row["visit_start"],
}


@attrs.define
class Database:
    """events_raw and rollups as lists; answers the oracle's statements by their shape."""

    raw: list[dict[str, Any]] = attrs.field(factory=list)
    rollups: dict[str, list[dict[str, Any]]] = attrs.field(factory=lambda: {name: [] for name in ROLLUPS})

    def insert(self, rows: Sequence[dict[str, Any]]) -> None:
        """What an insert does: a part for raw, and one for each rollup."""
        self.raw += rows
        for table in ROLLUPS:
            self.rollups[table] += self.fold(table, rows)

    def fold(self, table: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**{key: row[key] for key in ROLLUPS[table]}, **{name: of(row) for name, of in SUMMED.items()}}
            for row in rows
            if not row["is_bot"]
        ]

    def sql(self, text: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "system.columns" in text:
            return self._columns(parameters)
        table = re.search(r"FROM db\.(\w+)", text)[1]
        if text.startswith("SELECT DISTINCT day"):
            return [{"day": day} for day in {row["day"] for row in self.rollups.get(table, self.raw)}]
        if "chunk" in parameters:
            return self._chunks(parameters["chunk"])
        if "low" in parameters:
            return self._rows(parameters)
        keys = re.search(r"GROUP BY (.*)", text)[1].split(", ")
        return self._sums(table, keys, parameters["day"])

    def _columns(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "table" not in parameters:
            return [{"table": table} for table in sorted(self.rollups)]
        if parameters["table"] == "events_raw":
            names = {"site_id", "hour", "day", "pathname", "channel", "referrer_name", "utm_campaign"}
            return [{"name": name, "is_in_sorting_key": 0} for name in names]
        keys = ROLLUPS.get(parameters["table"], ())
        return [{"name": name, "is_in_sorting_key": 1} for name in keys] + [
            {"name": name, "is_in_sorting_key": 0} for name in (*SUMMED, "novel")
        ]

    def _chunks(self, size: int) -> list[dict[str, Any]]:
        counts: dict[tuple[int, int], int] = {}
        for row in self.raw:
            key = (row["log_id"], row["lsn"] // size)
            counts[key] = counts.get(key, 0) + 1
        return [
            {"log_id": log_id, "chunk": chunk, "row_count": count, "first_day": DAY, "last_day": DAY}
            for (log_id, chunk), count in sorted(counts.items())
        ]

    def _rows(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = [
            row
            for row in self.raw
            if row["log_id"] == parameters["log_id"] and parameters["low"] <= row["lsn"] < parameters["high"]
        ]
        return sorted(found, key=lambda row: (row["lsn"], row["seq"] or 0))

    def _sums(self, table: str, keys: list[str], day: datetime.date) -> list[dict[str, Any]]:
        parts = self.rollups.get(table)
        if parts is None:
            parts = [
                {**row, **{name: of(row) for name, of in SUMMED.items()}}
                for row in self.raw
                if not row["is_bot"]
            ]
        sums: dict[tuple[Any, ...], dict[str, Any]] = {}
        for part in (part for part in parts if part["day"] == day):
            key = tuple(part[name] for name in keys)
            total = sums.setdefault(
                key, dict(zip(keys, key, strict=True)) | {f"m_{name}": 0 for name in SUMMED}
            )
            for name in SUMMED:
                total[f"m_{name}"] += part[name]
        return list(sums.values())


@attrs.define
class Case:
    """A run of 40 requests, all acknowledged and inserted, before the test breaks something."""

    ledger: Ledger
    database: Database
    deck: Deck

    def row(self, request: int, event: int = 0, lsn: int | None = None, **changed: Any) -> dict[str, Any]:
        page = self.deck.page(request, event)
        place = request * self.ledger.header.settings.events_per_request + event
        row = {
            "run": "r1", "seq": self.ledger.first_seq + place, "log_id": 7, "lsn": place + 1 if lsn is None else lsn,
            "site_id": int(page.host[5:7]), "day": DAY, "hour": 10, "hostname": page.host, "pathname": page.path,
            "name": page.name, "is_bot": 0, "pageviews": int(page.name == "pageview"), "visit_start": request % 2,
            "channel": "Direct", "referrer_name": "", "utm_campaign": "",
        }  # fmt: skip
        return {**row, **changed}

    def check(self, **options: Any) -> Report:
        return check(self.database.sql, [self.ledger], database="db", **options)

    def found(self, **options: Any) -> dict[str, int]:
        return {finding.name: finding.count for finding in self.check(**options).findings}


def a_case(requests: int = 40, per: int = 1, skip: Callable[[int], bool] = lambda request: False) -> Case:
    settings = attrs.evolve(SETTINGS, events_per_request=per)
    header = Header(settings, 0, 0, 100.0, requests / 100, 50.0, 1e9, 0, 1_000)
    ledger = Ledger.blank(header, array("d", [50 + number / 100 for number in range(requests)]))
    for number in range(requests):
        ledger.sent[number] = ledger.due[number]
        ledger.answered[number] = ledger.due[number] + 0.05
        ledger.status[number] = 202
    case = Case(ledger, Database(), Deck(settings.variety, 0, 1))
    case.database.insert([case.row(r, e) for r in range(requests) if not skip(r) for e in range(per)])
    return case


def set_status(case: Case, request: int, status: int) -> None:
    case.ledger.status[request] = status
    if not status:
        case.ledger.flags[request] = Flag.RESET


def test_a_run_that_is_all_there_once_is_green():
    report = a_case().check()
    assert report.ok
    assert (report.facts["acknowledged"], report.facts["rows in events_raw"]) == (40, 40)
    assert report.facts["keys of daily_pages compared"] > 5
    assert report.text().startswith("oracle: GREEN")
    assert any(
        "daily_pages by site_id, day, pathname: events, pageviews, visits" in good for good in report.checked
    )


def test_one_dropped_row_is_lost_even_where_raw_and_rollups_agree():
    case = a_case(skip=lambda request: request == 17)
    report = case.check()
    assert case.found() == {"lost": 1}
    assert "run r1, seq 1017" in report.text()
    assert "RED lost: 1 (acknowledged events that are not there)" in report.text()


def test_one_lost_and_one_doubled_are_both_seen_though_the_counts_agree():
    case = a_case(skip=lambda request: request == 17)
    case.database.insert([case.row(3, lsn=4)])
    assert case.check().facts["rows in events_raw"] == case.check().facts["acknowledged"]
    assert case.found() == {"lost": 1, "duplicated": 1}
    assert case.check().facts["rows with an LSN seen before"] == 1


def test_one_event_appended_twice_is_duplicated():
    case = a_case()
    case.database.insert([case.row(3, lsn=500)])
    assert case.found()["duplicated"] == 1
    assert case.check().facts["rows with an LSN seen before"] == 0


@pytest.mark.parametrize("table", ROLLUPS)
def test_one_doubled_part_of_a_rollup_is_red(table):
    case = a_case()
    case.database.rollups[table] += case.database.fold(table, [case.row(5)])
    report = case.check()
    assert {finding.name for finding in report.findings} == {f"rollup {table}"}
    assert "raw" in report.text()


@pytest.mark.parametrize("table", ROLLUPS)
def test_one_lost_part_of_a_rollup_is_red(table):
    case = a_case()
    del case.database.rollups[table][11]
    assert set(case.found()) == {f"rollup {table}"}


def test_a_rollup_that_has_the_sum_right_under_the_wrong_page_is_red():
    case = a_case()
    case.database.rollups["daily_pages"][0]["pathname"] = "/elsewhere"
    assert set(case.found()) == {"rollup daily_pages"}


def test_bots_stay_out_of_the_rollups():
    case = a_case()
    case.database.raw[4]["is_bot"] = 1
    assert {finding.name for finding in case.check().findings} == {f"rollup {table}" for table in ROLLUPS}
    case.database.rollups = {table: case.database.fold(table, case.database.raw) for table in ROLLUPS}
    assert case.check().ok


@pytest.mark.parametrize("seq", [999, 1_040, None])
def test_a_row_that_was_never_sent_is_alien(seq):
    case = a_case()
    case.database.insert([case.row(3, lsn=500, seq=seq)])
    assert case.found() == {"alien": 1}


def test_a_row_of_an_unsent_request_is_alien():
    case = a_case()
    case.ledger.sent[9] = 0.0
    set_status(case, 9, 0)
    assert case.found()["alien"] == 1


def test_a_row_of_another_run_is_foreign_unless_others_are_allowed():
    case = a_case()
    case.database.insert([case.row(3, lsn=500, run="")])
    assert case.found() == {"foreign": 1}
    report = case.check(others_allowed=True)
    assert report.ok
    assert report.facts["rows of other runs"] == 1


def test_an_unanswered_request_may_be_there_once_or_not_but_not_twice():
    case = a_case(skip=lambda request: request == 8)
    for request in (8, 9):
        set_status(case, request, 0)
    report = case.check()
    assert report.ok
    assert (report.facts["without an answer"], report.facts["without an answer, there"]) == (2, 1)
    assert any("2 events without an answer" in line for line in report.unchecked)
    case.database.insert([case.row(9, lsn=500)])
    assert case.found()["duplicated"] == 1


@pytest.mark.parametrize("status", [204, 400, 413, 429, 503])
def test_a_refused_event_must_not_be_there(status):
    case = a_case()
    set_status(case, 9, status)
    assert case.found() == {"refused but there": 1}
    assert a_refused_absent(status).ok


def a_refused_absent(status: int) -> Report:
    case = a_case(skip=lambda request: request == 9)
    set_status(case, 9, status)
    return case.check()


def test_a_500_leaves_it_open_and_the_report_says_so():
    for skipped in (9, -1):
        case = a_case(skip=lambda request, skipped=skipped: request == skipped)
        set_status(case, 9, 500)
        report = case.check()
        assert report.ok
        assert any("1 requests answered 500" in line for line in report.unchecked)


def test_events_said_to_be_dropped_are_not_lost_but_the_others_are():
    case = a_case(per=4)
    case.ledger.dropped[5] = 2
    for place in (21, 22):
        remove(case, place)
    assert case.check().ok
    remove(case, 23)
    assert case.found() == {"lost": 1}


def test_more_events_than_were_not_dropped_are_red():
    case = a_case(per=4)
    case.ledger.dropped[5] = 2
    remove(case, 21)
    assert case.found() == {"refused but there": 1}


def test_half_of_an_unanswered_request_is_red():
    case = a_case(per=4)
    set_status(case, 5, 0)
    assert case.check().ok
    remove(case, 21)
    assert case.found() == {"half stored": 1}


def remove(case: Case, place: int) -> None:
    seq = case.ledger.first_seq + place
    case.database.raw = [row for row in case.database.raw if row["seq"] != seq]
    case.database.rollups = {table: case.database.fold(table, case.database.raw) for table in ROLLUPS}


def test_an_event_in_quarantine_is_not_lost_and_must_not_be_a_row_too():
    case = a_case(skip=lambda request: request == 17)
    report = case.check(set_aside=[("r1", 1_017)])
    assert report.ok
    assert report.facts["set aside"] == 1
    assert case.found(set_aside=[("r1", 1_017), ("r1", 1_018)]) == {"duplicated": 1}
    with pytest.raises(BrokenInput, match="no ledger"):
        case.check(set_aside=[("r1", 5)])


def test_a_row_with_another_events_page_is_misattributed():
    case = a_case()
    case.database.raw = [dict(row) for row in case.database.raw]
    case.database.raw[6]["pathname"] = "/not/what/was/sent"
    case.database.rollups = {table: case.database.fold(table, case.database.raw) for table in ROLLUPS}
    assert case.found() == {"misattributed": 1}


def test_a_row_behind_one_sent_after_its_own_answer_is_reordered():
    case = a_case()
    early, late = case.database.raw[2], case.database.raw[30]
    early["lsn"], late["lsn"] = late["lsn"], early["lsn"]
    assert case.found()["reordered"] > 0


def test_rows_of_requests_that_overlapped_may_stand_in_any_order():
    case = a_case()
    one, other = case.database.raw[2], case.database.raw[4]
    one["lsn"], other["lsn"] = other["lsn"], one["lsn"]
    assert case.check().ok


def test_logs_are_ordered_each_by_itself():
    case = a_case()
    for row in case.database.raw[:20]:
        row["log_id"], row["lsn"] = 8, row["lsn"] + 1_000
    assert case.check().ok


def test_the_events_of_a_request_stand_together_and_in_order():
    swapped, apart = a_case(per=4), a_case(per=4)
    rows = swapped.database.raw
    rows[21]["lsn"], rows[22]["lsn"] = rows[22]["lsn"], rows[21]["lsn"]
    assert swapped.found() == {"reordered": 1}
    rows = apart.database.raw
    rows[23]["lsn"], rows[24]["lsn"] = rows[24]["lsn"], rows[23]["lsn"]
    assert apart.found() == {"reordered": 2}


def test_a_database_that_changes_under_the_oracle_is_said():
    case = a_case()
    chunks = case.database._chunks

    def one_more(size: int) -> list[dict[str, Any]]:
        return [{**chunk, "row_count": chunk["row_count"] + 1} for chunk in chunks(size)]

    def sql(text: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return one_more(parameters["chunk"]) if "chunk" in parameters else case.database.sql(text, parameters)

    report = check(sql, [case.ledger], database="db")
    assert any("not at rest" in line for line in report.unchecked)


def test_what_it_has_no_expression_for_is_said_to_be_unchecked():
    assert "daily_pages: novel" in a_case().check().unchecked


def test_rows_are_read_in_chunks_without_losing_any(monkeypatch):
    monkeypatch.setattr(oracle_rows, "CHUNK_LSNS", 7)
    report = a_case().check()
    assert report.ok
    assert report.facts["rows in events_raw"] == 40


def test_a_green_report_on_nothing_says_that_it_shows_nothing():
    case = a_case(skip=lambda request: True)
    for request in range(40):
        set_status(case, request, 503)
    report = case.check()
    assert report.ok
    assert "loss: nothing was acknowledged" in report.unchecked


def test_ledgers_that_cannot_be_told_apart_are_refused():
    case = a_case()
    for ledgers in ([], [case.ledger, a_case().ledger]):
        with pytest.raises(BrokenInput):
            check(case.database.sql, ledgers, database="db")
    untagged = attrs.evolve(case.ledger.header.settings, tagged=False)
    case.ledger.header = attrs.evolve(case.ledger.header, settings=untagged)
    with pytest.raises(BrokenInput, match="no sequence numbers"):
        case.check()
