"""A network to break: a TCP proxy with faults that are switched while it runs.

In a trio program:
    async with open_proxy(to=("127.0.0.1", 8123), seed=7) as proxy:
        proxy.set(Faults.both(latency_ms=150, jitter_ms=75, loss=0.02))
        proxy.set(Faults.cut())                   # gone without a reset; connecting is not answered either
        proxy.set(Faults())                       # back: what was held goes on its way
        proxy.reset(share=0.2, during="answer")   # of the connections there are, in the middle of their next
        answer proxy.vanish("server")                    # half-open: the clients wait for ever As a process,
        for scenarios: ProxyProcess; `python -m chaos.proxy --help`.

What a proxy can't do: lose a packet (a loss is the stall that TCP makes of it), delay the handshake, or
refuse on the server's behalf (what the server refuses is a reset right after the connection)."""

from chaos.proxy.faults import Faults, Path
from chaos.proxy.process import ProxyProcess
from chaos.proxy.proxy import Counters, Proxy, open_proxy

__all__ = ["Counters", "Faults", "Path", "Proxy", "ProxyProcess", "open_proxy"]
