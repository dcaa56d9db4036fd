"""A statnive node with everything around it that can be broken.

    clients ── iptables of their namespaces ──▶ node ──▶ fault proxy ──▶ ClickHouse node
       └─── fault proxy ───────────────────────▶ │
                                               its own small disk

Owns:       the processes, the disk and the links; the data directory.
Inputs:     a Home; what kind of ClickHouse and disk.
Outputs:    `node`, `clickhouse`, `network`, … to break; `figures`, `sql` and `check` to look with.
Invariants: I1 the node keeps its address over restarts; I2 what a crash leaves behind is noted in the Home;
            I3 `heal` may be repeated and leaves everything running and whole.
Failure:    RigError, ChildError, RuntimeError (a node that does not get ready): no verdict.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

import attrs

from chaos.clickhouse_node import ClickHouseNode
from chaos.load import Ledger, site_domain
from chaos.oracle import Report, check
from chaos.oracle_rows import Finding
from chaos.proxy import Faults, ProxyProcess
from chaos.rig.clients import VARIETY
from chaos.rig.clock import Clock
from chaos.rig.disks import MIB, Disk, Ext4, Tmpfs
from chaos.rig.home import Home
from chaos.rig.network import Network
from chaos.rig.shell import RigError
from chaos.rig.watch import MetricsReader, Sample, until
from chaos.service.ports import unused_port
from chaos.statnive_node import StatniveNode, add_token, environment
from statnive.clickhouse.client import connect
from statnive.config import ClickHouseConfig
from statnive.control.store import ControlStore

DRAIN_S: Final = 60.0
CHECKS_MAX: Final = 10
AT_START: Final = ("statnive is ready", "nobody has an account yet")  # what a node prints once it is ready
# Whole hours from UTC: at any time the midnight of one of the sites is less than half an hour away.
ZONES: Final = tuple(f"Etc/GMT{12 - number:+d}" for number in range(VARIETY.sites))
# About a thousand events, so that a short outage fills several. Not less: what waits for the disk may fill half of one,
# and that is to hold what comes at once when a link is whole again.
SEGMENT_BYTES: Final = 256 * 1024
SETTINGS: Final = {
    "STATNIVE_WAL_SEGMENT_BYTES": str(SEGMENT_BYTES),
    "STATNIVE_WAL_SIZE_BYTES_MAX": str(24 * MIB),
    "STATNIVE_WAL_KEEP_S": "5",
    "STATNIVE_INGEST_VISIT_INACTIVITY_S": "5",  # the log must hold every open visit
    "STATNIVE_WAL_COMMIT_ROWS": "32",
    "STATNIVE_WRITER_RETRY_MAX_MS": "1000",
    "STATNIVE_WRITER_BLOCK_INTERVAL_MS": "250",
    "STATNIVE_AUDIT_DRIFT_CHECK_INTERVAL_S": "5",
}

Kind = Literal["server", "embedded"]


class Rig:
    """`with Rig(home, "server") as rig:`."""

    def __init__(
        self,
        home: Home,
        kind: Kind,
        *,
        settings: Mapping[str, str] | None = None,
        disk_bytes: int = 160 * MIB,
        groups: tuple[str, ...] = (),
        name: str = "",
    ) -> None:
        """`server`: ClickHouse behind a fault proxy, the log on a tmpfs; `embedded`: both on an ext4 image, which is
        on a tmpfs (`backing`) of its own.
        """
        self.home, self.kind = home, kind
        self.path = home.path / (name or kind)
        self.path.mkdir()
        self.network = Network(home, groups) if groups else None
        self.backing: Tmpfs | None = None
        self.disk: Disk
        if kind == "server":
            self.disk = Tmpfs(self.path / "disk", disk_bytes)
        else:
            self.backing = Tmpfs(self.path / "backing", 2 * disk_bytes)
            self.disk = Ext4(self.path / "disk", self.backing.path / "disk.ext4", disk_bytes)
        self.data_dir = self.disk.path / "data"
        self.clock: Clock | None = None  # made by the first `start_node(clock=True)`
        self.host = self.network.address if self.network else "127.0.0.1"
        self.port = unused_port(self.host)
        self.database = "statnive"
        self.token = ""
        self.clickhouse: ClickHouseNode | None = None
        self.path_to_clickhouse: ProxyProcess | None = None
        self.path_to_node: ProxyProcess | None = None
        self.node: StatniveNode | None = None
        self.ended: list[Ended] = []  # nodes that have ended, on purpose or not
        self.settings = {**SETTINGS, **(settings or {})}
        self.segment_bytes = int(self.settings["STATNIVE_WAL_SEGMENT_BYTES"])
        if self.network:
            for key in ("TRUSTED_PROXIES", "DASHBOARD_FROM"):
                self.settings[f"STATNIVE_SERVER_{key}"] = f"127.0.0.0/8,{self.network.network}"

    # --- up and down ----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        add_sites_by_zone(self.data_dir)
        if self.network:  # its node listens to others than this machine, and is open to nobody
            self.token = add_token(self.data_dir, "rig")
            self.settings["STATNIVE_API_REQUESTS_PER_HOUR"] = "10000000"
        if self.kind == "server":
            (self.path / "clickhouse").mkdir()
            self.clickhouse = ClickHouseNode(self.path / "clickhouse")
            self.clickhouse.start()
            self.path_to_clickhouse = ProxyProcess(
                self.path, (self.clickhouse.host, self.clickhouse.port), name="to_clickhouse"
            )
            self.path_to_clickhouse.start()
        self.path_to_node = ProxyProcess(self.path, (self.host, self.port), name="to_node", host="127.0.0.1")
        self.path_to_node.start()
        self.start_node()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything. The directory and its mounts go with the Home."""
        if self.node is not None:
            self.kill_node()
        for process in (self.path_to_node, self.path_to_clickhouse, self.clickhouse):
            if process is not None:
                process.close()
        for disk in (self.disk, self.backing):
            if disk is not None:
                disk.unmount()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def proxied_url(self) -> str:
        """The node, through the fault proxy."""
        assert self.path_to_node is not None
        return f"http://127.0.0.1:{self.path_to_node.port}"

    # --- the node -------------------------------------------------------------------------------------------

    def start_node(self, *, clock: bool = False) -> None:
        """Start it where none runs. `clock`: its wall clock can be set. Raises RuntimeError."""
        self.reap()
        if self.node is not None:
            return
        settings = dict(self.settings)
        if self.path_to_clickhouse is not None:
            settings["STATNIVE_CLICKHOUSE_URL"] = f"http://127.0.0.1:{self.path_to_clickhouse.port}"
            settings["STATNIVE_CLICKHOUSE_DATABASE"] = self.database
        if clock:
            self.clock = self.clock or Clock(self.path)
            settings |= self.clock.environment
        listen = f"{self.host}:{self.port}"
        self.node = StatniveNode(self.data_dir, "--listen", listen, settings=settings, token=self.token)
        self.home.note(self.node.pid)

    def reap(self) -> Ended | None:
        """What became of a node that has ended by itself; None when it runs or there is none."""
        if self.node is None or self.node.running:
            return None
        return self._note_end(self.node.wait())

    def kill_node(self) -> Ended:
        """SIGKILL it."""
        assert self.node is not None
        self.node.kill()
        return self._note_end(self.node.wait())

    def stop_node(self) -> Ended:
        """SIGTERM: it brings everything into ClickHouse and ends."""
        assert self.node is not None
        return self._note_end(self.node.stop())

    def wait_node(self, deadline_s: float) -> Ended | None:
        """Its end, if it comes by itself within the deadline."""
        assert self.node is not None
        try:
            return self._note_end(self.node.wait(deadline_s))
        except subprocess.TimeoutExpired:
            return None

    def _note_end(self, code: int) -> Ended:
        assert self.node is not None
        self.home.forget(self.node.pid)
        ended = Ended(code, tuple(self.node.output))
        self.ended.append(ended)
        self.node = None
        return ended

    # --- looking --------------------------------------------------------------------------------------------

    def figures(self) -> Sample | None:
        """/metrics now; None when the node does not answer."""
        reader = MetricsReader(lambda: self.url, lambda: self.token)
        try:
            return reader.read()
        finally:
            reader.close()

    def drain(self, deadline_s: float = DRAIN_S) -> bool:
        """Wait until everything durable is in ClickHouse; whether it came to that."""

        def drained() -> bool:
            figures = self.figures()
            return figures is not None and figures["writer_lag_rows"] == 0

        return until(drained, deadline_s, 0.05)

    def sql(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Straight from the ClickHouse node, past the proxy."""
        assert self.clickhouse is not None, "an embedded engine can only be asked by its own process"
        config = ClickHouseConfig(url=self.clickhouse.url, database=self.database)
        client = connect(config, Path(), purpose="admin")
        try:
            return client.operator_query(statement, parameters or {})
        finally:
            client.close()

    def check(
        self,
        ledgers: Sequence[Path],
        *,
        others_allowed: bool = True,
        set_aside: Iterable[tuple[str, int]] = (),
        data_dir: Path | None = None,
    ) -> Report:
        """The oracle's verdict over these ledgers. An embedded engine's node must have been stopped."""
        if self.kind == "server":
            return self._check_at_rest([Ledger.read(path) for path in ledgers], others_allowed, set_aside)
        assert data_dir or self.node is None, "stop the node first: the engine belongs to one process"
        return check_embedded(ledgers, data_dir or self.data_dir, others_allowed=others_allowed)

    def _check_at_rest(
        self, ledgers: Sequence[Ledger], others_allowed: bool, set_aside: Iterable[tuple[str, int]]
    ) -> Report:
        """A verdict during which the node took nothing: a request that was long on its way (its client has given up,
        its kernel has not) may come between the reading of events_raw and that of its rollups. Raises RigError.
        """
        set_aside = tuple(set_aside)
        for _ in range(CHECKS_MAX):
            before = self._rows_at_rest()
            report = check(
                self.sql, ledgers, database=self.database, others_allowed=others_allowed, set_aside=set_aside
            )
            self.reap()
            if self.node is None or (before is not None and before == self._rows_at_rest()):
                return report
            self.drain()
        raise RigError(f"the database was not at rest in any of {CHECKS_MAX} checks: no verdict")

    def _rows_at_rest(self) -> float | None:
        """How many events the node has taken; None while some of them wait, or when it does not answer."""
        figures = self.figures()
        if figures is None or figures["writer_lag_rows"]:
            return None
        return figures["wal_rows_total"]

    # --- putting right --------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Everything running and whole again (keeps I3)."""
        if self.network is not None:
            self.network.heal()
        for proxy in (self.path_to_node, self.path_to_clickhouse):
            if proxy is not None:
                proxy.restore()
        if self.clickhouse is not None:
            self.clickhouse.restore()
        self.disk.free()
        if self.clock is not None:
            self.clock.set(0.0)
        self.start_node()

    def cut_clickhouse(self) -> None:
        """The cable to ClickHouse is out: no byte, no reset."""
        assert self.path_to_clickhouse is not None
        self.path_to_clickhouse.set(Faults.cut())


@attrs.frozen
class Ended:
    """How a node ended, and all that it had said."""

    code: int
    output: tuple[str, ...]

    def last_words(self) -> list[str]:
        """What it said beside its log: lines without a time, and not those of a start."""
        said = (line.rstrip() for line in self.output)
        return [
            line
            for line in said
            if line and not line[:4].isdigit() and not any(one in line for one in AT_START)
        ]


def add_sites_by_zone(data_dir: Path) -> None:
    """The load's sites, each in another time zone. No node runs on the directory."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ControlStore.open(data_dir / "control.db") as store:
        for number, zone in enumerate(ZONES):
            store.add_site(site_domain(number), zone)


def check_embedded(ledgers: Sequence[Path], data_dir: Path, *, others_allowed: bool) -> Report:
    """The oracle on a stopped node's directory, in a process of its own (one engine a process). Raises RigError."""
    directories = {path.parent for path in ledgers}
    assert len(directories) == 1, "the oracle's command takes one directory"
    command = [sys.executable, "-m", "chaos.oracle", "--ledger", str(directories.pop()), "--json"]
    command += ["--data-dir", str(data_dir)]
    if others_allowed:
        command.append("--others-allowed")
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=environment()
    )
    if done.returncode not in (0, 1):
        raise RigError(f"the oracle gave no verdict: {done.stderr.strip()}")
    plain = json.loads(done.stdout)
    plain.pop("ok")
    findings = tuple(Finding(**finding) for finding in plain.pop("findings"))
    return Report(
        facts=plain["facts"],
        findings=findings,
        checked=tuple(plain["checked"]),
        unchecked=tuple(plain["unchecked"]),
    )
