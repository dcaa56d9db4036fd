"""Makes geo/dist, the address data that the wheel and a checkout bring along, of the npm packages in geo/.

country.mmdb as it comes, carriers.mmdb reduced to the mobile carriers' networks, sources.json (who made them, when,
under which licence) and NOTICE.txt with the licences' texts. `make geo` installs the packages and runs this.
"""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools import build_carriers
from tools.mmdb import database

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "geo" / "node_modules" / "@ip-location-db"
DIST = ROOT / "geo" / "dist"
COUNTRY, CARRIERS = "country.mmdb", "carriers.mmdb"
HOME = "https://github.com/sapics/ip-location-db"


def date_of(package: Path) -> datetime:
    """The day of the data, which the packages have in their version: 2.3.2026061719."""
    version = json.loads((package / "package.json").read_text())["version"]
    found = re.search(r"\.(20\d{6})\d*$", version)
    if found is None:
        raise SystemExit(f"{package.name} {version}: the version holds no date")
    return datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)


def sources(country: Path, asn: Path) -> dict[str, dict[str, Any]]:
    """What sources.json says."""
    return {
        "country": {
            "file": COUNTRY,
            "name": "geo-whois-asn-country of ip-location-db",
            "date": f"{date_of(country):%Y-%m-%d}",
            "licence": "CC0-1.0",
            "credit": "geofeeds and the registries' data (nro.net, CC-BY-4.0)",
            "home": HOME,
        },
        "carriers": {
            "file": CARRIERS,
            "name": "asn of ip-location-db, the mobile carriers' networks of it",
            "date": f"{date_of(asn):%Y-%m-%d}",
            "licence": "CC-BY-4.0",
            "credit": "routeviews.org, nro.net, IP Geolocation by DB-IP (https://db-ip.com)",
            "home": HOME,
        },
    }


def notice(country: Path, asn: Path) -> str:
    """The packages' licence files, each under its name."""
    parts = []
    for package in (country, asn):
        declared = json.loads((package / "package.json").read_text())["license"]
        parts.append(f"@ip-location-db/{package.name} ({declared})\n{HOME}")
        for file in sorted(package.iterdir()):
            if "LICENSE" in file.name or file.name == "MODIFICATIONS":
                parts.append(f"{file.name}\n{file.read_text(encoding='utf-8').strip()}")
    parts.append(
        f"{CARRIERS} holds the ranges of the autonomous systems listed in statnive's tools/carriers.txt only, "
        "without the organisations' names."
    )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    country, asn = PACKAGES / "geo-whois-asn-country-mmdb", PACKAGES / "asn"
    DIST.mkdir(exist_ok=True)
    shutil.copyfile(country / "geo-whois-asn-country.mmdb", DIST / COUNTRY)
    wanted = frozenset(
        carrier.asn for carrier in build_carriers.carriers(build_carriers.LIST.read_text(encoding="ascii"))
    )
    content = database(
        build_carriers.ranges(asn, wanted),
        kind="statnive-carriers-ASN",
        description="Networks of mobile carriers, from asn of ip-location-db (CC-BY-4.0)",
        epoch_s=int(date_of(asn).timestamp()),
    )
    (DIST / CARRIERS).write_bytes(content)
    (DIST / "NOTICE.txt").write_text(notice(country, asn), encoding="utf-8")
    # Last: its being there says that all is.
    (DIST / "sources.json").write_text(json.dumps(sources(country, asn), indent=2) + "\n")


if __name__ == "__main__":
    main()
