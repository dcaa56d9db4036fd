"""Which address databases a node opens: the operator's, or those that statnive brings along (tools/build_geo.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from statnive import resources
from statnive.config import GeoConfig
from statnive.errors import BrokenInput

NONE: Final = "none"


class GeoFile(NamedTuple):
    """One database, and what is said of it at the start."""

    path: Path | None
    said: str
    missing: bool = False  # asked for, and not there: worth a warning


def country_file(config: GeoConfig) -> GeoFile:
    """Where countries (regions, cities) come from. Raises BrokenInput for a damaged installation."""
    return _choose("countries", config.city_database, "country", "geo.city_database")


def carrier_file(config: GeoConfig) -> GeoFile:
    """Where AS numbers, and with them the mobile carriers, come from. Raises BrokenInput as above."""
    return _choose("mobile carriers", config.asn_database, "carriers", "geo.asn_database")


def _choose(what: str, setting: str, name: str, key: str) -> GeoFile:
    if setting == NONE:
        return GeoFile(None, f"{what}: not looked up ({key} = {NONE!r})")
    if setting:
        return GeoFile(Path(setting), f"{what}: from {setting}")
    folder = resources.optional_directory("geo")
    if folder is None or not (folder / "sources.json").is_file():
        return GeoFile(
            None, f"{what}: unknown, the database was not built; `make geo` does, or set {key}", missing=True
        )
    try:
        source = json.loads((folder / "sources.json").read_bytes())[name]
        said = (
            f"{what}: {source['name']}, {source['date']}, {source['licence']}; {source['credit']}; "
            f"{source['home']}"
        )
        return GeoFile(folder / source["file"], said)
    except (OSError, ValueError, KeyError, TypeError):
        raise BrokenInput(f"{folder / 'sources.json'}: is damaged; `make geo` makes it again") from None
