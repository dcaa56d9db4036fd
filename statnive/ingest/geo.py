"""Where an address is and who runs its network, from MaxMind-format databases the operator points at.

Owns: the open databases. What was answered is remembered in front of them, in `senders.py`.
Inputs: an address as text; files laid out as GeoIP2, GeoLite2, DB-IP, IP2Location, IPinfo or ip-location-db.
Outputs: a Place, an AS number. Unknown, private or malformed addresses give NOWHERE and 0, never an error.
Invariants: I1 a database answers only after its tree and its records were probed.
            I2 a reload that fails leaves the database in use as it was.
            I3 lookups never read the operator's file: it may be overwritten or cut at any time.
Failure: BrokenInput with the file's name, at first open and from `reload`.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import maxminddb

from statnive.errors import BrokenInput
from statnive.ingest.parse import clean

CITY_CHARS_MAX: Final = 100
NODES_PROBED_MAX: Final = 40_000
NETWORKS_PROBED_MAX: Final = 10_000
ADDRESSES_PROBED: Final = 2_048
_SEPARATOR_BYTES: Final = 16
_COPY_BYTES: Final = 1 << 24
_CITY_ID_MAX: Final = (1 << 32) - 1
_COUNTRY = re.compile(r"[A-Z]{2}")
_SUBDIVISION = re.compile(r"[A-Z0-9]{1,3}")

# Not an address (with a NUL: TypeError), IPv6 in an IPv4-only database, a bad record that the probe missed.
_UNANSWERED = (ValueError, TypeError, maxminddb.InvalidDatabaseError)

T = TypeVar("T")


class Place(NamedTuple):
    """A place as far as it is known; "" and 0 = unknown."""

    country: str  # ISO 3166-1 alpha-2
    region: str  # ISO 3166-2, "GB-ENG"
    city_id: int  # GeoNames id
    city: str  # English name


NOWHERE: Final = Place("", "", 0, "")


class Geo:
    """Place and AS number of an address. None for a path = not configured: every answer is unknown.

    Raises BrokenInput when a file is missing, isn't a MaxMind-format database, is damaged, or holds no
    country (no AS number).
    """

    def __init__(self, city_path: Path | None, asn_path: Path | None) -> None:
        self._places = _File(city_path, read_place, NOWHERE, "country")
        self._numbers = _File(asn_path, read_asn, 0, "AS number")
        self._places.load()
        self._numbers.load()
        self.version = 0  # goes up when answers may have changed

    def place(self, ip: str) -> Place:
        """The place of an IPv4 or IPv6 address."""
        return self._places.answers.of(ip)

    def asn(self, ip: str) -> int:
        """The number of the autonomous system that announces the address; 0 = unknown."""
        return self._numbers.answers.of(ip)

    def changed(self) -> bool:
        """Whether a file differs from what was last read or tried: cheap enough for every few seconds."""
        return self._places.changed() or self._numbers.changed()

    def stamps(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What tells one state of the files from another."""
        return self._places.stamp(), self._numbers.stamp()

    def reload(self) -> None:
        """Read both files again. A broken one leaves its old database in use, and BrokenInput names it."""
        broken = []
        for file in (self._places, self._numbers):
            try:
                file.load()
            except BrokenInput as error:
                broken.append(str(error))
        self.version += 1
        if broken:
            raise BrokenInput("; ".join(broken))


class _Answers(Generic[T]):
    """One database. A reload replaces the whole, so no answer outlives its database."""

    def __init__(self, reader: maxminddb.Reader | None, read: Callable[[Any], T], unknown: T) -> None:
        self._get = None if reader is None else reader.get
        self._read, self._unknown = read, unknown

    def of(self, ip: str) -> T:
        if self._get is None:
            return self._unknown
        try:
            record = self._get(ip)
        except _UNANSWERED:
            return self._unknown
        return self._unknown if record is None else self._read(record)


class _File(Generic[T]):
    """One configured file and the answers from the last good state of it."""

    def __init__(self, path: Path | None, read: Callable[[Any], T], unknown: T, holds: str) -> None:
        self._path, self._read, self._unknown = path, read, unknown
        self._holds = holds
        self._seen: tuple[int, ...] = ()
        self.answers = _Answers(None, read, unknown)

    def load(self) -> None:
        if self._path is None:
            return
        self._seen = self.stamp()
        reader = open_database(self._path)
        told = sum(self._read(record) != self._unknown for record in _sample(self._path, reader))
        if not told:
            raise BrokenInput(f"{self._path}: holds no {self._holds} ({reader.metadata().database_type})")
        self.answers = _Answers(reader, self._read, self._unknown)

    def changed(self) -> bool:
        return self.stamp() != self._seen

    def stamp(self) -> tuple[int, ...]:
        if self._path is None:
            return ()
        try:
            status = os.stat(self._path)
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino


def open_database(path: Path) -> maxminddb.Reader:
    """A reader over a private copy of the file in memory, its search tree probed. Raises BrokenInput.

    Mapping the file itself is as fast, but the process dies of SIGBUS when someone cuts or overwrites it in
    place (`cp`, `curl -o`); MODE_MEMORY is pure Python, nine times slower a lookup. (Keeps I1 and I3.)
    """
    memory = os.memfd_create("geo")
    try:
        try:
            with path.open("rb") as source:
                while os.sendfile(memory, source.fileno(), None, _COPY_BYTES):
                    pass
        except OSError as error:
            raise BrokenInput(f"{path}: can't be read: {error.strerror}") from None
        try:
            reader = maxminddb.open_database(f"/proc/self/fd/{memory}", maxminddb.MODE_MMAP_EXT)
            metadata = reader.metadata()  # may be refused only here: the extension opens what it can't decode
        except (maxminddb.InvalidDatabaseError, ValueError, OSError):
            raise BrokenInput(f"{path}: is not a MaxMind-format database, or is cut off") from None
        _check_tree(path, memory, metadata)
        return reader
    finally:
        os.close(memory)  # the reader's mapping keeps the copy alive


def _check_tree(path: Path, memory: int, metadata: Any) -> None:
    """Up to NODES_PROBED_MAX nodes, evenly spread: each record leads to a node (never the root), to nothing
    or to data. The reader follows a wrong one without complaint, to wrong answers."""
    nodes, bits = metadata.node_count, metadata.record_size
    node_bytes = bits // 4
    data_start = nodes * node_bytes + _SEPARATOR_BYTES
    data_bytes = os.fstat(memory).st_size - data_start
    if (
        bits not in (24, 28, 32)
        or nodes < 1
        or data_bytes <= 0
        or os.pread(memory, _SEPARATOR_BYTES, data_start - _SEPARATOR_BYTES) != bytes(_SEPARATOR_BYTES)
    ):
        raise BrokenInput(f"{path}: its search tree doesn't fit the file (damaged)")
    for node in range(0, nodes, -(-nodes // NODES_PROBED_MAX)):
        for record in _records(os.pread(memory, node_bytes, node * node_bytes), bits):
            to_data = record - nodes - _SEPARATOR_BYTES
            if record == 0 or (record > nodes and not 0 <= to_data < data_bytes):
                raise BrokenInput(f"{path}: node {node} of its search tree leads nowhere (damaged)")


def _records(node: bytes, bits: int) -> tuple[int, int]:
    if bits == 24:
        return int.from_bytes(node[:3], "big"), int.from_bytes(node[3:], "big")
    if bits == 28:
        left, right = int.from_bytes(node[:3], "big"), int.from_bytes(node[4:], "big")
        return left | (node[3] & 0xF0) << 20, right | (node[3] & 0x0F) << 24
    left, right = struct.unpack(">II", node)
    return left, right


def _sample(path: Path, reader: maxminddb.Reader) -> Iterator[object]:
    """Records from the tree's beginning and from all over the address space. Raises BrokenInput."""
    step = (1 << 32) // ADDRESSES_PROBED
    try:
        for _, record in islice(reader, NETWORKS_PROBED_MAX):
            yield record
        for number in range(ADDRESSES_PROBED):
            yield reader.get(socket.inet_ntoa(struct.pack(">I", number * step + step // 3)))
        if reader.metadata().ip_version == 6:
            for number in range(ADDRESSES_PROBED):  # 2000::/3 is all that is handed out
                top = (1 << 61) + number * ((1 << 61) // ADDRESSES_PROBED)
                yield reader.get(socket.inet_ntop(socket.AF_INET6, struct.pack(">QQ", top, 1)))
    except (maxminddb.InvalidDatabaseError, ValueError, UnicodeDecodeError) as error:
        raise BrokenInput(f"{path}: holds bad data ({clean(str(error))[:200]})") from None


def read_place(record: object) -> Place:
    """The place of a record: nested as in GeoIP2 and DB-IP, or flat as in IPinfo and ip-location-db."""
    if not isinstance(record, dict):
        return NOWHERE
    country = _country(record)
    if not country:
        return NOWHERE
    city = record.get("city")
    city_id = 0
    if isinstance(city, dict):
        names, number = city.get("names"), city.get("geoname_id")
        city = names.get("en") if isinstance(names, dict) else ""
        city_id = number if isinstance(number, int) and 0 < number <= _CITY_ID_MAX else 0
    name = clean(city).strip()[:CITY_CHARS_MAX] if isinstance(city, str) else ""
    return Place(country, _region(record, country), city_id, name)


def _country(record: dict[str, Any]) -> str:
    """Where the address is used, not where its range is registered (that is the provider's seat)."""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else record.get("country_code", country)
    return code if isinstance(code, str) and _COUNTRY.fullmatch(code) else ""


def _region(record: dict[str, Any], country: str) -> str:
    parts = record.get("subdivisions")
    first = parts[0] if isinstance(parts, list) and parts else None
    code = first.get("iso_code") if isinstance(first, dict) else record.get("region_code")
    if not isinstance(code, str):
        return ""
    code = code.removeprefix(f"{country}-")
    return f"{country}-{code}" if _SUBDIVISION.fullmatch(code) else ""


def read_asn(record: object) -> int:
    """The AS number of a record: GeoLite2-ASN, GeoIP2-ISP, DB-IP, ip-location-db or IPinfo ("AS1221")."""
    if not isinstance(record, dict):
        return 0
    number = record.get("autonomous_system_number", record.get("asn", 0))
    if isinstance(number, str):
        number = number.upper().removeprefix("AS")
        number = int(number) if number.isascii() and number.isdigit() and len(number) <= 10 else 0
    return number if isinstance(number, int) and 0 < number <= _CITY_ID_MAX else 0
