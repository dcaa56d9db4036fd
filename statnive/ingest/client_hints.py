"""Client hints of a request's head: what browsers tell beside the User-Agent header that they have frozen.

Chromium sends three of them with every request, and nearly always they say what that header says. So both lanes keep
them only where they can tell more: a brand that hides behind Chrome's header (Brave, Vivaldi), a browser without a
window, or one of the detailed hints, which a browser sends only when asked (Accept-CH).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from statnive.ingest.user_agent import ClientHints

BRANDS_HEADER: Final = b"sec-ch-ua"
DETAILED_HEADERS: Final = (b"sec-ch-ua-platform-version", b"sec-ch-ua-model")
HEADERS: Final = (  # in the order of ClientHints
    BRANDS_HEADER,
    b"sec-ch-ua-mobile",
    b"sec-ch-ua-platform",
    *DETAILED_HEADERS,
)
# Matches where a list of brands, in lower case, holds one of those that User-Agent names as well.
PLAIN_BRANDS: Final = rb'[^\r]*"(?:google chrome|microsoft edge|android webview|samsung internet)"'
_plain = re.compile(PLAIN_BRANDS).match


def client_hints(sent: Mapping[bytes, bytes]) -> ClientHints | None:
    """The hints among headers (names in lower case); None where they can't tell more than User-Agent."""
    brands = sent.get(BRANDS_HEADER, b"")
    if not any(name in sent for name in DETAILED_HEADERS) and (not brands or _plain(brands.lower())):
        return None
    return ClientHints(*(sent.get(name, b"").decode("latin-1") for name in HEADERS))
