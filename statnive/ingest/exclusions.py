"""Exclusions: which events of a site its owner wants left out, decided once, at ingest.

Owns: each site's exclusions in a form made for matching, and a bounded cache of paths.
Inputs: the exclusions of the site's snapshot; who sent an event, from where, of which page.
Outputs: what excludes the event: "address", "country", "hostname", "page"; "" = nothing does.
Invariants: I1 edited exclusions hold from the first event after the swap of the snapshot; I2 a path is matched in time
linear in its length, whatever the patterns.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from statnive.control.snapshot import Exclusions, Site
from statnive.ingest.goals import Patterns


class SiteExclusions:
    """One site's exclusions, compiled."""

    def __init__(self, wanted: Exclusions) -> None:
        self.networks = [_bounds(text) for text in wanted.networks]
        self.countries = frozenset(wanted.countries)
        self.hosts = frozenset(host for host in wanted.hostnames if not host.startswith("*."))
        self.domains = tuple(host[1:] for host in wanted.hostnames if host.startswith("*."))
        self.patterns = Patterns((pattern, 1) for pattern in wanted.pages) if wanted.pages else None

    def holds_path(self, path: str) -> bool:
        """Whether a pattern of pages is this whole path."""
        return self.patterns is not None and bool(self.patterns.match(path))


class ExclusionMatcher:
    """`excluded(...)` for every site that has exclusions; compiled when its first event comes."""

    def __init__(self, cache_entries: int) -> None:
        self._compiled: dict[int, tuple[Exclusions, SiteExclusions]] = {}
        self._holds_path = lru_cache(cache_entries)(SiteExclusions.holds_path)

    def excluded(self, site: Site, network: bytes, country: str, host: str, path: str) -> str:
        """What excludes the event, or "". `network`: 4 bytes of IPv4, or the first 8 of IPv6."""
        wanted = site.exclusions
        assert wanted is not None, "asked only for a site that has exclusions"
        known = self._compiled.get(site.id)
        if known is None or known[0] is not wanted:
            known = self._compiled[site.id] = (wanted, SiteExclusions(wanted))  # keeps I1
        compiled = known[1]
        if any(first <= network <= last and len(network) == len(first) for first, last in compiled.networks):
            return "address"
        if country in compiled.countries:
            return "country"
        if host in compiled.hosts or (compiled.domains and host.endswith(compiled.domains)):
            return "hostname"
        if compiled.patterns is not None and self._holds_path(compiled, path):
            return "page"
        return ""


def _bounds(text: str) -> tuple[bytes, bytes]:
    """First and last `network` of a range: whole IPv4 addresses, or /64s of IPv6."""
    network = ipaddress.ip_network(text)
    size = 4 if network.version == 4 else 8
    return network.network_address.packed[:size], network.broadcast_address.packed[:size]
