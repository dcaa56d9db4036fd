"""IANA time zone names: which exist here, and what was probably meant."""

from __future__ import annotations

import difflib
import zoneinfo
from functools import cache
from typing import Final

from statnive.errors import Rejected

ZONE_CHARS_MAX: Final = 64
# Files beside the zones that name no place, or a different one on each machine.
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})


def canonical_timezone(field: str, text: str) -> str:
    """The zone's name as IANA spells it. Raises Rejected naming `field` and the closest names."""
    name = text.strip()
    if len(name) > ZONE_CHARS_MAX:
        raise Rejected(field, f"has {len(name)} characters; a time zone's name has at most {ZONE_CHARS_MAX}")
    known = _known()
    if name in known:
        return name
    if not name:
        raise Rejected(field, "is empty; give an IANA name such as Europe/Berlin")
    close = " or ".join(_closest(name, known))
    hint = f"did you mean {close}?" if close else "give a name such as Europe/Berlin or UTC"
    raise Rejected(field, f"{name!r} is no IANA time zone; {hint}")


@cache
def _known() -> frozenset[str]:
    """Looked up once: it opens every file of the database, and they change with the system alone."""
    return frozenset(zoneinfo.available_timezones() - _NO_PLACES)


def _closest(name: str, known: frozenset[str]) -> list[str]:
    """Up to three zones: right but for the case, the zone of that place ("Berlin"), or similar spellings."""
    wanted = name.replace(" ", "_").lower()
    by_lower = {zone.lower(): zone for zone in sorted(known)}
    if wanted in by_lower:
        return [by_lower[wanted]]
    by_place: dict[str, str] = {}
    for zone in sorted(known):
        by_place.setdefault(zone.rpartition("/")[2].lower(), zone)
    if wanted in by_place:
        return [by_place[wanted]]
    whole = difflib.get_close_matches(wanted, by_lower, n=3, cutoff=0.7)
    place = difflib.get_close_matches(wanted.rpartition("/")[2], by_place, n=3, cutoff=0.75)
    return list(dict.fromkeys([by_lower[zone] for zone in whole] + [by_place[zone] for zone in place]))[:3]
