"""Every attack, in the order in which they are made: what could end the node last."""

from __future__ import annotations

from typing import Final

from chaos.security import (
    accounts,
    databases,
    hostnames,
    http2,
    injection,
    oversize,
    pages,
    parsers,
    paths,
    slow,
    smuggling,
    supply,
)
from chaos.security.attack import Attack

ATTACKS: Final[tuple[Attack, ...]] = (
    *injection.ATTACKS,
    *pages.ATTACKS,
    *accounts.ATTACKS,
    *hostnames.ATTACKS,
    *paths.ATTACKS,
    *smuggling.ATTACKS,
    *oversize.ATTACKS,
    *http2.ATTACKS,
    *slow.ATTACKS,
    *databases.ATTACKS,
    *parsers.ATTACKS,
    *supply.ATTACKS,
)
