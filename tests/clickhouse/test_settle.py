"""Blocks in doubt on the real engine: whatever a crash left, each row is in once and the rollups fit, also when the
repair itself is cut off at any of its statements.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os

import pytest

from statnive.clickhouse import repair, verify
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.rows import RowEncoder, suffix
from statnive.clickhouse.settle import SentBlock, settle
from statnive.errors import PoisonBlock, StatniveError

OCTOBER, NOVEMBER = 20_757, 20_758  # 2026-10-31, 2026-11-01
MONTHS = (202610, 202611)
ROLLUPS = ["daily_pages", "daily_sources", "hourly_visitors"]
ROWS = 20
LOG_ID = 7
NUMBERS = itertools.count(1)
# Of a repair's statements the test cuts every so manieth; ENUMERATE_EVERY=1 cuts each (minutes).
EVERY = int(os.environ.get("ENUMERATE_EVERY", "8"))
BEFORE = 6  # rows of an earlier block, which must stay as they are


def rows_of(engine, first_lsn, count):
    """Rows by LSN: two months, several pages and visitors, one bot."""
    encoder = RowEncoder()
    return {
        lsn: encoder.encode(
            engine.row(
                visitor=lsn.to_bytes(16, "big"), pathname=f"/{lsn % 3}", previous_pathname="/0" if lsn % 4 else "",
                is_bot=int(lsn == first_lsn + 3), day=OCTOBER + lsn % 2,
            )
        )
        + suffix(LOG_ID, lsn)
        for lsn in range(first_lsn, first_lsn + count)
    }  # fmt: skip


def sent(rows, token="b", log_id=LOG_ID):
    return SentBlock(log_id, min(rows), max(rows), token, rows)


def insert(engine, block):
    payload = b"".join(block.rows.values())
    engine.writer.insert_block(payload, rows=len(block.rows), token=block.token)


@pytest.fixture
def block(engine):
    """The block in doubt; an earlier one is in already."""
    insert(engine, sent(rows_of(engine, 1, BEFORE), token="a"))
    return sent(rows_of(engine, BEFORE + 1, ROWS))


def check(engine, rows=BEFORE + ROWS):
    """Each row once, the rollups as the raw rows, and no table of a repair left."""
    census = verify.census(engine.writer)
    assert (census.rows, census.doubled, census.gaps) == (rows, [], 0)
    assert verify.drift(engine.writer) == []
    for rollup in ROLLUPS:
        measures = "sum(events) AS e, sum(pageviews) AS p, uniqCombined64Merge(visitors) AS v"
        counted = engine.scalars(f"SELECT {measures} FROM {{database}}.{rollup}")
        raw = engine.scalars(
            "SELECT count() AS e, sum(pageviews) AS p, uniqCombined64(visitor) AS v "
            "FROM {database}.events_raw WHERE is_bot = 0"
        )
        assert counted == raw, rollup
    left = (
        "SELECT count() AS n FROM system.tables WHERE database = '{database}' AND startsWith(name, 'repair_')"
    )
    assert engine.scalars(left) == {"n": 0}


def lose(engine, table, month):
    """Take a block's part away, and leave its token: what a crash between the two leaves."""
    where = f"lsn > {BEFORE} AND lsn <= {BEFORE + ROWS}" if table == "events_raw" else "1"
    engine.writer.command(
        f"ALTER TABLE {engine.config.database}.{table} DELETE IN PARTITION {month} WHERE {where} "
        "SETTINGS mutations_sync = 2"
    )


def double_raw_only(engine, block):
    """A part of raw without its token, then the retry, whose views' parts had been in."""
    database = engine.config.database
    engine.writer.command(f"CREATE TABLE {database}.again AS {database}.events_raw")
    engine.writer.insert_block(b"".join(block.rows.values()), rows=ROWS, token="x", table="again")
    for month in MONTHS:
        engine.writer.command(
            f"ALTER TABLE {database}.events_raw ATTACH PARTITION {month} FROM {database}.again"
        )
    engine.writer.command(f"DROP TABLE {database}.again SYNC")


def double_everywhere(engine, block):
    insert(engine, sent(block.rows, token=f"another-{next(NUMBERS)}"))


def double_a_rollup(engine, block):
    table = f"{engine.config.database}.daily_sources"
    engine.writer.command(
        f"INSERT INTO {table} SELECT * FROM {table} WHERE toYYYYMM(day) = 202611 "
        "SETTINGS insert_deduplicate = 0"
    )


def lose_half_of_raw_and_double_the_rest(engine, block):
    double_raw_only(engine, block)
    lose(engine, "events_raw", 202610)


WRONGS = {
    "raw doubled": double_raw_only,
    "all doubled": double_everywhere,
    "a rollup doubled": double_a_rollup,
    "a month doubled, a month lost": lose_half_of_raw_and_double_the_rest,
    "raw lost": lambda engine, block: [lose(engine, "events_raw", month) for month in MONTHS],
} | {
    f"{table} {month} lost": lambda engine, block, table=table, month=month: lose(engine, table, month)
    for table, month in itertools.product(["events_raw", *ROLLUPS], MONTHS)
}


def test_a_block_that_never_arrived_is_sent(engine, block):
    assert settle(engine.writer, block) == []
    check(engine)


def test_a_block_that_is_in_is_not_sent_again(engine, block, monkeypatch):
    insert(engine, block)
    monkeypatch.setattr(engine.writer, "insert_block", None)
    assert settle(engine.writer, block) == []
    check(engine)


@pytest.mark.parametrize("kind", WRONGS)
def test_what_a_crash_lost_or_doubled_is_put_right_and_said(engine, block, kind):
    insert(engine, block)
    WRONGS[kind](engine, block)
    assert verify.drift(engine.writer) or verify.census(engine.writer).doubled, "nothing is wrong"
    notes = settle(engine.writer, block)
    assert notes
    assert settle(engine.writer, block) == []
    check(engine)


@pytest.mark.parametrize("kind", WRONGS)
def test_without_settling_the_answer_to_a_retry_proves_nothing(engine, block, kind):
    """Why settle exists: the same token again is answered OK, and the rows are as wrong as before."""
    insert(engine, block)
    WRONGS[kind](engine, block)
    insert(engine, block)
    assert verify.drift(engine.writer) or verify.census(engine.writer).doubled


@pytest.mark.parametrize("kind", ["all doubled", "a month doubled, a month lost", "raw lost"])
def test_a_repair_that_is_cut_off_at_any_statement_is_done_the_next_time(engine, block, kind, monkeypatch):
    insert(engine, block)
    cuts = 0
    for number in itertools.count(EVERY // 2 + 1, EVERY):
        WRONGS[kind](engine, block)
        before = cuts % 2 == 0
        with monkeypatch.context() as patch:
            cut_at(patch, engine.writer, number, before=before)
            try:
                settle(engine.writer, block)
            except Cut:
                cuts += 1
            else:
                break
        settle(engine.writer, block)
        check(engine)
    assert cuts * EVERY > 20


@pytest.mark.parametrize("kind", ["all doubled", "raw lost"])
def test_a_repair_s_statement_that_comes_after_it_was_given_up_changes_nothing(
    engine, block, kind, monkeypatch
):
    """The network had it, and nobody knows: the repair is made again, the next block is inserted, and there it is."""
    insert(engine, block)
    late = []
    for turn, number in enumerate(itertools.count(EVERY // 2 + 1, EVERY)):
        WRONGS[kind](engine, block)
        with monkeypatch.context() as patch:
            cut_at(patch, engine.writer, number, before=True, instead=late.append)
            try:
                settle(engine.writer, block)
            except Cut:
                pass
            else:
                break
        settle(engine.writer, block)
        insert(engine, sent(rows_of(engine, BEFORE + ROWS + 1 + turn, 1), token=f"next-{turn}"))
        with contextlib.suppress(StatniveError):
            late.pop()()
        repair.drop_left_over(engine.writer)  # a table that was made late goes the next time
        check(engine, rows=BEFORE + ROWS + 1 + turn)
    assert turn * EVERY >= 16


class Cut(Exception):  # noqa: N818
    pass


def cut_at(patch, client, number, *, before, instead=lambda call: None):
    """Have the client's call `number` fail, before or after it was carried out; `instead` gets what was not."""
    calls = itertools.count(1)

    def wrap(method):
        def call(*arguments, **named):
            mine = next(calls)
            if mine == number and before:
                instead(functools.partial(method, *arguments, **named))
                raise Cut
            answer = method(*arguments, **named)
            if mine == number:
                raise Cut
            return answer

        return call

    for name in ("command", "operator_query", "insert_block"):
        patch.setattr(client, name, wrap(getattr(client, name)))


def test_rows_that_the_block_no_longer_holds_stay(engine, block):
    """The log lost some of them since, or they were refused at first: they are acknowledged events all the same."""
    insert(engine, block)
    fewer = {lsn: row for lsn, row in block.rows.items() if lsn % 5}
    assert settle(engine.writer, sent(fewer)) == []
    check(engine)
    lose(engine, "events_raw", 202611)
    settle(engine.writer, sent(fewer))
    lost = len([lsn for lsn in block.rows if lsn not in fewer and lsn % 2])
    assert lost
    assert engine.scalars("SELECT count() AS n FROM {database}.events_raw") == {"n": BEFORE + ROWS - lost}
    assert verify.drift(engine.writer) == []


def test_as_many_other_rows_do_not_pass_for_the_block_s(engine, block):
    half = {lsn: row for lsn, row in block.rows.items() if lsn <= BEFORE + ROWS // 2}
    insert(engine, sent(half, token="half"))
    other = {lsn: row for lsn, row in block.rows.items() if lsn not in half}
    block = SentBlock(LOG_ID, min(block.rows), max(block.rows), "other", other)
    settle(engine.writer, block)
    check(engine)


def test_a_block_whose_rows_are_all_set_aside_is_settled(engine, block):
    assert settle(engine.writer, SentBlock(LOG_ID, 7, 26, "b", {})) == []
    check(engine, rows=BEFORE)


def test_while_the_server_works_on_the_block_nothing_is_counted(engine, block, monkeypatch):
    monkeypatch.setattr(verify, "is_running", lambda client, token: True)
    with pytest.raises(Unavailable, match="still at work on block b") as caught:
        settle(engine.writer, block)
    assert caught.value.ambiguous
    assert engine.scalars("SELECT count() AS n FROM {database}.events_raw") == {"n": BEFORE}


def test_a_statement_of_the_block_that_still_runs_is_seen(engine, block):
    import threading

    other = engine.connect("admin")
    assert not verify.is_running(engine.writer, "b")
    for sql in (
        "SELECT sleep(3) SETTINGS insert_deduplication_token = 'b'",
        f"SELECT sleep(3) AS `{engine.config.database}.repair_rows`",
    ):
        thread = threading.Thread(target=other.command, args=(sql,))
        thread.start()
        seen = False
        while thread.is_alive() and not seen:
            seen = verify.is_running(engine.writer, "b")
        thread.join()
        assert seen, sql
    assert not verify.is_running(engine.writer, "b")


def test_what_an_earlier_repair_left_is_not_touched_while_its_statements_run(engine, block, monkeypatch):
    engine.writer.command(f"CREATE TABLE {engine.config.database}.repair_rows (n UInt8) ENGINE = Memory")
    with monkeypatch.context() as patch:
        patch.setattr(verify, "is_running", lambda client, token="": True)
        with pytest.raises(Unavailable, match="an earlier repair is still running"):
            repair.drop_left_over(engine.writer)
    assert repair.drop_left_over(engine.writer) == []
    settle(engine.writer, block)
    check(engine)


def test_poison_is_poison_here_too(engine, block):
    rows = {**block.rows, 9: b"\xc1" + block.rows[9][1:]}
    with pytest.raises(PoisonBlock):
        settle(engine.writer, sent({**rows, 9: block.rows[9][:-1]}))
    assert repair.find_refused(engine.writer, {**block.rows, 9: block.rows[9][:-1]}).keys() == {9}
    check(engine, rows=BEFORE)


def test_every_refused_row_is_found_and_no_other(engine):
    rows = rows_of(engine, 1, 64)
    bad = {1, 2, 33, 64}
    rows = {lsn: b"\xc1" + row[1:] if lsn in bad else row for lsn, row in rows.items()}
    refused = repair.find_refused(engine.writer, rows)
    assert refused.keys() == bad
    assert all("ClickHouse can't read" in why for why in refused.values())
    assert repair.find_refused(engine.writer, {lsn: row for lsn, row in rows.items() if lsn not in bad}) == {}
    check(engine, rows=0)
