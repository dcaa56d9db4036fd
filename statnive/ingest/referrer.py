"""Where a visit came from: the referrer, campaign tags and click ids of the page's address, as a Source.

Owns: the source tables (ours and the operator's) and bounded caches in front of them.
Inputs: the referrer as the browser sent it (anything at all), the page's raw query, the site's own hosts.
Outputs: a Source, every field clean and bounded; None for referrer spam.
Invariants: I1 any text in, never an exception.
            I2 an external host is never Direct.
            I3 a click id is looked at, never kept: not in a Source, not in a cache.
Failure: BrokenInput for a table that can't be read, at construction only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from publicsuffixlist import PublicSuffixList

from statnive import event as limits
from statnive.ingest.cached import Cached
from statnive.ingest.channel import NO_CLICK, Campaign, Click, channel_of
from statnive.ingest.parse import clean
from statnive.ingest.source_table import NO_SITE, Site, SourceTable

CACHED_CHARS_MAX: Final = 512  # longer referrers and queries are read each time: they hardly repeat
QUERY_PAIRS_MAX: Final = 100
LABELS_MAX: Final = 10


class Source(NamedTuple):
    """Where a visit came from; the fields are consecutive columns of a row. "" = none."""

    referrer: str  # host and path, no query
    referrer_name: str  # "Google"; "" = direct
    channel: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_content: str
    utm_term: str


class Tags(NamedTuple):
    """What a page's query says about where its visitor came from."""

    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""
    source: str = ""  # utm_source, else source, else ref, as Plausible reads them
    click: Click = NO_CLICK


NO_TAGS: Final = Tags()

# Google's and Microsoft's ids stand for a click on an advertisement. Facebook's is on every link out of it,
# paid or not, so it proves the source only; the same for mail and shop ids.
CLICK_IDS: Final = {
    "gclid": Click("Google", "search", True),
    "gbraid": Click("Google", "search", True),
    "wbraid": Click("Google", "search", True),
    "gad_source": Click("Google", "search", True),
    "dclid": Click("Google", "search", True, "Display"),
    "msclkid": Click("Bing", "search", True),
    "yclid": Click("Yandex", "search", True),
    "ysclid": Click("Yandex", "search", False),
    "srsltid": Click("Google", "shopping", False),
    "fbclid": Click("Facebook", "social", False),
    "igshid": Click("Instagram", "social", False),
    "igsh": Click("Instagram", "social", False),
    "ttclid": Click("TikTok", "social", True),
    "twclid": Click("Twitter", "social", True),
    "li_fat_id": Click("LinkedIn", "social", True),
    "sccid": Click("Snapchat", "social", True),
    "rdt_cid": Click("Reddit", "social", True),
    "epik": Click("Pinterest", "social", True),
    "qclid": Click("Quora", "social", True),
    "vk_cid": Click("VKontakte", "social", True),
    "tblci": Click("Taboola", "", True),
    "dicbo": Click("Outbrain", "", True),
    "mc_cid": Click("Mailchimp", "email", False),
    "mc_eid": Click("Mailchimp", "email", False),
    "mkt_tok": Click("Marketo", "email", False),
    "_hsenc": Click("HubSpot", "email", False),
    "irclickid": Click("Impact", "", False, "Affiliates"),
    "cjevent": Click("CJ", "", False, "Affiliates"),
    "awc": Click("Awin", "", False, "Affiliates"),
}
_TEXT_KEYS: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "source", "ref")
# Keys as they come: also in capitals, or after "&amp;" in a link that was escaped once too often.
_KEYS: Final = {
    form: key
    for key in (*_TEXT_KEYS, *CLICK_IDS)
    for plain in (key, key.upper(), key.title(), key.title().replace("Utm", "UTM"))
    for form in (plain, f"amp;{plain}")
} | {"ScCid": "sccid", "amp;ScCid": "sccid"}
_ONLY_CLICKED: Final = {click: Tags(click=click) for click in CLICK_IDS.values()}

_PLAIN_URL = re.compile(
    r"https?://((?:[a-z0-9_-]{1,63}\.){1,9}[a-z0-9-]{1,63})(?::\d{1,5})?(/[^?#\\\s]*)?(?:[?#]|\Z)"
)
_AUTHORITY_END = re.compile(r"[/?#\\]")
_PATH_END = re.compile(r"[?#]")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_BARE_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?:[:/?#]|$)", re.IGNORECASE)
_APP = re.compile(r"[a-z0-9_.-]{1,150}")
_WEB_SCHEMES: Final = frozenset({"http", "https"})
_APP_SCHEMES: Final = frozenset({"android-app", "ios-app"})
_COPIES: Final = (".cdn.ampproject.org", ".translate.goog")


class Referrer(NamedTuple):
    """A referrer taken apart; no host and no app = none that tells anything."""

    host: str  # ASCII, lower case
    path: str  # as sent, without query
    app: str  # package of a mobile app


NO_REFERRER: Final = Referrer("", "", "")


class SourceClassifier(Cached):
    """`classify(referrer, page_query, own_hosts)`: the Source of an event, None for referrer spam.

    `extra_table`: the operator's own list, in the format of tables/sources_more.tsv (else BrokenInput).
    """

    def __init__(self, extra_table: Path | None = None, cache_entries: int = 20_000) -> None:
        self._table = SourceTable(extra_table)
        self._suffixes = PublicSuffixList()
        self._known = lru_cache(cache_entries)(self._resolve)
        self._texts = lru_cache(cache_entries)(_read_texts)
        self._caches = (self._known,)

    def classify(self, referrer: str, page_query: str, own_hosts: frozenset[str]) -> Source | None:
        tags = self._tags(page_query) if page_query else NO_TAGS
        if "?" in referrer:
            referrer = referrer[: referrer.index("?")]
        resolve = self._known if len(referrer) <= CACHED_CHARS_MAX else self._resolve
        return resolve(referrer, tags, own_hosts)

    def _tags(self, query: str) -> Tags:
        click, texts, chars = NO_CLICK, [], 0
        for pair in query.lstrip("?").split("&", QUERY_PAIRS_MAX):
            name, _, value = pair.partition("=")
            key = _KEYS.get(name)
            if key is None or not value:
                continue
            if key not in CLICK_IDS:
                texts.append((key, value))
                chars += len(value)
            elif not click.paid:
                clicked = CLICK_IDS[key]
                click = clicked if clicked.paid or click is NO_CLICK else click
        if not texts:
            return NO_TAGS if click is NO_CLICK else _ONLY_CLICKED[click]
        read = self._texts if chars <= CACHED_CHARS_MAX else _read_texts
        return read(tuple(texts), click)

    def _resolve(self, referrer: str, tags: Tags, own_hosts: frozenset[str]) -> Source | None:
        came_from = split_referrer(referrer)
        host = came_from.host
        if host and _is_own(host, own_hosts):
            came_from, host = NO_REFERRER, ""
        if self._table.is_spam(host) or ("." in tags.source and self._table.is_spam(_host_of(tags.source))):
            return None
        site = self._table.app(came_from.app) if came_from.app else self._table.site(host, came_from.path)
        tagged = self._tagged(tags.source)
        referred = bool(host or came_from.app)
        name = (
            tagged.name
            or (tags.click.name if tags.click.paid and not site.kind else "")
            or site.name
            or (self._name(host) if host else came_from.app)
            or tags.click.name
        )
        click = tags.click
        if not click.paid and referred:
            click = NO_CLICK  # an address with its id was copied and passed on
        campaign = Campaign(tags.source, tags.utm_medium, tags.utm_campaign)
        channel = channel_of(tagged.kind, site.kind, referred, campaign, click)
        return Source(_shown(came_from), name[: limits.UTM_CHARS_MAX], channel, *tags[:5])

    def _tagged(self, source: str) -> Site:
        """What a tag names: a known source, or just its own text."""
        if not source or source.lower() in ("(direct)", "direct", "(not set)", "(none)"):
            return NO_SITE
        known = self._table.tag(source)
        if known is NO_SITE and "." in source:
            host = _host_of(source)
            known = self._table.site(host, "") if host else NO_SITE
        return known if known is not NO_SITE else Site(source, "")

    def _name(self, host: str) -> str:
        """An unknown host's registrable domain, in its own letters; the host itself where there is none."""
        name = host if host[-1].isdigit() else self._suffixes.privatesuffix(host) or host
        if "xn--" not in name:
            return name
        try:
            return clean(name.encode("ascii").decode("idna"))[: limits.HOST_CHARS_MAX] or name
        except UnicodeError:
            return name


def _read_texts(pairs: tuple[tuple[str, str], ...], click: Click) -> Tags:
    """The tags of raw key-value pairs, decoded, clean and cut; the first value of a key counts."""
    found: dict[str, str] = {}
    for key, value in pairs:
        if key not in found:
            text = " ".join(clean(unquote_plus(value[: limits.URL_BYTES_MAX], errors="ignore")).split())
            if text:
                found[key] = text[: limits.UTM_CHARS_MAX].rstrip()
    get = found.get
    source = get("utm_source") or get("source") or get("ref") or ""
    return Tags(
        get("utm_source", ""),
        get("utm_medium", ""),
        get("utm_campaign", ""),
        get("utm_content", ""),
        get("utm_term", ""),
        source,
        click,
    )


def split_referrer(text: str) -> Referrer:
    """Host and path, or app, of a referrer; NO_REFERRER for what has neither (about:blank, data:, words)."""
    plain = _PLAIN_URL.match(text) if text.isprintable() and len(text) <= limits.REFERRER_BYTES_MAX else None
    if plain is not None and not plain[1].endswith(_COPIES):
        return Referrer(plain[1], plain[2] or "", "") if _HOST.fullmatch(plain[1]) else NO_REFERRER
    text = clean(text[: limits.REFERRER_BYTES_MAX]).strip()
    scheme, found, rest = text.partition("://")
    if not found:
        if text.startswith("//"):
            scheme, rest = "https", text[2:]
        elif _BARE_HOST.match(text) and not text.lower().startswith(
            ("about:", "data:", "file:", "javascript:")
        ):
            scheme, rest = "https", text
        else:
            return NO_REFERRER
    scheme = scheme.lower()
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    if scheme in _APP_SCHEMES:
        app = authority.lower()
        return Referrer("", "", app) if _APP.fullmatch(app) else NO_REFERRER
    if scheme not in _WEB_SCHEMES:
        return NO_REFERRER
    host = _clean_host(authority)
    if not host:
        return NO_REFERRER
    path = _PATH_END.split(rest[len(authority) :], maxsplit=1)[0].replace("\\", "/")
    return Referrer(host, path, "")


def _clean_host(authority: str) -> str:
    """The host of an authority: no user, no port, ASCII, lower case, out of a page cache; "" = not a host."""
    host = authority.rpartition("@")[2].lower()
    if host.startswith("["):  # IPv6
        literal = re.match(r"\[[0-9a-f:.]{2,45}\]", host)
        return literal[0] if literal else ""
    host = host.partition(":")[0].strip(". ")
    if len(host) > limits.HOST_CHARS_MAX:
        return ""
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    for copies in _COPIES:  # AMP's and Google Translate's copies: "example-com.cdn.ampproject.org"
        if host.endswith(copies):
            label = host.removesuffix(copies).rpartition(".")[2]
            host = label.replace("--", "\0").replace("-", ".").replace("\0", "-")
    return host if _HOST.fullmatch(host) else ""


def _host_of(text: str) -> str:
    return split_referrer(text).host


def _is_own(host: str, own_hosts: frozenset[str]) -> bool:
    """Whether the host, or one it is below, is the site's own; "www." makes no difference."""
    host = host.removeprefix("www.")
    for _ in range(LABELS_MAX):
        if host in own_hosts or f"www.{host}" in own_hosts:
            return True
        _, dot, host = host.partition(".")
        if not dot:
            return False
    return False


def _shown(referrer: Referrer) -> str:
    """The referrer as stored: host without "www.", path without last slash, at most REFERRER_BYTES_MAX."""
    if referrer.app:
        return referrer.app
    text = referrer.host.removeprefix("www.") + referrer.path.rstrip("/")
    if text.isascii():
        return text[: limits.REFERRER_BYTES_MAX]
    return text.encode()[: limits.REFERRER_BYTES_MAX].decode(errors="ignore")
