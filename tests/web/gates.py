"""A gate for tests of what lies behind it: everything is open, as on the control socket."""

from __future__ import annotations

from typing import Any, cast

from statnive.control.snapshot import SnapshotHolder
from statnive.ingest.client_address import ClientAddress
from statnive.web.gate import Gate


def open_gate(sites: SnapshotHolder) -> Gate:
    """No accounts, no tokens: whoever asks is the operator."""
    nothing = cast(Any, None)
    return Gate(
        "socket", sites=sites, accounts=nothing, tokens=nothing, addresses=ClientAddress(()), auditor=nothing
    )
