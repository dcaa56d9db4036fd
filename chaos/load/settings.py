"""What a load is made of: one frozen value that goes to every process and into every ledger, as JSON."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Final

import attrs
import cattrs

from statnive.errors import Rejected

CONNECTIONS_MAX: Final = 16_384  # of one process
PROCESSES_MAX: Final = 16
PIPELINE_MAX: Final = 64
EVENTS_PER_REQUEST_MAX: Final = 10
STAGE_SECONDS_MAX: Final = 86_400.0
STAGE_REQUESTS_MAX: Final = 20_000_000  # of one process: 28 bytes of ledger each, kept in memory
SEQ_DIGITS: Final = 10
SEQ_MAX: Final = 10**SEQ_DIGITS - 1
RUN_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class AddressKind(StrEnum):
    """Where the client addresses in X-Forwarded-For come from."""

    BENCHMARK = "benchmark"  # RFC 2544 and RFC 3849: in no geo database
    GEO = "geo"  # networks that MaxMind's test databases know
    CARRIERS = "carriers"  # those of them that belong to mobile carriers
    NONE = "none"  # no header: every client is the generator's own address


class Headers(StrEnum):
    """How much of a browser's request head is sent."""

    BROWSER = "browser"  # what a browser sends with a beacon, 14 to 17 lines
    FEW = "few"  # the 5 lines that matter


class Arrivals(StrEnum):
    """How due times lie on the clock."""

    EVEN = "even"
    POISSON = "poisson"


def _between(low: float, high: float) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
        if not low <= value <= high:
            raise Rejected(attribute.name, f"is {value}, must be {low} to {high}")

    return check


@attrs.frozen
class Variety:
    """What differs from request to request. Two processes with the same Variety draw from the same world."""

    addresses: int = attrs.field(default=200_000, validator=_between(1, 2_000_000))
    address_kind: AddressKind = AddressKind.BENCHMARK
    user_agents: int = attrs.field(default=2_000, validator=_between(1, 2_000))
    urls: int = attrs.field(default=10_000, validator=_between(1, 100_000))
    sites: int = attrs.field(default=50, validator=_between(1, 1_000))
    zipf_exponent: float = attrs.field(default=1.0, validator=_between(0.0, 3.0))
    headers: Headers = Headers.BROWSER
    seed: int = attrs.field(default=1, validator=_between(0, 2**31))

    def __attrs_post_init__(self) -> None:
        if self.urls % self.sites:
            raise Rejected("urls", f"is {self.urls}, must be a multiple of the {self.sites} sites")


@attrs.frozen
class Settings:
    """A load against one target: the URL that takes events, on this machine."""

    target: str
    run: str = attrs.field()
    connections: int = attrs.field(default=1_024, validator=_between(1, CONNECTIONS_MAX * PROCESSES_MAX))
    processes: int = attrs.field(default=1, validator=_between(1, PROCESSES_MAX))
    events_per_request: int = attrs.field(default=1, validator=_between(1, EVENTS_PER_REQUEST_MAX))
    new_connections: bool = False
    pipeline: int = attrs.field(default=1, validator=_between(1, PIPELINE_MAX))
    tagged: bool = True  # every event carries run id and sequence number in its properties
    arrivals: Arrivals = Arrivals.EVEN
    timeout_s: float = attrs.field(default=10.0, validator=_between(0.01, 600))
    backlog_grace_s: float = attrs.field(default=1.0, validator=_between(0, 60))
    host: str = ""  # of the Host header; "" = the target's
    cpus: tuple[int, ...] = ()  # cores that the processes are bound to, in turn; () = wherever
    variety: Variety = attrs.field(factory=Variety)

    @run.validator
    def _run_id(self, _: object, value: str) -> None:
        if not RUN_ID.fullmatch(value):
            raise Rejected("run", "must be 1 to 40 characters of a-z, 0-9 and -")

    def __attrs_post_init__(self) -> None:
        if self.connections < self.processes:
            raise Rejected("connections", f"is {self.connections}, must be one for each process at least")
        if self.new_connections and self.pipeline != 1:
            raise Rejected("pipeline", "must be 1 where every request has a connection of its own")


@attrs.frozen
class Stage:
    """A stretch of time with one rate, in requests a second over all processes."""

    rate: float = attrs.field(validator=_between(0.001, 10_000_000))
    seconds: float = attrs.field(validator=_between(0.001, STAGE_SECONDS_MAX))

    @property
    def requests(self) -> int:
        return max(1, round(self.rate * self.seconds))


_CONVERTER: Final = cattrs.Converter(forbid_extra_keys=True)


def to_json(settings: Settings) -> dict[str, Any]:
    """Plain values for json.dumps; `from_json` gives an equal Settings back."""
    plain: dict[str, Any] = _CONVERTER.unstructure(settings)
    return plain


def from_json(plain: dict[str, Any]) -> Settings:
    """Raises Rejected or cattrs' errors for what is no Settings."""
    return _CONVERTER.structure(plain, Settings)
