"""Places and AS numbers from MaxMind-format databases, good and broken."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive.errors import BrokenInput
from statnive.ingest.geo import CITY_CHARS_MAX, NOWHERE, Geo, Place, open_database, read_asn, read_place

DATA = Path(__file__).parents[3] / "shared" / "data" / "geoip"
CITY = DATA / "GeoLite2-City-Test.mmdb"
COUNTRY = DATA / "GeoLite2-Country-Test.mmdb"
ASN = DATA / "GeoLite2-ASN-Test.mmdb"
ISP = DATA / "GeoIP2-ISP-Test.mmdb"
BROKEN = sorted(DATA.glob("bad-*.mmdb"))

LONDON = Place("GB", "GB-ENG", 2643743, "London")


def test_city_database_tells_country_region_and_city() -> None:
    assert Geo(CITY, None).place("81.2.69.160") == LONDON


def test_country_database_tells_the_country_only() -> None:
    geo = Geo(COUNTRY, None)
    assert geo.place("81.2.69.160") == Place("GB", "", 0, "")
    assert geo.place("2001:218::1").country == "JP"


@pytest.mark.parametrize("database", [ASN, ISP], ids=lambda path: path.stem)
def test_asn_is_told_by_asn_and_isp_databases(database: Path) -> None:
    geo = Geo(None, database)
    assert geo.asn("1.128.0.0") == 1221
    assert geo.place("1.128.0.0") == NOWHERE


def test_nothing_configured_knows_nothing() -> None:
    geo = Geo(None, None)
    assert (geo.place("81.2.69.160"), geo.asn("2001:db8::1")) == (NOWHERE, 0)
    assert not geo.changed()
    geo.reload()


def test_mapped_ipv4_is_the_ipv4_address() -> None:
    geo = Geo(CITY, ASN)
    assert geo.place("::ffff:81.2.69.160") == LONDON
    assert geo.asn("::ffff:1.128.0.0") == 1221


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unknown",
        "1.2.3.4:80",
        "[::1]",
        "fe80::1%eth0",
        "999.1.1.1",
        "1.2.3",
        "\x00",
        ":\x00",
        "\ud800",
        ":\ud800",
        "1" * 5_000,
        ":" * 5_000,
        "192.168.1.1",
        "127.0.0.1",
        "::1",
        "fd00::1",
    ],
)
def test_what_is_no_public_address_is_nowhere(address: str) -> None:
    geo = Geo(CITY, ASN)
    assert (geo.place(address), geo.asn(address)) == (NOWHERE, 0)


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_any_text_as_an_address_is_answered(address: str) -> None:
    geo = any_text_geo()
    assert isinstance(geo.place(address), Place)
    assert isinstance(geo.asn(address), int)


_GEO: list[Geo] = []


def any_text_geo() -> Geo:
    if not _GEO:
        _GEO.append(Geo(CITY, ASN))
    return _GEO[0]


@pytest.mark.parametrize("database", BROKEN, ids=lambda path: path.stem)
def test_broken_database_is_refused_at_open_by_name(database: Path) -> None:
    assert len(BROKEN) == 3
    for paths in ((database, None), (None, database)):
        with pytest.raises(BrokenInput, match=database.name):
            Geo(*paths)


def test_database_of_another_content_is_refused() -> None:
    with pytest.raises(BrokenInput, match="holds no country"):
        Geo(ASN, None)
    with pytest.raises(BrokenInput, match="holds no AS number"):
        Geo(None, COUNTRY)


@pytest.mark.parametrize("content", [b"", b"no database", bytes(100_000)], ids=["empty", "text", "zeros"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "geo.mmdb"
    file.write_bytes(content)
    with pytest.raises(BrokenInput, match=r"geo\.mmdb"):
        Geo(file, None)


def test_missing_file_and_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match=r"none\.mmdb: can't be read"):
        Geo(tmp_path / "none.mmdb", None)
    with pytest.raises(BrokenInput, match="can't be read"):
        Geo(tmp_path, None)


def test_every_cut_of_a_database_is_refused_or_answers(tmp_path: Path) -> None:
    """A download that broke off: whatever opens must not raise later."""
    whole = CITY.read_bytes()
    file = tmp_path / "cut.mmdb"
    refused = 0
    for end in range(0, len(whole), 997):
        file.write_bytes(whole[:end])
        try:
            Geo(file, None).place("81.2.69.160")
        except BrokenInput:
            refused += 1
    assert refused == len(range(0, len(whole), 997))


def test_a_database_whose_description_of_itself_is_broken_is_refused(tmp_path: Path) -> None:
    """Its reader opens it, and complains only when it is asked what the file is."""
    bent = bytearray(CITY.read_bytes())
    bent[bent.rindex(b"database_type") + len(b"database_type") + 1] = 0xFF  # no UTF-8 begins so
    file = tmp_path / "bent.mmdb"
    file.write_bytes(bent)
    with pytest.raises(BrokenInput, match=r"bent\.mmdb"):
        Geo(file, None)


def test_damaged_tree_is_refused(tmp_path: Path) -> None:
    content = bytearray(CITY.read_bytes())
    content[700:707] = b"\xff" * 7  # node 100 leads far beyond the file
    file = tmp_path / "damaged.mmdb"
    file.write_bytes(content)
    with pytest.raises(BrokenInput, match="node 100 of its search tree leads nowhere"):
        open_database(file)


def test_reload_takes_the_new_database(tmp_path: Path) -> None:
    file = tmp_path / "geo.mmdb"
    shutil.copy(COUNTRY, file)
    geo = Geo(file, None)
    assert geo.place("81.2.69.160").city == ""
    assert not geo.changed()
    replace(file, CITY)
    assert geo.changed()
    geo.reload()
    assert geo.place("81.2.69.160") == LONDON
    assert not geo.changed()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda path: path.stem)
def test_reload_keeps_the_old_database_when_the_new_one_is_broken(tmp_path: Path, broken: Path) -> None:
    file = tmp_path / "geo.mmdb"
    shutil.copy(CITY, file)
    geo = Geo(file, ASN)
    replace(file, broken)
    with pytest.raises(BrokenInput, match=r"geo\.mmdb"):
        geo.reload()
    assert geo.place("81.2.69.160") == LONDON
    assert geo.asn("1.128.0.0") == 1221
    assert not geo.changed()  # tried once; the next change asks again


def test_reload_of_one_broken_file_still_takes_the_other(tmp_path: Path) -> None:
    city, asn = tmp_path / "city.mmdb", tmp_path / "asn.mmdb"
    shutil.copy(CITY, city)
    shutil.copy(ASN, asn)
    geo = Geo(city, asn)
    city.unlink()
    replace(asn, ISP)
    with pytest.raises(BrokenInput, match=r"city\.mmdb"):
        geo.reload()
    assert geo.place("81.2.69.160") == LONDON
    assert geo.asn("2600:6000::1") == 237


def replace(file: Path, other: Path) -> None:
    """As a careful updater does: a new file under the old name."""
    new = file.with_suffix(".new")
    shutil.copy(other, new)
    os.chmod(new, 0o644)
    os.replace(new, file)


def test_overwriting_the_file_in_place_harms_no_lookup(tmp_path: Path) -> None:
    """A mapped file that shrinks kills the process with SIGBUS."""
    file = tmp_path / "geo.mmdb"
    shutil.copy(CITY, file)
    os.chmod(file, 0o644)
    geo = Geo(file, None)
    with file.open("r+b") as handle:
        handle.truncate(0)
    assert geo.place("81.2.69.160") == LONDON
    assert geo.place("2001:218::1").country == "JP"


def test_no_handle_of_the_file_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    kept = [Geo(CITY, ASN) for _ in range(5)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert kept[0].place("81.2.69.160") == LONDON


def test_ipv6_networks_narrower_than_64_bits_keep_their_own_answer(tmp_path: Path) -> None:
    file = tmp_path / "narrow.mmdb"
    file.write_bytes(two_hosts_database())
    geo = Geo(file, None)
    assert geo.place("2001:db8::1").country == "DE"
    assert geo.place("2001:db8::8000:0:0:1").country == "FR"


def two_hosts_database() -> bytes:
    """A tree that tells 2001:db8:0:0::/65 (DE) from 2001:db8:0:0:8000::/65 (FR) and knows nothing else."""
    depth, records = 65, bytearray()
    prefix = int.from_bytes(bytes.fromhex("20010db8") + bytes(12), "big")
    german = b"\xe1\x4ccountry_code\x42DE"
    french = b"\xe1\x4ccountry_code\x42FR"
    for level in range(depth):
        bit = prefix >> (127 - level) & 1
        if level == depth - 1:
            left, right = depth + 16, depth + 16 + len(german)
        else:
            left, right = (level + 1, depth) if bit == 0 else (depth, level + 1)
        records += left.to_bytes(3, "big") + right.to_bytes(3, "big")
    metadata = b"\xab\xcd\xefMaxMind.com" + b"\xe9" + b"".join(
        bytes([0x40 | len(key)]) + key + value
        for key, value in {
            b"binary_format_major_version": b"\xa1\x02",
            b"binary_format_minor_version": b"\xa0",
            b"build_epoch": b"\x04\x02" + struct.pack(">I", 1_700_000_000),
            b"database_type": b"\x44Test",
            b"description": b"\xe0",
            b"ip_version": b"\xa1\x06",
            b"languages": b"\x00\x04",
            b"node_count": b"\xc1" + bytes([depth]),
            b"record_size": b"\xa1\x18",
        }.items()
    )  # fmt: skip
    return bytes(records) + bytes(16) + german + french + metadata


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({"country_code": "US"}, Place("US", "", 0, "")),
        ({"country": "DE", "region_code": "BE", "city": "Berlin"}, Place("DE", "DE-BE", 0, "Berlin")),
        (
            {"country": {"iso_code": "FR"}, "subdivisions": [{"iso_code": "FR-IDF"}]},
            Place("FR", "FR-IDF", 0, ""),
        ),
        ({"country": {"iso_code": "DE"}, "city": {"names": {"en": "Bonn"}}}, Place("DE", "", 0, "Bonn")),
        (
            {"country": {"iso_code": "DE"}, "subdivisions": [{"names": {"en": "Hesse"}}]},
            Place("DE", "", 0, ""),
        ),
        (
            {"registered_country": {"iso_code": "US"}},
            NOWHERE,
        ),  # the provider's seat is not the visitor's place
        ({"country_code": "usa"}, NOWHERE),
        ({"country_code": "ZZ\n"}, NOWHERE),
        ({"country": {"iso_code": 7}, "city": 8}, NOWHERE),
        ({"country_code": "DE", "city": {"geoname_id": -1, "names": []}}, Place("DE", "", 0, "")),
        ({"country_code": "DE", "subdivisions": {}, "region_code": "<b>"}, Place("DE", "", 0, "")),
        (
            {"country_code": "DE", "city": "\x1bB" + "x" * 500},
            Place("DE", "", 0, "B" + "x" * (CITY_CHARS_MAX - 1)),
        ),
        ([1, 2], NOWHERE),
        ("text", NOWHERE),
    ],
)
def test_records_of_many_layouts_are_read(record: object, place: Place) -> None:
    assert read_place(record) == place


@pytest.mark.parametrize(
    ("record", "number"),
    [
        ({"autonomous_system_number": 1221}, 1221),
        ({"asn": "AS64512"}, 64512),
        ({"asn": "no"}, 0),
        ({"asn": "9" * 50}, 0),
        ({"asn": -5}, 0),
        ({"autonomous_system_number": [1]}, 0),
        ("text", 0),
    ],
)
def test_as_numbers_of_many_layouts_are_read(record: object, number: int) -> None:
    assert read_asn(record) == number
