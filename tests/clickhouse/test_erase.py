"""Erasing on the real engine: what goes and what stays, table by table, also when it is cut off at any step."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
from collections import Counter

import attrs
import pytest

from statnive.clickhouse import erase, repair, verify
from statnive.clickhouse.engine import Engine
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.full_check import check_all
from statnive.clickhouse.rows import RowEncoder, suffix
from statnive.clickhouse.settle import SentBlock, settle
from statnive.erasures import DAY_LAST, REQUEST, RETENTION, Nothing, Span
from statnive.errors import StatniveError
from tests.clickhouse.test_settle import Cut, cut_at
from tests.clickhouse_fixture import SQL_DIR

LOG_ID = 7
# Of an erasure's statements (about 70 a month) the tests cut every so manieth; ENUMERATE_EVERY=1 cuts each.
EVERY = int(os.environ.get("ENUMERATE_EVERY", "37"))
OCTOBER = 20_756  # 2026-10-30; two days later it is November
RAW_ONLY, ALL = (), None


@attrs.frozen
class Event:
    lsn: int
    site_id: int
    day: int
    visitor: int
    page: str
    is_bot: int


class Stream:
    """Events as they are sent, and as they must be found: the reference of every test."""

    def __init__(self, engine, seed=1):
        self.engine, self.book, self.rng = engine, Nothing(), random.Random(seed)
        self.raw: list[Event] = []
        self.counted: list[Event] = []
        self.lsn = 0

    def insert(self, count=40, sites=(1, 2, 3), days=range(OCTOBER, OCTOBER + 4), through=None):
        """One block of events that come by chance."""
        found = [
            Event(
                self.lsn + number, self.rng.choice(sites), self.rng.choice(days), self.rng.randrange(9),
                f"/{self.rng.randrange(3)}", int(self.rng.random() < 0.1),
            )
            for number in range(1, count + 1)
        ]  # fmt: skip
        self.lsn += count
        block = self.block(found)
        through = through or self.engine.writer
        through.insert_block(b"".join(block.rows.values()), rows=count, token=block.token)
        self.raw += found
        self.counted += [event for event in found if not event.is_bot]
        return found

    def block(self, events):
        encoder, rows = RowEncoder(), {}
        for event in events:
            row = self.engine.row(
                site_id=event.site_id, day=event.day, visitor=(event.visitor + 1).to_bytes(16, "big"),
                pathname=event.page, is_bot=event.is_bot, previous_pathname="/0", entry_pathname="/1",
            )  # fmt: skip
            rows[event.lsn] = encoder.encode(row) + suffix(LOG_ID, event.lsn)
        return SentBlock(LOG_ID, events[0].lsn, events[-1].lsn, f"{LOG_ID}-{events[0].lsn}", rows)

    def ask(self, events, rollups=ALL, kind=REQUEST):
        """Write an erasure down and begin it; its id."""
        ledger = self.book.change(
            lambda ledger: ledger.ask(kind, events, events if rollups is ALL else rollups, 1_793_534_400)
        )
        one = ledger.open[-1]
        months = erase.measure(self.engine.writer, one.events, one.rollups).months
        self.book.change(lambda ledger: ledger.begin(one.id, LOG_ID, self.lsn, months))
        return one.id

    def carry_out(self, erasure_id):
        """What the eraser does, also after a crash: first what `Engine` does before anything else."""
        notes = repair.finish_swap(self.engine.writer, self.book)
        notes += repair.drop_left_over(self.engine.writer)
        while months := self.book.ledger.find(erasure_id).months:
            notes += erase.erase_month(
                self.engine.writer, self.book.ledger.find(erasure_id), months[0], self.lsn, self.book
            )
        self.book.change(lambda ledger: ledger.finish(erasure_id, 1_793_534_401))
        assert notes == []

    def forget(self, events, rollups=ALL):
        """The same in the reference; how many rows went."""
        before = len(self.raw)
        self.raw = [event for event in self.raw if not covers(events, event)]
        spans = events if rollups is ALL else rollups
        self.counted = [event for event in self.counted if not covers(spans, event)]
        return before - len(self.raw)

    def erase(self, events, rollups=ALL, kind=REQUEST):
        number = self.ask(events, rollups, kind)
        self.carry_out(number)
        return self.forget(events, rollups)

    def check(self):
        """events_raw and every rollup hold the reference; `statnive verify` finds nothing; no table is left."""
        writer, database = self.engine.writer, self.engine.config.database
        found = writer.operator_query(f"SELECT lsn FROM {database}.events_raw")
        assert Counter(row["lsn"] for row in found) == Counter(event.lsn for event in self.raw)
        wanted, visitors = Counter(), {}
        for event in self.counted:
            key = event.site_id, event.day
            wanted[key] += 1
            visitors.setdefault(key, set()).add(event.visitor)
        for rollup in verify.rollups(writer):
            of_names = " WHERE goal = 0" if rollup == "daily_events" else ""
            rows = writer.operator_query(
                "SELECT site_id, toUInt16(day) AS number, sum(events) AS total, "
                f"uniqCombined64Merge(visitors) AS people FROM {database}.{rollup}{of_names} "
                "GROUP BY site_id, number HAVING total > 0"
            )
            assert {(row["site_id"], row["number"]): row["total"] for row in rows} == wanted, rollup
            people = {(row["site_id"], row["number"]): row["people"] for row in rows}
            assert people == {key: len(found) for key, found in visitors.items()}, rollup
        found = check_all(writer, repairing=False, rows_set_aside=0, book=self.book)
        assert (found.is_right, found.gaps, found.drift_rows) == (True, 0, 0)
        assert self.tables_left() == 0

    def tables_left(self):
        left = "SELECT count() AS n FROM system.tables WHERE database = '{database}' AND startsWith(name, 'repair_')"
        return self.engine.scalars(left)["n"]


def covers(spans, event):
    return any(span.site_id == event.site_id and span.first <= event.day <= span.last for span in spans)


@pytest.fixture
def stream(engine):
    made = Stream(engine)
    made.insert()
    made.insert()
    return made


def test_every_table_with_a_site_is_erased_from(engine, stream):
    """A table that a migration adds is found here when nothing erases from it."""
    rows = engine.writer.operator_query(
        "SELECT DISTINCT table FROM system.columns WHERE database = {database:String} AND name = 'site_id' "
        "AND table NOT IN (SELECT name FROM system.tables WHERE database = {database:String} AND engine LIKE '%View') "
        "AND table != 'closed_days'",  # made from the rollups: tests/query/test_closed_days.py
        {"database": engine.config.database},
    )
    extent = erase.measure(engine.writer, [Span(1, 0, DAY_LAST)], [Span(1, 0, DAY_LAST)])
    assert {row["table"] for row in rows} == extent.rows.keys()
    assert all(extent.rows.values())


def test_a_site_s_days_go_from_every_table_and_nothing_else(stream):
    assert stream.erase([Span(1, OCTOBER + 1, OCTOBER + 2)]) > 0
    stream.check()


def test_a_whole_site_goes_and_one_that_is_alone_leaves_empty_months(stream):
    stream.erase([Span(2, 0, DAY_LAST)])
    stream.check()
    stream.erase([Span(1, 0, DAY_LAST), Span(3, 0, DAY_LAST)])
    stream.check()
    assert stream.raw == []
    stream.insert()
    stream.check()


def test_what_is_measured_is_what_goes(engine, stream):
    span = Span(2, OCTOBER, OCTOBER + 2)
    extent = erase.measure(engine.writer, [span], [span])
    assert extent.rows["events_raw"] == sum(covers([span], event) for event in stream.raw)
    assert (extent.first_day, extent.last_day, extent.months) == (
        "2026-10-30",
        "2026-11-01",
        (202610, 202611),
    )
    assert stream.erase([span]) == extent.rows["events_raw"]
    assert erase.measure(engine.writer, [span], [span]).is_empty


def test_retention_takes_events_and_keeps_what_was_counted(stream):
    floors = [Span(1, 0, OCTOBER + 1), Span(3, 0, OCTOBER + 2)]
    assert stream.erase(floors, RAW_ONLY, RETENTION) > 0
    kept = sum(month["daily_geo"] for month in stream.book.ledger.kept.values())
    assert kept == len(stream.counted) - sum(not event.is_bot for event in stream.raw) > 0
    stream.check()
    stream.insert(sites=(2,))
    stream.check()
    stream.erase([], [Span(1, 0, OCTOBER)], RETENTION)  # later the counts of older days go, too
    stream.check()
    stream.erase([Span(3, 0, DAY_LAST)])
    stream.check()


@pytest.mark.parametrize("seed", [2])
def test_sums_are_those_of_the_reference_after_any_inserts_and_erasures(engine, seed):
    stream = Stream(engine, seed)
    rng = random.Random(seed)
    floors = Counter()
    for _ in range(5):
        site_id = rng.choice((1, 2, 3))
        stream.insert(
            days=range(OCTOBER + max(floors.values(), default=0), OCTOBER + 6),
        )
        if rng.random() < 0.5:
            first = OCTOBER + rng.randrange(5)
            stream.erase([Span(site_id, first, first + rng.randrange(3))])
        else:
            floors[site_id] = max(floors[site_id], rng.randrange(1, 5))
            spans = [Span(site_id, 0, OCTOBER + floors[site_id] - 1)]
            stream.erase(spans, spans if rng.random() < 0.3 else RAW_ONLY, RETENTION)
        stream.check()


@pytest.mark.parametrize("rollups", [ALL, RAW_ONLY], ids=["request", "retention"])
def test_an_erasure_that_is_cut_off_at_any_statement_is_done_the_next_time(
    engine, stream, monkeypatch, rollups
):
    """Until it goes on a month is as it was or as it will be, in all tables."""
    cuts = 0
    for number in itertools.count(EVERY // 2 + 1, EVERY):
        day = OCTOBER + 2 + cuts  # in November; a floor only rises, and nothing comes below it
        stream.insert(count=12, days=range(day, day + 3))
        spans = [Span(1, 0, day), Span(3, 0, day)]
        erasure_id = stream.ask(spans, rollups, REQUEST if rollups is ALL else RETENTION)
        with monkeypatch.context() as patch:
            cut_at(patch, engine.writer, number, before=cuts % 2 == 0)
            try:
                stream.carry_out(erasure_id)
            except Cut:
                cuts += 1
            else:
                stream.forget(spans, rollups)
                break
        repair.finish_swap(engine.writer, stream.book)
        repair.drop_left_over(engine.writer)
        assert verify.drift(engine.writer, ledger=stream.book.ledger) == []
        assert stream.tables_left() == 0
        stream.carry_out(erasure_id)
        stream.forget(spans, rollups)
        stream.check()
    stream.check()
    assert cuts * EVERY > 20


def test_a_statement_of_an_erasure_that_comes_late_changes_nothing(engine, stream, monkeypatch):
    """The network had it, and nobody knows: the erasure is done again, the next block is inserted, and there it is."""
    late, october = [], [OCTOBER, OCTOBER + 1]
    for turn, number in enumerate(itertools.count(EVERY // 2 + 1, EVERY + EVERY // 2)):
        stream.insert(count=12, days=october)
        spans = [Span(1 + turn % 3, OCTOBER, OCTOBER + 1)]
        erasure_id = stream.ask(spans)
        with monkeypatch.context() as patch:
            cut_at(patch, engine.writer, number, before=True, instead=late.append)
            try:
                stream.carry_out(erasure_id)
            except Cut:
                pass
            else:
                stream.forget(spans)
                break
        stream.carry_out(erasure_id)
        stream.forget(spans)
        stream.insert(count=12, days=october)
        with contextlib.suppress(StatniveError):
            late.pop()()
        repair.drop_left_over(engine.writer)
        stream.check()
    assert turn * EVERY >= 16


def test_a_swap_that_the_ledger_holds_is_carried_out_before_anything_is_inserted(engine, stream, monkeypatch):
    spans = [Span(1, OCTOBER, OCTOBER + 3)]
    erasure_id = stream.ask(spans)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(repair, "finish_swap", killed)
        erase.erase_month(engine.writer, stream.book.ledger.find(erasure_id), 202610, stream.lsn, stream.book)
    assert stream.book.ledger.swap is not None
    node = Engine(engine.config, engine.data_dir, SQL_DIR, book=stream.book)  # as after a kill
    stream.forget([Span(1, OCTOBER, 20_757)])
    stream.insert(days=[20_758], through=node)
    assert (stream.book.ledger.swap, node.drift_rows()) == (None, 0)
    assert node.erase_month(erasure_id, 202611, stream.lsn)[0].months == ()
    node.close()
    stream.carry_out(erasure_id)
    stream.forget(spans)
    stream.check()


def killed(client, book):
    raise Cut


def test_a_month_whose_rollups_differ_is_not_erased_before_it_is_repaired(engine, stream):
    engine.writer.command(f"ALTER TABLE {engine.config.database}.daily_geo DROP PARTITION 202610")
    erasure_id = stream.ask([Span(1, OCTOBER, OCTOBER)])
    with pytest.raises(
        Unavailable, match="daily_geo 202610 differs from events_raw: statnive verify --repair"
    ):
        stream.carry_out(erasure_id)
    assert check_all(engine.writer, repairing=True, rows_set_aside=0, book=stream.book).is_right
    stream.carry_out(erasure_id)
    stream.forget([Span(1, OCTOBER, OCTOBER)])
    stream.check()


@pytest.mark.parametrize("rollup", ["daily_pages", "hourly_visitors"])
def test_a_rollup_that_holds_more_than_raw_is_built_anew_with_what_it_keeps(
    engine, stream, monkeypatch, rollup
):
    stream.erase([Span(1, 0, OCTOBER + 1), Span(2, 0, OCTOBER)], RAW_ONLY, RETENTION)
    table = f"{engine.config.database}.{rollup}"
    engine.writer.command(
        f"ALTER TABLE {table} DELETE WHERE site_id = 3 SETTINGS mutations_sync = 2"  # what a crash may lose
    )
    assert not check_all(engine.writer, repairing=False, rows_set_aside=0, book=stream.book).is_right
    with monkeypatch.context() as patch:  # killed while the partition takes its place: carried out to its end
        patch.setattr(repair, "finish_swap", killed)
        with pytest.raises(Cut):
            check_all(engine.writer, repairing=True, rows_set_aside=0, book=stream.book)
    repair.finish_swap(engine.writer, stream.book)
    assert check_all(engine.writer, repairing=True, rows_set_aside=0, book=stream.book).is_right
    stream.check()


def test_counts_that_nothing_can_bring_back_are_said_to_be_lost_and_hold_up_no_block(engine, stream):
    stream.erase([Span(1, 0, OCTOBER + 2)], RAW_ONLY, RETENTION)
    found = stream.insert(sites=(2, 3))
    kept = stream.book.ledger.kept_in("daily_devices", 202611)
    assert kept > 0
    engine.writer.command(f"ALTER TABLE {engine.config.database}.daily_devices DROP PARTITION 202611")
    notes = settle(engine.writer, stream.block(found), stream.book)
    assert [note.partition("; ")[2] for note in notes] == [
        f"{kept} of {kept} events that it alone had kept are lost"
    ]
    assert stream.book.ledger.kept_in("daily_devices", 202611) == 0
    assert check_all(engine.writer, repairing=False, rows_set_aside=0, book=stream.book).is_right


def test_a_block_that_lost_a_part_is_repaired_and_the_kept_counts_stay(engine, stream):
    stream.erase([Span(1, 0, OCTOBER + 2)], RAW_ONLY, RETENTION)
    found = stream.insert(sites=(2, 3))
    engine.writer.command(
        f"ALTER TABLE {engine.config.database}.daily_devices DELETE WHERE site_id = 2 SETTINGS mutations_sync = 2"
    )
    assert any("daily_devices" in note for note in settle(engine.writer, stream.block(found), stream.book))
    stream.check()


def test_a_block_sent_again_without_its_erased_rows_brings_none_of_them_back(engine, stream):
    found = stream.insert()
    spans = [Span(1, OCTOBER, OCTOBER + 3)]
    stream.erase(spans)
    ledger = stream.book.ledger
    left = [
        event for event in found
        if not ledger.leaves_out(event.site_id, event.day, 202610 if event.day < 20_758 else 202611, LOG_ID, event.lsn)
    ]  # fmt: skip
    assert 0 < len(left) < len(found)
    whole, rest = stream.block(found), stream.block(left)
    sent = SentBlock(LOG_ID, whole.first_lsn, whole.last_lsn, whole.token, rest.rows)
    for _ in range(2):
        assert settle(engine.writer, sent, stream.book) == []
        stream.check()


def test_erased_rows_are_no_gaps_and_excuse_none(engine, stream):
    stream.erase([Span(1, OCTOBER, OCTOBER + 3)])
    lost = next(
        event for event in stream.raw if not event.is_bot and stream.raw[0].lsn < event.lsn < stream.lsn
    )
    engine.writer.command(
        f"ALTER TABLE {engine.config.database}.events_raw DELETE WHERE lsn = {lost.lsn} SETTINGS mutations_sync = 2"
    )
    found = check_all(engine.writer, repairing=True, rows_set_aside=0, book=stream.book)
    assert (found.is_right, found.gaps, found.repaired) == (False, 1, ())
    assert "restore events_raw from a backup" in found.unrepaired[0]
