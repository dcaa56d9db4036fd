"""The mobile carriers' networks: tools/carriers.txt and npm's @ip-location-db/asn make geo/dist/carriers.mmdb.

    python -m tools.build_carriers --table    write statnive/carriers.py, the numbers that the limiter knows
    python -m tools.build_carriers --check    hold the list's names against the installed data

The database itself is written by build_geo.py.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.mmdb import Range

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_name("carriers.txt")
TABLE = ROOT / "statnive" / "carriers.py"
PACKAGE = ROOT / "geo" / "node_modules" / "@ip-location-db" / "asn"
KINDS = ("mobile", "both")
_TABLE_HEAD = '''\
"""The AS numbers of {carriers} mobile carriers in {countries} countries, the default of [limiter] carrier_asns.

Made by `python -m tools.build_carriers --table` of tools/carriers.txt, which says which is whose.
"""

from __future__ import annotations

from typing import Final

# fmt: off
CARRIER_ASNS: Final[tuple[int, ...]] = (
'''


class Carrier(NamedTuple):
    """One line of the list."""

    asn: int
    country: str  # ISO 3166-1 alpha-2; XK = Kosovo
    kind: str  # "mobile", or "both" where landlines are in the same autonomous system
    name: str  # as people know it
    organisation: str  # as the data names it


def carriers(text: str) -> list[Carrier]:
    """The list's lines. Raises ValueError, with the line's number, for one that breaks the format or repeats."""
    found: list[Carrier] = []
    seen: set[int] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 5 or not all(fields) or not fields[0].isdigit():
            raise ValueError(
                f"line {number}: needs AS number, country, kind, carrier and organisation, by tabs"
            )
        carrier = Carrier(int(fields[0]), *fields[1:])
        if not re.fullmatch("[A-Z]{2}", carrier.country) or carrier.kind not in KINDS or carrier.asn in seen:
            raise ValueError(f"line {number}: an unknown country or kind, or a number that is there already")
        seen.add(carrier.asn)
        found.append(carrier)
    return found


def table(found: list[Carrier]) -> str:
    """The text of statnive/carriers.py."""
    numbers = [f"{carrier.asn}," for carrier in sorted(found)]
    names = {(carrier.country, carrier.name) for carrier in found}
    head = _TABLE_HEAD.format(carriers=len(names), countries=len({carrier.country for carrier in found}))
    lines, line = [], "   "
    for number in numbers:
        if len(line) + len(number) + 1 > 108:
            lines.append(line)
            line = "   "
        line += f" {number}"
    return head + "\n".join([*lines, line]) + "\n)\n# fmt: on\n"


def rows(package: Path) -> Iterator[tuple[int, int, int, str]]:
    """(first address, last address, AS number, organisation): all of IPv4, then all of IPv6, each in order."""
    for name in ("asn-ipv4-num.csv", "asn-ipv6-num.csv"):
        with (package / name).open(encoding="utf-8", newline="") as lines:
            for start, end, asn, organisation in csv.reader(lines):
                yield int(start), int(end), int(asn), organisation


def ranges(package: Path, wanted: frozenset[int]) -> list[Range]:
    """The wanted systems' ranges in order, those that touch joined. IPv4's numbers are below all of IPv6's."""
    found: list[Range] = []
    for start, end, asn, _ in rows(package):
        if asn not in wanted:
            continue
        if found and found[-1].asn == asn and found[-1].end + 1 == start:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(Range(start, end, asn))
    return found


def differences(found: list[Carrier], package: Path) -> list[str]:
    """What the installed data says otherwise than the list."""
    names: dict[int, set[str]] = {carrier.asn: set() for carrier in found}
    for _, _, asn, organisation in rows(package):
        if asn in names:
            names[asn].add(organisation)
    return [
        f"AS{carrier.asn} {carrier.name}: {' / '.join(sorted(names[carrier.asn])) or 'announces nothing'}, "
        f"not {carrier.organisation}"
        for carrier in found
        if carrier.organisation not in names[carrier.asn]
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--table", action="store_true")
    arguments.add_argument("--check", action="store_true")
    chosen = arguments.parse_args()
    found = carriers(LIST.read_text(encoding="ascii"))
    if chosen.table:
        TABLE.write_text(table(found))
    if chosen.check:
        wrong = differences(found, PACKAGE)
        print("\n".join(wrong) or f"{len(found)} numbers, all named as in the data")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
