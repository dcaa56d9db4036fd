"""What the owner of a site wants left out: addresses, pages, countries and hostnames.

Owns: the table `exclusions`. Inputs: lists of text, checked here. Outputs: Exclusions.
Invariants: I1 what is kept can be matched: networks and countries are canonical, patterns are whole.
Failure: Rejected naming the field and the entry. Shutdown: nothing to do.
"""

from __future__ import annotations

import ipaddress
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from statnive.control.goals import path_pattern
from statnive.control.hosts import canonical_host
from statnive.control.snapshot import Exclusions
from statnive.errors import Rejected

ENTRIES_MAX: Final = 100  # of each kind
# A visitor is told apart by the /64 of an IPv6 address: the rest of it is not known to the pipeline.
IPV6_PREFIX_MAX: Final = 64
KINDS: Final = ("networks", "pages", "countries", "hostnames")

TABLE: Final = (
    """CREATE TABLE exclusions (
        site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (site_id, kind, entry)
    ) STRICT, WITHOUT ROWID""",
)


def checked(
    networks: Sequence[str] = (),
    pages: Sequence[str] = (),
    countries: Sequence[str] = (),
    hostnames: Sequence[str] = (),
) -> Exclusions:
    """The exclusions, each entry in its one spelling. Raises Rejected naming the list and what is wrong in it."""
    return Exclusions(
        networks=_all("networks", networks, _network),
        pages=_all("pages", pages, lambda text: path_pattern("pages", text)),
        countries=_all("countries", countries, _country),
        hostnames=_all("hostnames", hostnames, _hostname),
    )


def replace(connection: sqlite3.Connection, site_id: int, wanted: Exclusions) -> None:
    """Make these the site's exclusions."""
    connection.execute("DELETE FROM exclusions WHERE site_id = ?", (site_id,))
    rows = [(site_id, kind, entry) for kind in KINDS for entry in getattr(wanted, kind)]
    connection.executemany("INSERT INTO exclusions VALUES (?, ?, ?)", rows)


def by_site(connection: sqlite3.Connection) -> dict[int, Exclusions]:
    """Every site's exclusions; a site without any is not there."""
    found: dict[int, dict[str, list[str]]] = {}
    for site_id, kind, entry in connection.execute(
        "SELECT site_id, kind, entry FROM exclusions ORDER BY site_id, kind, entry"
    ):
        found.setdefault(site_id, {}).setdefault(kind, []).append(entry)
    return {
        site_id: Exclusions(**{kind: tuple(entries) for kind, entries in kinds.items()})
        for site_id, kinds in found.items()
    }


def _all(field: str, entries: Sequence[str], spell: Callable[[str], str]) -> tuple[str, ...]:
    if len(entries) > ENTRIES_MAX:
        raise Rejected(field, f"has {len(entries)} entries; at most {ENTRIES_MAX} are allowed")
    return tuple(sorted({spell(entry.strip()) for entry in entries if entry.strip()}))


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Rejected(
            "networks", f"{text[:60]!r} is no address and no range such as 192.0.2.0/24 or 2001:db8::/48"
        ) from None
    if network.version == 6 and network.prefixlen > IPV6_PREFIX_MAX:
        network = network.supernet(new_prefix=IPV6_PREFIX_MAX)
    return str(network)


def _country(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", text):
        raise Rejected("countries", f"{text[:60]!r} is no two-letter code of ISO 3166-1, such as DE")
    return text.upper()


def _hostname(text: str) -> str:
    if text.startswith("*."):
        return "*." + canonical_host("hostnames", text[2:])
    return canonical_host("hostnames", text)
