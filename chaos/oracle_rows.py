"""What the oracle reads: ledgers as accounts of events, events_raw as logs of rows, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import attrs

from chaos.load.ledger import Ledger
from chaos.load.variety import Deck
from statnive.errors import BrokenInput

Sql = Callable[[str, Mapping[str, Any]], Sequence[Mapping[str, Any]]]
"""Runs a statement with {name:Type} parameters, returns rows by column name: Client.operator_query is one."""

CHUNK_LSNS: Final = 200_000
EXAMPLES_MAX: Final = 5


@attrs.define
class Finding:
    """One way in which the database disagrees with the ledgers."""

    name: str
    meaning: str
    count: int = 0
    examples: list[str] = attrs.field(factory=list)

    def add(self, example: str, count: int = 1) -> None:
        self.count += count
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(example)


@attrs.define(eq=False)
class Account:
    """One ledger, and how often each of its events was found."""

    ledger: Ledger
    deck: Deck
    counts: bytearray

    @property
    def run(self) -> str:
        return self.ledger.header.settings.run


class Order:
    """Whether rows, taken in the order of their LSN, respect what clients could see.

    A row must not stand behind one whose request was sent only after its own had been acknowledged; the
    events of a request stand together, in order. All times are the generators', on one clock: a finding is no
    matter of clocks.
    """

    def __init__(self, finding: Finding) -> None:
        self._finding = finding
        self._latest_sent = 0.0
        self._latest_seq = 0
        self._open: tuple[Ledger | None, int] = (None, 0)
        self._last_event = 0

    def next(self, account: Account, request: int, event: int, row: Mapping[str, Any]) -> None:
        ledger = account.ledger
        answered, sent = ledger.answered[request], ledger.sent[request]
        if answered < self._latest_sent and ledger.status[request] == HTTPStatus.ACCEPTED:
            self._add(row, f"acknowledged before seq {self._latest_seq} was sent, yet behind it")
        if sent > self._latest_sent:
            self._latest_sent, self._latest_seq = sent, row["seq"]
        per = ledger.header.settings.events_per_request
        if per == 1:
            return
        if self._open[0] is ledger and self._open[1] == request:
            if event < self._last_event:
                self._add(row, f"behind event {self._last_event} of its request")
        elif per - account.counts.count(0, request * per, request * per + per) > 1:
            self._add(row, "apart from the other events of its request")
        self._open, self._last_event = (ledger, request), event

    def _add(self, row: Mapping[str, Any], what: str) -> None:
        self._finding.add(f"run {row['run']}, seq {row['seq']}, {where(row)}: {what}")


def accounts_of(ledgers: list[Ledger]) -> dict[str, list[Account]]:
    """By run, in order of sequence numbers. Raises BrokenInput for ledgers that can't be told apart."""
    decks: dict[tuple[Any, int, int], Deck] = {}
    accounts: dict[str, list[Account]] = {}
    for ledger in sorted(ledgers, key=lambda ledger: ledger.first_seq):
        settings = ledger.header.settings
        if not settings.tagged:
            raise BrokenInput(
                f"run {settings.run}: its events carry no sequence numbers, nothing can be checked"
            )
        key = (settings.variety, ledger.header.worker, settings.processes)
        deck = decks.get(key) or decks.setdefault(key, Deck(*key))
        before = accounts.setdefault(settings.run, [])
        if before and before[-1].ledger.end_seq > ledger.first_seq:
            raise BrokenInput(f"run {settings.run}: two ledgers hold sequence number {ledger.first_seq}")
        before.append(Account(ledger, deck, bytearray(len(ledger) * settings.events_per_request)))
    return accounts


def logs(
    sql: Sql, table: str, note_change: Callable[[int, int], None]
) -> Iterator[Iterator[Mapping[str, Any]]]:
    """For each log the rows of the table by LSN, read a chunk of LSNs at a time.

    `note_change(expected, found)` is told of each chunk: they differ where the table is not at rest.
    """
    chunks = sql(
        "SELECT log_id, intDiv(lsn, {chunk:UInt64}) AS chunk, count() AS row_count, "
        f"min(day) AS first_day, max(day) AS last_day FROM {table} "
        "GROUP BY log_id, chunk ORDER BY log_id, chunk",
        {"chunk": CHUNK_LSNS},
    )

    def rows(log_id: int) -> Iterator[Mapping[str, Any]]:
        for chunk in (chunk for chunk in chunks if chunk["log_id"] == log_id):
            found = sql(
                "SELECT lsn, props['run'] AS run, toUInt64OrNull(props['seq']) AS seq, hostname, pathname, "
                f"name, is_bot, log_id FROM {table} WHERE day >= {{first_day:Date}} "
                "AND day <= {last_day:Date} AND log_id = {log_id:UInt64} "
                "AND lsn >= {low:UInt64} AND lsn < {high:UInt64} ORDER BY lsn, seq",
                {
                    "first_day": chunk["first_day"],
                    "last_day": chunk["last_day"],
                    "log_id": log_id,
                    "low": chunk["chunk"] * CHUNK_LSNS,
                    "high": (chunk["chunk"] + 1) * CHUNK_LSNS,
                },
            )
            note_change(chunk["row_count"], len(found))
            yield from found

    for log_id in dict.fromkeys(chunk["log_id"] for chunk in chunks):
        yield rows(log_id)


def where(row: Mapping[str, Any]) -> str:
    return f"lsn {row['lsn']} of log {row['log_id']}"
