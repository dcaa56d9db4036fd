"""L: power loss. What has reached the device at some instant is copied; a node is started on the copy."""

from __future__ import annotations

import os
import random
import signal
import time
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from chaos.load import Ledger
from chaos.rig.clients import Group
from chaos.rig.disks import MIB, Ext4, Tmpfs, mounted
from chaos.rig.rig import check_embedded
from chaos.rig.watch import until
from chaos.scenarios.contract import Play, Scenario
from chaos.statnive_node import StatniveNode

MOMENT_S_MAX = 0.5
REST_S = 0.3
STOP_S = 60.0
JOBS = 3
EVERYTHING_IS_IN = "every event is in ClickHouse"  # a node's last words when it has drained
CUTS_BYTES = 8 * 1024 * MIB  # of memory, taken as copies are made


@attrs.frozen
class Cut:
    """The image, and the instant (CLOCK_MONOTONIC) up to which everything acknowledged must be in it."""

    image: Path
    at: float


class PowerLoss(Scenario):
    """Whatever the device holds when the power goes, every acknowledged event can be read from it, once."""

    letter = "L"
    title = "power loss"
    kinds = ("embedded",)

    def groups(self) -> dict[str, Group]:
        return {"visitors": Group(rate=200)}

    def faults(self) -> Sequence[str]:
        return [f"cut {number}" for number in range(1, self.windows.cuts + 1)]

    def prepare(self) -> None:
        super().prepare()
        self._moments = random.Random(11)
        self._cuts: list[Cut] = []
        self._acknowledged: list[int] = []
        self._space = Tmpfs(self.rig.path / "cuts", CUTS_BYTES)

    def apply(self, fault: str) -> None:
        time.sleep(self._moments.uniform(0, MOMENT_S_MAX))
        node = self.rig.node
        assert node is not None
        assert isinstance(self.rig.disk, Ext4)
        at = time.monotonic()
        os.kill(node.pid, signal.SIGSTOP)
        until(lambda: _stopped(node.pid), STOP_S, 0.001)
        image = self._space.path / f"{fault}.ext4"
        self.rig.disk.cut(image)
        self._cuts.append(Cut(image, at))

    def hold(self, seconds: float) -> None:
        """The copy is made: the clients wait for nothing else."""

    def restore(self) -> None:
        if self.rig.node is not None and self.rig.node.running:
            os.kill(self.rig.node.pid, signal.SIGCONT)

    def rest(self) -> None:
        self.rest_for(REST_S)

    def judge(self, play: Play) -> Iterator[str]:
        try:
            with ThreadPoolExecutor(JOBS) as pool:
                for wrong in pool.map(lambda cut: self._look_at(cut, play), self._cuts):
                    yield from wrong
        finally:
            self._space.unmount()

    def facts(self, play: Play) -> dict[str, str]:
        return {
            "cuts": str(len(self._cuts)),
            "acknowledged before the first and the last cut": f"{min(self._acknowledged)}, {max(self._acknowledged)}",
        }

    def _look_at(self, cut: Cut, play: Play) -> list[str]:
        """Start a node on the copy, stop it, and ask the oracle."""
        name = cut.image.stem
        directory = self._space.path / f"{name} ledgers"
        directory.mkdir()
        for number, ledger in enumerate(play.all_ledgers()):
            known_at(ledger, cut.at).write(directory / f"{number}.ledger")
        wrong = []
        with mounted(cut.image, self._space.path / f"{name} disk") as disk:
            data_dir = disk / self.rig.data_dir.relative_to(self.rig.disk.path)
            node = StatniveNode(data_dir, settings=self.rig.settings)
            self.rig.home.note(node.pid)
            code = node.stop()
            self.rig.home.forget(node.pid)
            if code:
                wrong.append(f"{name}: the node on the copy ended with {code}: {node.output[-1]}")
            wrong += [f"{name}: {line.strip()}" for line in node.output if "corruption: " in line]
            if not any(EVERYTHING_IS_IN in line for line in node.output):
                wrong.append(f"{name}: the node on the copy could not insert all: {node.output[-1].strip()}")
            report = check_embedded(sorted(directory.glob("*.ledger")), data_dir, others_allowed=True)
        self._acknowledged.append(report.facts["acknowledged"])
        cut.image.unlink()
        return wrong + [
            f"{name}: {found.name} {found.count}: {found.examples[0]}" for found in report.findings
        ]


def known_at(ledger: Ledger, at: float) -> Ledger:
    """The ledger as its writer knew things at an instant: later answers had not come, later requests not left."""
    answered = [0 < answer <= at for answer in ledger.answered]
    return attrs.evolve(
        ledger,
        sent=array("d", [sent if sent <= at else 0.0 for sent in ledger.sent]),
        status=array("H", [status * known for status, known in zip(ledger.status, answered, strict=True)]),
        dropped=array("B", [lost * known for lost, known in zip(ledger.dropped, answered, strict=True)]),
    )


def _stopped(pid: int) -> bool:
    """Whether no thread of the process runs."""
    try:
        states = [
            task.read_text().rpartition(")")[2].split()[0]
            for task in Path(f"/proc/{pid}/task").glob("*/stat")
        ]
    except (FileNotFoundError, ProcessLookupError):
        return False  # a thread has just ended
    return all(state in "Tt" for state in states)
