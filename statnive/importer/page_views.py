"""Which requests of an access log are page views.

The measure is the tracker: what counts is what would have run it, a page that a browser opened and showed.

- Method GET. A HEAD shows nothing; a POST that answers with a page is nearly always followed by a GET of one.
- Status 200, or 304: the visitor opened the page again and the browser's copy was still good. A redirect is
  followed by the request for the page itself, 206 is a piece of a download, an error is no page of the site.
- Not a file that a page loads (styles, scripts, images, fonts, media), nor one that is saved rather than
  shown (archives, documents, packages, source text). Judged by the extension of the path's last part,
  whatever its case; an extension that is not listed is a page, so .html, .php, .aspx, .py and
  "/release-1.2" are.
- Not a feed: readers poll it all day and show it in their own window. That is .rss, .atom, .rdf and .xml (a
  sitemap otherwise), a last part "feed" or "rss", "/feed/atom/", or a query that asks for one ("?feed=rss2").
- Not a machine's file: robots.txt and its like, /.well-known/, JSON, WordPress's calls to itself.

Bots are not judged here: the pipeline knows them by their user agent and counts them apart.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class SkipReason(StrEnum):
    """Why a line of a log is no page view."""

    EMPTY = "empty"
    GARBAGE = "garbage"
    TOO_LONG = "too_long"
    REQUEST = "request"
    METHOD = "method"
    STATUS = "status"
    TARGET = "target"
    STATIC_FILE = "static_file"
    DOWNLOAD = "download"
    FEED = "feed"
    MACHINE = "machine"
    AGENT = "agent"


# In words, in the order in which a summary shows them.
SKIP_WORDS: Final[dict[SkipReason, str]] = {
    SkipReason.STATIC_FILE: "static files (styles, scripts, images, fonts, media)",
    SkipReason.DOWNLOAD: "downloads (archives, documents, source text)",
    SkipReason.FEED: "feeds, sitemaps and other XML",
    SkipReason.MACHINE: "machines' files (robots.txt, .well-known, JSON)",
    SkipReason.STATUS: "answers other than 200 and 304 (redirects, errors, pieces)",
    SkipReason.METHOD: "methods other than GET",
    SkipReason.TARGET: "requests for another server (proxy attempts)",
    SkipReason.REQUEST: "no HTTP request (timeouts, TLS on a plain port)",
    SkipReason.AGENT: "no user agent",
    SkipReason.EMPTY: "empty lines",
    SkipReason.TOO_LONG: "lines longer than 16 KiB",
    SkipReason.GARBAGE: "broken lines (not the combined format)",
}

_STATUSES = frozenset({b"200", b"304"})

_STATIC_FILE = """
    css less scss map js mjs cjs wasm ts jsx tsx png jpg jpeg jpe jfif gif bmp ico cur svg svgz webp avif apng
    heic tif tiff woff woff2 ttf otf eot swf class htc xsl xslt mp3 m4a ogg oga opus wav flac aac mp4 m4v webm
    ogv avi mov mpg mpeg mkv wmv flv m3u8 mpd vtt srt
"""
_DOWNLOAD = """
    zip gz tgz tar bz2 tbz xz txz zst 7z rar jar war ear deb rpm apk ipa exe msi dmg pkg iso img bin gem whl
    egg crx xpi so dll pdf ps eps doc docx xls xlsx ppt pptx odt ods odp rtf tex csv tsv epub mobi azw3
    torrent ics vcf gpg asc sig md5 sha1 sha256 sha512 txt text log conf cfg ini yaml yml toml sql patch
    diff spec c h cc cpp hpp java go rs pyc sh bat ps1 lua vim pcap sqlite db bak swp
"""
_FEED = "rss atom rdf xml"
_MACHINE = "json jsonp jsonld geojson webmanifest appcache"

_BY_EXTENSION: Final[dict[bytes, SkipReason]] = {
    extension.encode(): reason
    for reason, extensions in (
        (SkipReason.STATIC_FILE, _STATIC_FILE),
        (SkipReason.DOWNLOAD, _DOWNLOAD),
        (SkipReason.FEED, _FEED),
        (SkipReason.MACHINE, _MACHINE),
    )
    for extension in extensions.split()
}
_BY_NAME: Final = dict.fromkeys(
    b"robots.txt ads.txt app-ads.txt humans.txt security.txt llms.txt browserconfig.xml crossdomain.xml "
    b"xmlrpc.php admin-ajax.php wp-cron.php".split(),
    SkipReason.MACHINE,
)
_FEED_ENDS = tuple(
    end + slash for end in b"/feed /rss /rss2 /feed/atom /feed/rdf".split() for slash in (b"", b"/")
)
_PATH_END = re.compile(rb"[;#]")  # ";jsessionid=…", and the fragments that odd clients send along
_FEED_QUERY = re.compile(
    rb"(?:^|[&;])(?:feed|flav|flavou?r|format|type|output|alt)=(?:(?:rss|atom)[0-9.]*|rdf)(?=[&;#]|$)", re.I
)


def no_page_view(method: bytes, status: bytes, target: bytes) -> SkipReason | None:
    """Why the request is no page view, or None when it is one. `target` in origin form: "/path?query"."""
    if method != b"GET":
        return SkipReason.METHOD
    if status not in _STATUSES:
        return SkipReason.STATUS
    path, _, query = target.partition(b"?")
    path = _PATH_END.split(path, 1)[0].lower()
    name = path.rpartition(b"/")[2]
    if b"." in name:
        reason = _BY_NAME.get(name) or _BY_EXTENSION.get(name.rpartition(b".")[2])
        if reason is not None:
            return reason
    if path.startswith((b"/.well-known/", b"/wp-json/")):
        return SkipReason.MACHINE
    if path.endswith(_FEED_ENDS) or (query and _FEED_QUERY.search(query)):
        return SkipReason.FEED
    return None
