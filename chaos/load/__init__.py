"""An open-loop load generator: requests leave when they are due, and latency counts from then.

    from chaos.load import Settings, Stage, run
    settings = Settings(target="http://127.0.0.1:8080/api/event", run="r1")
    result = run(settings, [Stage(rate=2_000, seconds=60)])

`python -m chaos.load --help` is the command. The sites that the server must know: `site_domain(0)` to
`site_domain(49)`.
"""

from chaos.load.driver import Load, Ramp, Result, ramp, run
from chaos.load.ledger import Flag, Ledger, read_ledgers
from chaos.load.settings import AddressKind, Arrivals, Headers, Settings, Stage, Variety
from chaos.load.summary import Summary, summarize, timeline
from chaos.load.variety import site_domain

__all__ = [
    "AddressKind",
    "Arrivals",
    "Flag",
    "Headers",
    "Ledger",
    "Load",
    "Ramp",
    "Result",
    "Settings",
    "Stage",
    "Summary",
    "Variety",
    "ramp",
    "read_ledgers",
    "run",
    "site_domain",
    "summarize",
    "timeline",
]
