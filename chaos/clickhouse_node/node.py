"""A scenario's hold on a node process: start, break, restore. Blocking; what restores may be repeated."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from chaos.clickhouse_node.faults import Fault
from chaos.service.control import Control
from chaos.service.ports import unused_port
from chaos.service.process import END_S, READY_S, Child
from chaos.service.values import read_value, write_value

BALLAST_BYTES_MAX: Final = 2 * 1024**3


class ClickHouseNode:
    """A node whose engine is in `home`/engine. Its pid, its log and the ballast are in `home` too, the first
    two in `run_dir` where that is given (a full disk holds no log).

    `port` 0 takes a free one at the first start and keeps it. `wrapper` and `env`: see Child. Everything that
    raises raises ChildError or ControlError."""

    def __init__(
        self,
        home: Path,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        password: str = "",
        seed: int = 0,
        run_dir: Path | None = None,
        wrapper: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        name: str = "clickhouse_node",
    ) -> None:
        self.home, self.host, self.port = home, host, port
        self.child = Child(
            name,
            "chaos.clickhouse_node",
            run_dir or home,
            wrapper=wrapper,
            env={**(env or {}), "CHAOS_CLICKHOUSE_PASSWORD": password},
        )
        self._password, self._seed = password, seed
        self._ballast = home / "ballast"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill it and take the ballast away; the engine's directory stays."""
        self.kill()
        self.free()

    @property
    def url(self) -> str:
        """For `clickhouse.url`. Known after the first start."""
        assert self.port, "start it first"
        login = f"default:{quote(self._password, safe='')}@" if self._password else ""
        return f"http://{login}{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child.running

    def start(self, faults: Sequence[Fault] = (), *, ready_s: float = READY_S) -> None:
        """Start it, or start it again on the same port and data, without the faults and traps from before.

        Raises ChildError with the end of its log when it does not get ready.
        """
        self.port = self.port or unused_port(self.host)
        arguments = [
            *("--path", str(self.home / "engine")),
            *("--host", self.host, "--port", str(self.port)),
            *("--seed", str(self._seed), "--faults", json.dumps(write_value(list(faults)))),
        ]
        self.port = int(self.child.start(arguments, ready_s=ready_s)["port"])

    def kill(self) -> None:
        """SIGKILL; also when it has ended."""
        self.child.kill()

    def terminate(self, deadline_s: float = END_S) -> int:
        """SIGTERM: it answers what is under way and ends; returns its status, 0."""
        return self.child.terminate(deadline_s)

    def stop(self) -> None:
        """SIGSTOP: connections are taken by the kernel, and nothing is answered."""
        self.child.stop()

    def resume(self) -> None:
        """SIGCONT."""
        self.child.resume()

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """These and no others are on from now."""
        self._call("PUT", "/faults", write_value(list(faults)))

    def faults(self) -> list[Fault]:
        return read_value(self._call("GET", "/faults"), list[Fault])

    def trap(self, table: str) -> None:
        """Each insert that reaches `table` ("database.table") throws, half done: see Engine.trap."""
        self._call("POST", "/traps", table)

    def restore(self) -> None:
        """As if nothing had happened: running, moving, without faults and traps, with room on its disk."""
        self.free()
        if not self.running:
            self.start()
            return
        self.resume()
        self.set_faults([])
        self._call("DELETE", "/traps")

    def counters(self) -> dict[str, Any]:
        """See Counters. They begin anew with each start."""
        answer: dict[str, Any] = self._call("GET", "/counters")
        return answer

    def fill(self, leave_bytes: int = 0) -> None:
        """Fill the file system of `home` but for `leave_bytes`. For a small one of its own: raises ValueError
        when that would take more than 2 GiB."""
        usage = shutil.disk_usage(self.home)
        had = self._ballast.stat().st_size if self._ballast.exists() else 0
        wanted = had + usage.free - leave_bytes
        if wanted > BALLAST_BYTES_MAX:
            raise ValueError(f"{self.home} is no small file system: {usage.free} bytes are free")
        descriptor = os.open(self._ballast, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if wanted > had:
                os.posix_fallocate(descriptor, had, wanted - had)
            else:
                os.ftruncate(descriptor, max(0, wanted))
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink(missing_ok=True)

    def _call(self, method: str, path: str, value: Any = None) -> Any:
        return Control(int(self.child.ready["control_port"]), self.host).call(method, path, value)
