"""A statnive node as an operator runs it, for scenarios, benchmarks and end-to-end tests.

A process of its own: started, asked, measured, stopped or killed. Blocks; call it from a thread where that matters.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

READY_DEADLINE_S = 120
STOP_DEADLINE_S = 120
# For plain HTTP: without it httpx reads all certificates of the world's authorities for each client, 25 ms.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
OPEN = {"STATNIVE_AUTH_MODE": "open"}
_READ_CLICKHOUSE = """
import sys, json
from pathlib import Path
from statnive.clickhouse.client import connect
from statnive.config import ClickHouseConfig
client = connect(ClickHouseConfig(), Path(sys.argv[1]), purpose="admin")
for sql in sys.argv[2:]:
    print(json.dumps(client.operator_query(sql), default=str))
client.close()
"""


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: ours, without settings of the product but those given."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("STATNIVE_")}
    return {**plain, **(settings or {})}


def statnive(
    *arguments: str, data_dir: Path, stdin: bytes | None = None, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; the caller judges the exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "statnive", *arguments, "--data-dir", str(data_dir)],
        capture_output=True,
        input=stdin,
        env=environment(settings),
        timeout=300,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def add_sites(data_dir: Path, domains: Sequence[str], timezone: str = "Europe/Berlin") -> None:
    """Add many sites to a data directory that no node runs on, without starting one for each."""
    from statnive.control.store import ControlStore

    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ControlStore.open(data_dir / "control.db") as store:
        for domain in domains:
            store.add_site(domain, timezone)


def add_token(data_dir: Path, name: str) -> str:
    """A token that reads everything, for a data directory that no node runs on; its secret."""
    from statnive.control.store import ControlStore
    from statnive.control.tokens import SECRET_BYTES, NewToken, secret_of

    secret = secret_of(os.urandom(SECRET_BYTES))
    with ControlStore.open(data_dir / "control.db") as store:
        store.add_token(NewToken(name, ("stats:read",), None), secret)
    return secret


def read_clickhouse(data_dir: Path, *statements: str) -> list[list[dict[str, Any]]]:
    """Answers straight from the embedded engine of a stopped node, in a process of its own (one path a process)."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_CLICKHOUSE, str(data_dir), *statements],
        capture_output=True,
        env=environment(),
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return [json.loads(line) for line in done.stdout.splitlines()]


class StatniveNode:
    """`with StatniveNode(data_dir) as node:`; `node.url` once it is ready. Leaving the block stops it by SIGTERM."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        settings: Mapping[str, str] | None = None,
        cpus: Sequence[int] = (),
        before: Sequence[str] = (),
        token: str = "",
    ) -> None:
        """`cpus`: the cores it may use; `before`: a command that runs it (strace …). Raises RuntimeError.

        It is open to this machine unless `settings` says otherwise or a `token` is given to ask it with.
        """
        self.data_dir = data_dir
        self.output: list[str] = []
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        pinned = ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []
        command = [sys.executable, "-m", "statnive", "serve", "--data-dir", str(data_dir)]
        if "--listen" not in options:
            command += ["--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*pinned, *before, *command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment({**({} if token else OPEN), **(settings or {})}),
        )
        self.url = ""
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(READY_DEADLINE_S) or not self.url:
            self.kill()
            raise RuntimeError("the node did not become ready:\n" + "".join(self.output))

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for raw in self._process.stdout:
                line = raw.decode("utf-8", "replace")
                self.output.append(line)
                if "is ready on " in line:
                    self.url = line.split("is ready on ")[1].split()[0]
                    self._ready.set()
        self._ready.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            try:
                self.stop()
            finally:
                self._process.kill()  # nothing is left behind by one that does not stop

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._process.kill()
        self.wait()

    def wait(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """The exit code, once it has ended."""
        code = self._process.wait(deadline_s)
        self._reader.join(10)
        return code

    def cpu_s(self) -> float:
        """CPU seconds of the process so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def loop_cpu_s(self) -> float:
        """CPU seconds of the event loop's thread so far. (Worker threads come and go: theirs can't be summed.)"""
        stat = Path(f"/proc/{self.pid}/task/{self.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def metrics(self) -> dict[str, float]:
        """/metrics by name, labels included."""
        text = httpx.get(f"{self.url}/metrics", headers=self.headers, timeout=30, verify=NO_TLS).text
        return {
            name.removeprefix("statnive_"): float(value)
            for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[:1] != "#")
        }

    def stats(self, report: str, **parameters: Any) -> dict[str, Any]:
        """One answer of the reading API. Raises httpx.HTTPStatusError."""
        url = f"{self.url}/api/stats/{report}"
        answer = httpx.get(url, params=parameters, headers=self.headers, timeout=60, verify=NO_TLS)
        answer.raise_for_status()
        return dict(answer.json())
