"""The sites and their goals in memory: what ingest and the queries look up, without SQLite and without a lock.

Owns: nothing on disk. Inputs: sites from the control store. Outputs: look-ups by host and by id.
Invariants: I1 a Snapshot never changes; I2 a host belongs to one site at most; I3 a reader that takes
`holder.current` once sees one consistent state, whatever happens meanwhile.
Failure: none of its own. Shutdown: nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import attrs

from statnive.erasures import Removed


class GoalKind(StrEnum):
    """What reaches a goal."""

    EVENT = "event"  # a custom event
    PAGE = "page"  # a page view
    SCROLL = "scroll"  # how deep a page was scrolled


@attrs.frozen
class Goal:
    """One goal of a site. Never changed, so that what was counted under its id keeps its meaning: it is removed, and
    another one added.
    """

    id: int  # UInt32, of all sites
    kind: GoalKind
    target: str  # the event's name, or the page's path with wildcards
    scroll_depth: int = 0  # SCROLL: 1 to 100 per cent
    value: int = 0  # thousandths of `currency`: what it is worth when the event has no revenue of its own
    currency: str = ""  # ISO 4217; "" = no value

    @property
    def name(self) -> str:
        """As people see it."""
        if self.kind is GoalKind.EVENT:
            return self.target
        if self.kind is GoalKind.PAGE:
            return f"Visit {self.target}"
        page = "any page" if self.target == "**" else self.target
        return f"Scroll {self.scroll_depth}% of {page}"


@attrs.frozen
class Segment:
    """A saved filter of a site, as the JSON that the query layer reads."""

    id: int
    name: str
    filters: str


@attrs.frozen
class Note:
    """What happened on a local day (YYYY-MM-DD) of a site."""

    id: int
    day: str
    text: str


@attrs.frozen
class Funnel:
    """A saved funnel of a site: its steps as the JSON that the query layer reads."""

    id: int
    name: str
    steps: str
    window_s: int


@attrs.frozen
class Exclusions:
    """Whose events of a site, and which, are left out. Every entry is in its canonical spelling."""

    networks: tuple[str, ...] = ()  # "192.0.2.0/24"; IPv6 to the /64 at most
    pages: tuple[str, ...] = ()  # paths with the wildcards of goals
    countries: tuple[str, ...] = ()  # ISO 3166-1 alpha-2
    hostnames: tuple[str, ...] = ()  # a host, or "*." and a host for all below it

    @property
    def any(self) -> bool:
        """Whether there is anything to leave out."""
        return bool(self.networks or self.pages or self.countries or self.hostnames)


@attrs.frozen
class Retention:
    """How long days are kept: "90d" (days before today), "13m" (whole months before this one), "" (for ever)."""

    events: str = ""
    counts: str = ""  # what the rollups hold of them: as long, or longer
    changed_at: int = 0  # seconds of the epoch


@attrs.frozen
class Site:
    """One site: `hosts` are every hostname that counts for it, its domain included."""

    id: int
    domain: str
    timezone: str
    hosts: frozenset[str]
    goals: tuple[Goal, ...] = ()
    segments: tuple[Segment, ...] = ()
    notes: tuple[Note, ...] = ()
    funnels: tuple[Funnel, ...] = ()
    currency: str = ""  # ISO 4217: what new goals are worth; "" = not said
    exclusions: Exclusions | None = None  # None = nothing is left out
    retention: Retention | None = None  # None = everything is kept for ever
    removed: Removed | None = None  # what is not there any more; None = nothing was erased

    @property
    def aliases(self) -> list[str]:
        """The hosts beside the domain, in order."""
        return sorted(self.hosts - {self.domain})


@attrs.frozen
class Snapshot:
    """Every site at one moment. Immutable (I1)."""

    by_host: Mapping[str, Site]
    by_id: Mapping[int, Site]

    @classmethod
    def of(cls, sites: Iterable[Site]) -> Snapshot:
        """The snapshot of `sites`; a host that two of them claim is a programmer's error (I2)."""
        by_id: dict[int, Site] = {}
        by_host: dict[str, Site] = {}
        for site in sites:
            assert site.id not in by_id, f"site id {site.id} twice"
            by_id[site.id] = site
            for host in site.hosts:
                assert host not in by_host, f"host {host} in two sites"
                by_host[host] = site
        return cls(MappingProxyType(by_host), MappingProxyType(by_id))

    def lookup(self, host: str) -> Site | None:
        """The site that `host` counts for: the exact host, else the host without its "www.".

        Browsers send the stored spelling; capitals or a trailing dot are forgiven on the second try.
        """
        found = self.by_host.get(host)
        if found is not None:
            return found
        spelled = host.lower().removesuffix(".")
        found = self.by_host.get(spelled)
        if found is None and spelled.startswith("www."):
            found = self.by_host.get(spelled[4:])
        return found

    def without(self, removed: Callable[[int], Removed]) -> Snapshot:
        """The same sites, each with what was erased of it."""
        return Snapshot.of(
            attrs.evolve(site, removed=gone) if (gone := removed(site.id)).any else site
            for site in self.by_id.values()
        )


EMPTY = Snapshot.of(())


class SnapshotHolder:
    """The one place that says which Snapshot is current. Assigning `current` swaps it atomically (I3)."""

    __slots__ = ("current",)

    def __init__(self, current: Snapshot = EMPTY) -> None:
        self.current = current
