"""A scenario's hold on a proxy process. Blocking; what restores may be repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Self

from chaos.proxy.faults import Faults
from chaos.service.control import Control
from chaos.service.ports import unused_port
from chaos.service.process import READY_S, Child
from chaos.service.values import read_value, write_value


class ProxyProcess:
    """`python -m chaos.proxy` in front of `to`, its pid and log in `run_dir`. `port` 0 takes a free one at
    the first start and keeps it. `wrapper` and `env`: see Child. What raises, raises ChildError or
    ControlError."""

    def __init__(
        self,
        run_dir: FilePath,
        to: tuple[str, int],
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        control_host: str = "127.0.0.1",
        seed: int = 0,
        wrapper: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        name: str = "proxy",
    ) -> None:
        self.to, self.host, self.port, self.seed = to, host, port, seed
        self.child = Child(name, "chaos.proxy", run_dir, wrapper=wrapper, env=env)
        self._control_host = control_host

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, faults: Faults | None = None, *, ready_s: float = READY_S) -> None:
        """Start it, or start it again on the same port."""
        self.port = self.port or unused_port(self.host)
        arguments = [
            *("--listen", f"{self.host}:{self.port}", "--to", f"{self.to[0]}:{self.to[1]}"),
            *("--control", f"{self._control_host}:0", "--seed", str(self.seed)),
            *("--faults", json.dumps(write_value(faults or Faults()))),
        ]
        self.port = int(self.child.start(arguments, ready_s=ready_s)["port"])

    def close(self) -> None:
        """Kill it."""
        self.child.kill()

    def restore(self) -> None:
        """As if nothing had happened: running, moving, without faults."""
        if not self.child.running:
            self.start()
            return
        self.child.resume()
        self.set(Faults())

    def set(self, faults: Faults) -> None:
        """See Proxy.set."""
        self._call("PUT", "/faults", write_value(faults))

    def faults(self) -> Faults:
        return read_value(self._call("GET", "/faults"), Faults)

    def reset(self, share: float = 1.0, during: str = "now") -> int:
        """See Proxy.reset."""
        return int(self._call("POST", "/reset", {"share": share, "during": during}))

    def vanish(self, side: str, share: float = 1.0) -> int:
        """See Proxy.vanish."""
        return int(self._call("POST", "/vanish", {"share": share, "side": side}))

    def counters(self) -> dict[str, Any]:
        """See Counters. They begin anew with each start."""
        answer: dict[str, Any] = self._call("GET", "/counters")
        return answer

    def _call(self, method: str, path: str, value: Any = None) -> Any:
        return Control(int(self.child.ready["control_port"]), self._control_host).call(method, path, value)
