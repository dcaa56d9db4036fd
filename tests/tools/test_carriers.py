"""The list of mobile carriers, what is derived of it, and the writer of its database held against the reader."""

from __future__ import annotations

import io
import ipaddress
from pathlib import Path

import maxminddb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive import carriers as derived
from tools import build_carriers
from tools.build_carriers import LIST, carriers, differences, ranges, table
from tools.mmdb import Range, database

V4_MAX = (1 << 32) - 1


def test_the_list_names_carriers_of_the_whole_world() -> None:
    found = carriers(LIST.read_text(encoding="ascii"))
    assert len({(carrier.country, carrier.name) for carrier in found}) >= 150
    assert len({carrier.country for carrier in found}) >= 100


def test_the_limiters_table_is_the_lists() -> None:
    found = carriers(LIST.read_text(encoding="ascii"))
    assert build_carriers.TABLE.read_text() == table(found)
    assert sorted(carrier.asn for carrier in found) == list(derived.CARRIER_ASNS)


def test_every_number_is_named_as_in_the_data() -> None:
    assert differences(carriers(LIST.read_text(encoding="ascii")), build_carriers.PACKAGE) == []


@pytest.mark.parametrize(
    "line",
    [
        "1\tUS\tmobile\tA",
        "x\tUS\tmobile\tA\tA",
        "1\tUSA\tmobile\tA\tA",
        "1\tUS\tfixed\tA\tA",
        "1\tUS\tmobile\t\tA",
        "2\tUS\tmobile\tA\tA\n2\tUS\tboth\tB\tB",
    ],
)
def test_a_line_that_breaks_the_format_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(ValueError, match=f"line {len(line.splitlines())}"):
        carriers(line)


def test_ranges_that_touch_are_joined_and_others_left_out(tmp_path: Path) -> None:
    (tmp_path / "asn-ipv4-num.csv").write_text('1,5,7,A\n6,9,7,"A, Inc."\n10,12,8,B\n13,13,7,A\n')
    (tmp_path / "asn-ipv6-num.csv").write_text(f"{1 << 100},{(1 << 100) + 9},7,A\n")
    assert ranges(tmp_path, frozenset({7})) == [
        Range(1, 9, 7),
        Range(13, 13, 7),
        Range(1 << 100, (1 << 100) + 9, 7),
    ]


@st.composite
def range_lists(draw: st.DrawFn) -> list[Range]:
    """Ranges of IPv4 and IPv6, sorted and apart, those that touch of different systems."""
    found: list[Range] = []
    for low, high in ((1, V4_MAX), (1 << 96, (1 << 128) - 1)):
        edges = sorted(draw(st.lists(st.integers(low, high), max_size=12, unique=True)))
        for start, end in zip(edges[::2], edges[1::2], strict=False):
            asn = draw(st.integers(1, (1 << 32) - 1))
            if not (found and found[-1].end + 1 == start and found[-1].asn == asn):
                found.append(Range(start, end, asn))
    return found


def text(address: int) -> str:
    return str(ipaddress.IPv4Address(address) if address <= V4_MAX else ipaddress.IPv6Address(address))


@settings(deadline=None, max_examples=60)
@given(range_lists())
def test_the_databases_answers_are_the_ranges(found: list[Range]) -> None:
    content = database(found, kind="test-ASN", description="test", epoch_s=1_780_000_000)
    with maxminddb.open_database(io.BytesIO(content), maxminddb.MODE_FD) as reader:
        assert reader.metadata().build_epoch == 1_780_000_000
        for start, end, asn in found:
            for address in (start, (start + end) // 2, end):
                assert reader.get(text(address)) == {"autonomous_system_number": asn}
        known = [range(item.start, item.end + 1) for item in found]
        for item in found:
            for address in (item.start - 1, item.end + 1):
                if 0 < address < 1 << 128 and not any(address in one for one in known):
                    assert reader.get(text(address)) is None


def test_overlapping_ranges_are_refused() -> None:
    with pytest.raises(AssertionError, match="overlap"):
        database([Range(1, 5, 7), Range(5, 9, 8)], kind="k", description="d", epoch_s=0)


def test_the_same_ranges_give_the_same_bytes() -> None:
    found = [Range(1 << 24, (1 << 24) + 1_000, 7)]
    first, second = (database(found, kind="k", description="d", epoch_s=5) for _ in range(2))
    assert first == second
