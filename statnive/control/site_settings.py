"""A site's own settings: its name, time zone, currency and further hostnames.

Owns: the columns of `sites` beside the id, and the rows of `aliases` that are no domain.
Inputs: a site as it is, and what is to change. Outputs: the site as it is then.
Invariants: I1 a site keeps its id whatever changes, and with it its history; I2 its domain is always among its hosts.
Failure: Rejected naming the field. Shutdown: nothing to do.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Final

import attrs

from statnive.control import exclusions
from statnive.control.hosts import canonical_host
from statnive.control.snapshot import Exclusions, Site
from statnive.control.timezones import canonical_timezone
from statnive.errors import Rejected

COLUMNS: Final = ("ALTER TABLE sites ADD COLUMN currency TEXT NOT NULL DEFAULT ''",)


@attrs.frozen
class SiteChange:
    """What is to change; None = stays as it is."""

    domain: str | None = None  # one of its hosts: the old domain stays an alias
    timezone: str | None = None
    currency: str | None = None  # "" = none
    exclusions: Exclusions | None = None


def change(connection: sqlite3.Connection, site: Site, wanted: SiteChange) -> Site:
    """Write the change down. Raises Rejected naming what is wrong."""
    domain = site.domain if wanted.domain is None else _own_host(site, wanted.domain)
    timezone = site.timezone if wanted.timezone is None else canonical_timezone("timezone", wanted.timezone)
    currency = site.currency if wanted.currency is None else _currency(wanted.currency)
    connection.execute(
        "UPDATE sites SET domain = ?, timezone = ?, currency = ? WHERE id = ?",
        (domain, timezone, currency, site.id),
    )
    kept = site.exclusions
    if wanted.exclusions is not None:
        exclusions.replace(connection, site.id, wanted.exclusions)
        kept = wanted.exclusions if wanted.exclusions.any else None
    return attrs.evolve(site, domain=domain, timezone=timezone, currency=currency, exclusions=kept)


def remove_alias(connection: sqlite3.Connection, site: Site, text: str) -> Site:
    """Events from the host are no longer the site's. Raises Rejected."""
    host = canonical_host("host", text)
    if host == site.domain:
        raise Rejected("host", f"{host} is the site's name; give the site another one first")  # keeps I2
    if host not in site.hosts:
        raise Rejected("host", f"{host} is no alias of {site.domain}")
    connection.execute("DELETE FROM aliases WHERE host = ?", (host,))
    return attrs.evolve(site, hosts=site.hosts - {host})


def _own_host(site: Site, text: str) -> str:
    host = canonical_host("domain", text)
    if host not in site.hosts:
        raise Rejected("domain", f"{host} is no alias of {site.domain}; add it as one first")
    return host


def _currency(text: str) -> str:
    code = text.strip().upper()
    if code and not re.fullmatch(r"[A-Z]{3}", code):
        raise Rejected("currency", "must be the three letters of ISO 4217, such as EUR, or nothing")
    return code
