"""A statnive node as an operator runs it: a process of its own, started, used, stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import msgspec

READY_DEADLINE_S = 60
BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
READ_CLICKHOUSE = """
import sys, json
from pathlib import Path
from statnive.clickhouse.client import connect
from statnive.config import ClickHouseConfig
client = connect(ClickHouseConfig(), Path(sys.argv[1]), purpose="admin")
for sql in sys.argv[2:]:
    print(json.dumps(client.operator_query(sql), default=str))
client.close()
"""


def environment() -> dict[str, str]:
    """The environment of a child: ours without settings of the product."""
    return {key: value for key, value in os.environ.items() if not key.startswith("STATNIVE_")}


def statnive(
    *arguments: str, data_dir: Path, stdin: bytes | None = None, settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; the caller judges the exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "statnive", *arguments, "--data-dir", str(data_dir)],
        capture_output=True,
        input=stdin,
        env={**environment(), **(settings or {})},
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def read_clickhouse(data_dir: Path, *statements: str) -> list[list[dict[str, Any]]]:
    """Answers straight from the embedded engine of a stopped node, in a process of its own (one path a process)."""
    done = subprocess.run(
        [sys.executable, "-c", READ_CLICKHOUSE, str(data_dir), *statements],
        capture_output=True,
        env=environment(),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


class Server:
    """`with Server(data_dir) as server:`; `server.url` once it is ready."""

    def __init__(self, data_dir: Path, *options: str, settings: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.output: list[str] = []
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "statnive",
                "serve",
                "--data-dir",
                str(data_dir),
                "--listen",
                "127.0.0.1:0",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment(), **(settings or {})},
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""
        if not self._ready.wait(READY_DEADLINE_S) or not self.url:
            self.kill()
            raise AssertionError("the server did not become ready:\n" + "".join(self.output))

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

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self.stop()

    def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL and wait."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        code = self._process.wait(90)
        self._reader.join(10)
        return code

    def event(
        self, *, host: str, path: str = "/", address: str = "", agent: str = BROWSER, **extra: Any
    ) -> httpx.Response:
        """Send one event as a browser would."""
        headers = {"user-agent": agent, "content-type": "text/plain"}
        if address:
            headers["x-forwarded-for"] = address
        body = {"n": "pageview", "u": f"https://{host}{path}", **extra}
        return httpx.post(f"{self.url}/api/event", content=msgspec.json.encode(body), headers=headers)

    def stats(self, report: str, **parameters: Any) -> dict[str, Any]:
        """One answer of the reading API."""
        answer = httpx.get(f"{self.url}/api/stats/{report}", params=parameters, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
