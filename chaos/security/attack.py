"""An attack: a function that tries something many times and says what happened, or that the product gave way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import attrs

if TYPE_CHECKING:
    from chaos.security.stage import Stage


class GaveWay(Exception):  # noqa: N818 - named by what the product did
    """The product let something happen that must not."""


class NotTried(Exception):  # noqa: N818 - named by what happened
    """What the attack needs is not there (a registry that does not answer): said, and no failure."""


class Told(NamedTuple):
    """How often it was tried and what happened."""

    times: int
    happened: str


@attrs.frozen
class Attack:
    """`name`: kind/attack. `tried`: what is done, in words. `quick`: also in `make test`. `offline`: not on the node."""

    name: str
    tried: str
    run: Callable[[Stage], Told]
    quick: bool = True
    offline: bool = False


def expect(held: bool, happened: str) -> None:
    """Raises GaveWay unless it held."""
    if not held:
        raise GaveWay(happened)
