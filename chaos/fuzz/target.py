"""What is fuzzed, from the head's bytes to the encoded row, and what must be true of every answer and every row."""

from __future__ import annotations

import re
from typing import Final

import httptools
import msgspec

from statnive import event as limits
from statnive.actors.connection import Connection
from statnive.actors.limiter import LimiterHandle
from statnive.clickhouse.rows import RowEncoder, decode_row, fits
from statnive.config import GeoConfig, IngestConfig, LimiterConfig, ServerConfig
from statnive.control.snapshot import Site, Snapshot, SnapshotHolder
from statnive.event import Row
from statnive.geo_files import carrier_file, country_file
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.ingest.geo import Geo
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.parse import clean
from statnive.ingest.pipeline import Pipeline, Taken, Tools
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser
from statnive.ingest.visits import VisitTable

NOW: Final = 1_793_534_400  # 2026-11-01 12:00 UTC
DETAIL_CHARS_MAX: Final = 300
HOSTS: Final = frozenset({"example.com", "www.example.com", "xn--bcher-kva.example"})
_CHARS_MAX: Final = {
    "name": limits.NAME_CHARS_MAX,
    "hostname": limits.HOST_CHARS_MAX,
    "pathname": limits.PATH_CHARS_MAX,
    "previous_pathname": limits.PATH_CHARS_MAX,
    "entry_pathname": limits.PATH_CHARS_MAX,
    "referrer": limits.REFERRER_BYTES_MAX,
    "referrer_name": limits.HOST_CHARS_MAX,
    "city": 100,
}
_HEADER_VALUE = re.compile(rb"[\x20-\x7e]*")
_UNKNOWN_STATUS: Final = frozenset({200, 202, 204, 400, 413, 429})


class _NoSocket:
    def fileno(self) -> int:
        return 0


class _FixedSalts:
    def salt(self, site_id: int, day: int) -> bytes:
        return b"s" * 32


class Target:
    """Head reader, pipeline and row codec as a node has them. Every check is an assertion."""

    def __init__(self) -> None:
        config = IngestConfig(cache_entries=500, visits_max=2_000)
        site = Site(1, "example.com", "Europe/Berlin", HOSTS)
        self.now = NOW
        self.drops = Drops(lambda: self.now, 40, 50)
        self._rows: list[Row] = []
        encode = RowEncoder().encode

        def note(row: Row) -> bytes:
            self._rows.append(row)
            return encode(row)

        tools = Tools(
            clock=lambda: self.now,
            sites=SnapshotHolder(Snapshot.of([site])),
            limiter=LimiterHandle(
                LimiterConfig(address_per_s=1e9, address_burst=1e9, site_per_s=1e9), lambda: 0.0
            ),
            salts=_FixedSalts(),
            geo=Geo(country_file(GeoConfig()).path, carrier_file(GeoConfig()).path),
            agent=AgentParser(config.cache_entries),
            sources=SourceClassifier(cache_entries=config.cache_entries),
            visits=VisitTable(config.visit_inactivity_s, config.visits_max),
            drops=self.drops,
            encode=note,
            times=LocalTimes(),
        )
        self.pipeline = Pipeline(config, tools, ClientAddress(ServerConfig().trusted_proxies))
        self.requests = 0

    def send(self, head: bytes, body: bytes) -> list[bytes]:
        """One request. The encoded rows that it made; AssertionError for what must not be."""
        self.requests += 1
        self.now += 7
        connection = Connection(_NoSocket(), "127.0.0.1")  # type: ignore[arg-type]
        try:
            connection.read_head(head)
        except httptools.HttpParserError:
            return []
        self._rows.clear()
        before = self.drops.by_reason.total()
        result = self.pipeline.handle(connection.noted, body)
        lost = self.drops.by_reason.total() - before
        rows, answer = (result.rows, result.answer) if isinstance(result, Taken) else ([], result)
        _check_answer(answer.status, answer.headers, answer.body, len(rows), lost)
        assert len(rows) == len(self._rows)
        for row, encoded in zip(self._rows, rows, strict=True):
            check_row(row)
            assert decode_row(encoded) == tuple(row), "the row is another after decoding"
        self._check_drops(lost)
        return rows

    def _check_drops(self, lost: int) -> None:
        report = self.drops.report()
        details = [entry["detail"] for entry in report["recent"][:lost]]
        for shown in (*details, *(entry["host"] for entry in report["unknown_sites"])):
            assert shown == clean(shown), f"unclean in the list of drops: {shown!r}"
            assert len(shown) <= DETAIL_CHARS_MAX, f"{len(shown)} characters in the list of drops"
        msgspec.json.encode(report)


def _check_answer(
    status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes, rows: int, lost: int
) -> None:
    """Every event is in a row or counted as dropped, and the answer says which."""
    assert status in _UNKNOWN_STATUS, f"status {status}"
    told = dict(headers)
    for name, value in headers:
        assert _HEADER_VALUE.fullmatch(name + value), f"a header that breaks the answer: {name!r} {value!r}"
    assert int(told.get(b"x-plausible-dropped", b"0")) == (lost if status == 202 else 0)
    if status == 200:
        assert (rows, lost) == (0, 0), "a debug request was recorded or counted"
    elif not rows:
        assert lost, f"{status}: nothing was recorded, and nothing was counted"
    if status == 400:
        (field,) = msgspec.json.decode(body)["errors"]
        assert field
    body.decode("utf-8")


def check_row(row: Row) -> None:
    """The row is within its columns and its limits, and nothing in it does harm where it is shown."""
    assert fits(row)
    for column, value in row._asdict().items():
        if isinstance(value, str):
            _check_text(column, value, _CHARS_MAX.get(column, limits.UTM_CHARS_MAX))
    assert len(row.referrer.encode()) <= limits.REFERRER_BYTES_MAX
    assert row.name
    assert "?" not in row.referrer
    assert len(row.props) <= limits.PROPS_MAX
    for key, value in row.props.items():
        _check_text("props", key, limits.PROP_KEY_BYTES_MAX)
        _check_text("props", value, limits.PROP_VALUE_BYTES_MAX)
        assert key
        assert value
        assert len(key.encode()) <= limits.PROP_KEY_BYTES_MAX
        assert len(value.encode()) <= limits.PROP_VALUE_BYTES_MAX
    assert row.scroll_depth <= 100 or row.scroll_depth == limits.SCROLL_UNTOLD
    assert bool(row.currency) or row.revenue == 0
    assert len(row.currency) in (0, 3)
    assert len(row.country) in (0, 2)


def _check_text(column: str, value: str, chars_max: int) -> None:
    assert value == clean(value), f"{column} holds what is not fit to show: {value!r}"
    assert len(value) <= chars_max, f"{column} has {len(value)} characters, at most {chars_max} are allowed"
    value.encode("utf-8")
