"""The table of known sources (sites, apps, tag values) and of referrer spam: look-ups by host, O(labels).

Three files, the later one wins: sources.tsv (Matomo's lists), sources_more.tsv (ours, which explains the
keys) and the operator's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from statnive.errors import BrokenInput
from statnive.ingest.channel import KINDS
from statnive.ingest.tables import HERE, read_rows

NAME_CHARS_MAX: Final = 100
LABELS_MAX: Final = 10

# What may stand before a search engine's host: fixed words, a country or language code, a numbered "www".
_NEUTRAL = re.compile(
    r"www\d{0,2}|m|mobile|amp|wap|touch|web|lite|html|start|safe|safesearch|search|suche|recherche|buscar|ricerca"
    r"|images?|img|videos?|global|int|intl|encrypted|ipv[46]|r|[a-z]{2}"
)
_SECOND_LEVEL: Final = frozenset({"co", "com", "net", "org", "ne", "or"})
_AD_WORDS = re.compile(r"(.+?)[ _.+-]*(?:ads?|adwords|paid|cpc|ppc|organic)")
_SQUEEZED = str.maketrans("", "", " _-")
_KEY = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.(?:[a-z0-9_-]+|\*$))+|[a-z0-9_-]+")


class Site(NamedTuple):
    """A known source; "" = unknown, or (kind) of no kind that the channel rules know."""

    name: str
    kind: str


NO_SITE: Final = Site("", "")
WEBMAIL: Final = Site("", "email")  # any provider's or company's


class SourceTable:
    """Raises BrokenInput, with file and line, for a table that breaks its format."""

    def __init__(self, extra: Path | None = None) -> None:
        self._hosts: dict[str, Site] = {}
        self._below: dict[str, Site] = {}
        self._countries: dict[str, Site] = {}
        self._paths: dict[str, list[tuple[str, Site]]] = {}
        self._apps: dict[str, Site] = {}
        self._tags: dict[str, Site] = {}
        for path in (HERE / "sources.tsv", HERE / "sources_more.tsv", extra):
            if path is not None:
                self._read(path)
        self._spam = frozenset(fields[0] for _, fields in read_rows(HERE / "spammers.txt", 1))

    def __len__(self) -> int:
        paths = sum(map(len, self._paths.values()))
        return paths + sum(map(len, (self._hosts, self._below, self._countries, self._apps, self._tags)))

    def site(self, host: str, path: str) -> Site:
        """What is known of a host (ASCII, lower case) and a path on it; the most specific key wins."""
        if not host:
            return NO_SITE
        labels = host.split(".")[-LABELS_MAX:]
        suffix = _country_suffix(labels)
        found = NO_SITE
        for start in range(len(labels)):
            part = ".".join(labels[start:])
            anywhere = f"{part.removesuffix(suffix)}.*" if suffix and start < len(labels) - 1 else ""
            for key in (part, anywhere):
                if key in self._paths:
                    for prefix, site in self._paths[key]:
                        if path.startswith(prefix):
                            return site
            if found is NO_SITE:
                found = self._plain(labels[:start], part, anywhere)
        if found is NO_SITE:  # some apps' in-app browsers send their package as the host
            return self._apps.get(host, WEBMAIL if labels[0].startswith("webmail") else NO_SITE)
        return found

    def _plain(self, before: list[str], part: str, anywhere: str) -> Site:
        if before and part in self._below:
            return self._below[part]
        site = self._hosts.get(part) or self._countries.get(anywhere)
        if site is None or (site.kind == "search" and not all(_NEUTRAL.fullmatch(label) for label in before)):
            return NO_SITE
        return site

    def app(self, package: str) -> Site:
        """What is known of a mobile app's package name."""
        return self._apps.get(package, NO_SITE)

    def tag(self, text: str) -> Site:
        """What a value of utm_source, source or ref names: "fb", "Google", "linkedin_ads", "hacker news"."""
        key = text.lower()
        ads = _AD_WORDS.fullmatch(key)
        for candidate in (key, key.translate(_SQUEEZED), ads.group(1) if ads else ""):
            site = self._tags.get(candidate)
            if site is not None:
                return site
        return NO_SITE

    def is_spam(self, host: str) -> bool:
        """Whether the host, or one it is below, is on the spam list."""
        for _ in range(LABELS_MAX):
            if not host:
                return False
            if host in self._spam:
                return True
            host = host.partition(".")[2]
        return False

    def _read(self, file: Path) -> None:
        paths: dict[str, dict[str, Site]] = {}
        for line, (key, name, kind) in read_rows(file, 3):
            if kind not in KINDS:
                raise BrokenInput(
                    f"{file}: line {line}: kind {kind!r} must be one of {', '.join(sorted(KINDS))}"
                )
            if len(name) > NAME_CHARS_MAX or not name.isprintable():
                raise BrokenInput(
                    f"{file}: line {line}: the name must be at most {NAME_CHARS_MAX} characters"
                )
            site = Site(name, kind)
            scope, colon, rest = key.partition(":")
            if colon and scope in ("app", "tag"):
                (self._apps if scope == "app" else self._tags)[rest.lower()] = site
                continue
            host, slash, path = key.partition("/")
            host = _ascii(host.lower())
            if not _KEY.fullmatch(host):
                raise BrokenInput(f"{file}: line {line}: {key!r} is not a host, app: or tag:")
            if slash:
                paths.setdefault(host.removeprefix("*."), {})[f"/{path}"] = site
            elif host.startswith("*."):
                self._below[host[2:]] = site
            elif host.endswith(".*"):
                self._countries[host] = site
            else:
                self._hosts[host] = site
        for host, sites in paths.items():
            merged = dict(self._paths.get(host, ())) | sites
            self._paths[host] = sorted(merged.items(), key=lambda item: -len(item[0]))


def _country_suffix(labels: list[str]) -> str:
    """ ".de", ".co.uk", ".com": where a brand may be registered in each country; "" for other domains."""
    last = labels[-1]
    if last in ("com", "cat"):
        return f".{last}"
    if len(last) != 2 and not last.startswith("xn--"):
        return ""
    second = len(labels) > 2 and labels[-2] in _SECOND_LEVEL
    return f".{labels[-2]}.{last}" if second else f".{last}"


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host
