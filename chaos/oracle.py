"""The oracle: what the generator's ledgers say was sent and acknowledged, against what ClickHouse holds.

Owns:       nothing.
Inputs:     ledgers (chaos.load.ledger) of events that carry run id and sequence number in their properties; a
            function that runs SQL on a database at rest: no insert runs, everything acknowledged is inserted.
Outputs:    a Report: findings (each is red), facts, and what could not be checked.
Invariants: I1 every row is compared by its sequence number, never by counts alone;
            I2 nothing that was not looked at is called good: it stands under `unchecked`.
Failure:    errors of the SQL function and BrokenInput (a damaged ledger) pass through: no report, no verdict.

Command: `python -m chaos.oracle --help`. Exit code 0: green; 1: red; 2: no verdict.
"""

from __future__ import annotations

import bisect
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import attrs
import click

from chaos.load.ledger import Ledger, read_ledgers
from chaos.load.variety import Page, page_of
from chaos.oracle_rows import Account, Finding, Order, Sql, accounts_of, logs, where
from chaos.rollup_check import check_rollups
from statnive.clickhouse.client import connect
from statnive.config import ClickHouseConfig
from statnive.errors import BrokenInput, StatniveError

# Answers that promise the event was not taken; any other answer but 202 leaves it open.
REFUSALS: Final = frozenset((204, 400, 401, 403, 404, 405, 408, 413, 415, 429, 431, 503))
COUNTED: Final = (
    "sent",
    "acknowledged",
    "dropped by the server",
    "refused",
    "without an answer",
    "never sent",
)
MEANINGS: Final = {
    "lost": "acknowledged events that are not there",
    "duplicated": "events that are there more than once",
    "alien": "rows of a run whose sequence number was never sent",
    "foreign": "rows that belong to no run given here",
    "refused but there": "events whose request was refused and that are there all the same",
    "half stored": "requests of which only some events are there",
    "misattributed": "rows whose host, page or name is not what was sent",
    "reordered": "rows behind others that were sent only after their own answer, or apart from their request",
}


@attrs.frozen
class Report:
    """The verdict. Counts are events unless they say otherwise."""

    facts: Mapping[str, int]
    findings: tuple[Finding, ...]  # without the empty ones: any one is red
    checked: tuple[str, ...]
    unchecked: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def count(self, name: str) -> int:
        """How many of one kind of finding; 0 when there was none."""
        return sum(finding.count for finding in self.findings if finding.name == name)

    def text(self) -> str:
        lines = ["oracle: " + ("GREEN" if self.ok else "RED")]
        lines += [f"  {name}: {count:,}" for name, count in self.facts.items()]
        for finding in self.findings:
            lines.append(f"  RED {finding.name}: {finding.count:,} ({finding.meaning})")
            lines += [f"      {example}" for example in finding.examples]
        lines += [f"  good: {what}" for what in self.checked]
        lines += [f"  not checked: {what}" for what in self.unchecked]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **attrs.asdict(self)}


def check(
    sql: Sql,
    ledgers: Iterable[Ledger],
    *,
    database: str = "statnive",
    others_allowed: bool = False,
    refusals: frozenset[int] = REFUSALS,
    set_aside: Iterable[tuple[str, int]] = (),
) -> Report:
    """Compare. `others_allowed`: rows of no run given here are a fact, not a finding. `set_aside`: (run, sequence
    number) of events known to be in quarantine: they count as there, so that one that is also a row is duplicated.

    Raises BrokenInput for ledgers that overlap, carry no sequence numbers, or are none.
    """
    assert database.isidentifier()
    accounts = accounts_of(list(ledgers))
    if not accounts:
        raise BrokenInput("there are no ledgers: nothing can be checked")
    oracle = _Oracle(accounts, refusals)
    oracle.read_rows(sql, f"{database}.events_raw")
    oracle.take_set_aside(set_aside)
    oracle.judge()
    if others_allowed:
        oracle.facts["rows of other runs"] = oracle.findings.pop("foreign").count
    rollups = check_rollups(sql, database)
    findings = [finding for finding in oracle.findings.values() if finding.count]
    for drift in rollups.drifts:
        finding = Finding(f"rollup {drift.table}", f"{drift.measure} differ from events_raw")
        finding.add("; ".join(drift.examples), drift.keys)
        findings.append(finding)
    good = [name for name, finding in oracle.findings.items() if not finding.count]
    return Report(
        facts={**oracle.facts, **rollups.facts},
        findings=tuple(findings),
        checked=(f"no event {', '.join(good)}", *rollups.checked),
        unchecked=(*oracle.unchecked(), *rollups.unchecked),
    )


class _Oracle:
    """Rows come in by LSN; `judge` then goes through the ledgers. A run id belongs to one load of a database."""

    def __init__(self, accounts: Mapping[str, list[Account]], refusals: frozenset[int]) -> None:
        self._refusals = refusals
        self._accounts = accounts
        self._starts = {
            run: [account.ledger.first_seq for account in accounts]
            for run, accounts in self._accounts.items()
        }
        self._pages: dict[tuple[int, int], Page] = {}
        self._odd_statuses: Counter[int] = Counter()
        self._changed = 0
        self.facts: dict[str, int] = {}
        self.findings = {name: Finding(name, meaning) for name, meaning in MEANINGS.items()}

    # -- rows ------------------------------------------------------------------------------------------------

    def read_rows(self, sql: Sql, table: str) -> None:
        """Every row of the table, in the order of its LSN, log by log."""
        rows, bots, twice = 0, 0, 0
        for log_rows in logs(sql, table, self._note_change):
            order = Order(self.findings["reordered"])
            last_lsn = -1
            for row in log_rows:
                rows += 1
                bots += row["is_bot"]
                twice += row["lsn"] == last_lsn
                last_lsn = row["lsn"]
                self._take(row, order)
        self.facts.update(
            {"rows in events_raw": rows, "of them bots": bots, "rows with an LSN seen before": twice}
        )

    def _note_change(self, expected: int, found: int) -> None:
        self._changed += abs(expected - found)

    def _take(self, row: Mapping[str, Any], order: Order) -> None:
        run, seq = row["run"], row["seq"]
        if run not in self._accounts:
            self.findings["foreign"].add(f"run {run!r}, {where(row)}")
            return
        account = self._account(run, seq)
        if account is None:
            self.findings["alien"].add(f"run {run}, seq {seq}, {where(row)}")
            return
        place = seq - account.ledger.first_seq
        account.counts[place] = min(255, account.counts[place] + 1)
        request, event = divmod(place, account.ledger.header.settings.events_per_request)
        self._compare(account, request, event, row)
        order.next(account, request, event, row)

    def take_set_aside(self, events: Iterable[tuple[str, int]]) -> None:
        """Count events in quarantine as there. Raises BrokenInput for one that no ledger holds."""
        self.facts["set aside"] = 0
        for run, seq in events:
            account = self._account(run, seq)
            if account is None:
                raise BrokenInput(f"run {run}, seq {seq} is set aside, but in no ledger")
            account.counts[seq - account.ledger.first_seq] += 1
            self.facts["set aside"] += 1

    def _account(self, run: str, seq: int | None) -> Account | None:
        """The ledger that holds the event."""
        if seq is None or run not in self._accounts:
            return None
        account = self._accounts[run][bisect.bisect_right(self._starts[run], seq) - 1]
        return account if account.ledger.first_seq <= seq < account.ledger.end_seq else None

    def _compare(self, account: Account, request: int, event: int, row: Mapping[str, Any]) -> None:
        deck, ledger = account.deck, account.ledger
        pick = deck.pick(ledger.header.first_request + request, event)
        key = (id(deck.variety), pick)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = page_of(deck.variety, pick)
        if (row["hostname"], row["pathname"], row["name"]) != page:
            got = f"{row['name']} {row['hostname']}{row['pathname']}"
            self.findings["misattributed"].add(
                f"run {account.run}, seq {row['seq']}: sent {page.name} {page.host}{page.path}, there {got}"
            )

    # -- verdict ---------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Each event of each ledger against how often it was found."""
        totals: Counter[str] = Counter()
        for accounts in self._accounts.values():
            for account in accounts:
                self._judge_account(account, totals)
        for name in COUNTED:
            self.facts[name] = totals[name]
        self.facts["without an answer, there"] = totals["unknown there"]

    def _judge_account(self, account: Account, totals: Counter[str]) -> None:
        ledger, per = account.ledger, account.ledger.header.settings.events_per_request
        columns = zip(ledger.sent, ledger.status, ledger.dropped, strict=True)
        for request, (sent, status, dropped) in enumerate(columns):
            found = account.counts[request * per : request * per + per]
            totals["sent" if sent else "never sent"] += per
            if status == HTTPStatus.ACCEPTED and not dropped and found.count(1) == per:
                totals["acknowledged"] += per  # the way of nearly all
                continue
            first_seq = ledger.first_seq + request * per
            events = [(f"run {account.run}, seq {first_seq + place}", n) for place, n in enumerate(found)]
            for name, count in events:
                if count > 1:
                    self.findings["duplicated"].add(f"{name}: {count} rows")
            if not sent:
                self._must_be_absent("alien", events, "it was never sent")
            elif status == HTTPStatus.ACCEPTED:
                self._judge_acknowledged(events, dropped, totals)
            elif status in self._refusals:
                totals["refused"] += per
                self._must_be_absent("refused but there", events, f"answer {status}")
            else:
                self._judge_unknown(events, status, totals)

    def _must_be_absent(self, finding: str, events: list[tuple[str, int]], why: str) -> None:
        for name, count in events:
            if count:
                self.findings[finding].add(f"{name}: {why}")

    def _judge_unknown(self, events: list[tuple[str, int]], status: int, totals: Counter[str]) -> None:
        """No answer, or one that leaves it open: all of its events or none."""
        there = sum(1 for _, count in events if count)
        totals["without an answer"] += len(events)
        totals["unknown there"] += there
        if status:
            self._odd_statuses[status] += 1
        if 0 < there < len(events):
            self.findings["half stored"].add(f"{events[0][0]}…: {there} of {len(events)}")

    def _judge_acknowledged(self, events: list[tuple[str, int]], dropped: int, totals: Counter[str]) -> None:
        """Where the server dropped some events it does not say which: only their number can be checked."""
        expected = max(0, len(events) - dropped)
        totals["acknowledged"] += expected
        totals["dropped by the server"] += len(events) - expected
        missing = [name for name, count in events if not count]
        there = len(events) - len(missing)
        if there < expected:
            self.findings["lost"].add("; ".join(missing), expected - there)
        elif there > expected:
            what = f"{events[0][0]}…: {dropped} said to be dropped"
            self.findings["refused but there"].add(what, there - expected)

    def unchecked(self) -> Iterator[str]:
        """What this verdict does not cover."""
        if not self.facts["acknowledged"]:
            yield "loss: nothing was acknowledged"
        open_ended = self.facts["without an answer"]
        if open_ended:
            yield f"{open_ended:,} events without an answer: each may rightly be there once or not at all"
        for status, count in sorted(self._odd_statuses.items()):
            yield f"{count:,} requests answered {status}, which does not say whether they were taken"
        if self.facts["never sent"]:
            yield f"{self.facts['never sent']:,} events that were due but never left the generator"
        if self.facts["dropped by the server"]:
            yield "which events of a request were dropped: the answer tells only how many"
        if self._changed:
            yield f"{self._changed:,} rows came or went while they were read: the database was not at rest"


def _sql_of(url: str, data_dir: Path, database: str) -> tuple[Sql, Callable[[], None]]:
    """A function that runs SQL on a server, or (url "embedded") on the engine in a node's data directory."""
    client = connect(ClickHouseConfig(url=url, database=database), data_dir, purpose="admin")
    return client.operator_query, client.close


@click.command()
@click.option(
    "--ledger", type=click.Path(path_type=Path, exists=True), required=True, help="Their directory."
)
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), help="Of a node that has stopped.")
@click.option("--clickhouse", default="embedded", show_default=True, help="Or a server's URL.")
@click.option("--database", default="statnive", show_default=True, help="Its name.")
@click.option("--others-allowed", is_flag=True, help="Rows of no run in the ledgers are no finding.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def main(
    ledger: Path, data_dir: Path | None, clickhouse: str, database: str, others_allowed: bool, as_json: bool
) -> None:
    """Account for every event of a load: compare its ledgers with events_raw and every rollup."""
    if clickhouse == "embedded" and data_dir is None:
        raise click.UsageError("give --data-dir, or a server by --clickhouse")
    sql, close = _sql_of(clickhouse, data_dir or Path(), database)
    try:
        report = check(sql, read_ledgers(ledger), database=database, others_allowed=others_allowed)
    finally:
        close()
    click.echo(json.dumps(report.to_json(), indent=1) if as_json else report.text())
    sys.exit(0 if report.ok else 1)


if __name__ == "__main__":
    try:
        main(prog_name="python -m chaos.oracle")
    except StatniveError as error:
        click.echo(f"chaos.oracle: {error}", err=True)
        sys.exit(2)
