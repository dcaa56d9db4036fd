"""What scenarios are played on: it breaks what it says, measures what it says, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import pytest

import chaos.matrix
from chaos.load import Ledger, Settings
from chaos.load.ledger import Flag, Header
from chaos.plots import Band, Line, nice_ceiling, plot, thin
from chaos.rig.clients import recovery_s, sight
from chaos.rig.clock import Clock
from chaos.rig.disks import MIB, Ext4, Tmpfs, mounted
from chaos.rig.home import Home, lives, mounts_below, sweep
from chaos.rig.network import Network, namespaces
from chaos.rig.rig import Ended
from chaos.rig.shell import RigError, run
from chaos.rig.watch import Sample, drain_ratio, parse_metrics
from chaos.scenarios.contract import SHORT, Span, fatal_end
from chaos.scenarios.l_power_loss import known_at
from chaos.soak import Plan
from chaos.soak_watch import count_parts

CRASH = """
import os, subprocess, sys
from chaos.rig.disks import MIB, Ext4, Tmpfs
from chaos.rig.home import Home
from chaos.rig.network import Network
home = Home()
network = Network(home, ("visitors",))
network.groups["visitors"].lose(1)
disk = Tmpfs(home.path / "disk", 64 * MIB)
image = Ext4(home.path / "ext4", disk.path / "image", 16 * MIB)
disk.fill()
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.kill(child.pid, 19)
home.note(child.pid)
print(home.path, child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def ledger(rows: list[tuple[float, float, float, int, int]], per: int = 1) -> Ledger:
    """Of (due, sent, answered, status, flags)."""
    settings = Settings(target="http://127.0.0.1:1/api/event", run="r", events_per_request=per)
    made = Ledger.blank(
        Header(settings, 0, 0, 1.0, 1.0, 0.0, 0.0, 0, 0), array("d", [row[0] for row in rows])
    )
    for number, (_, sent, answered, status, flags) in enumerate(rows):
        made.sent[number], made.answered[number] = sent, answered
        made.status[number], made.flags[number] = status, flags
    return made


def test_what_a_crashed_run_left_behind_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a place of its own: a run of another test, beginning just then, would sweep it first.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    crashed = subprocess.run(
        [sys.executable, "-c", CRASH],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr
    path, pid = Path(crashed.stdout.split()[0]), int(crashed.stdout.split()[1])
    tag = path.name.rpartition("-")[2]
    assert len(mounts_below(path)) == 2
    assert any(tag in name for name in namespaces())
    assert path.name in sweep()
    assert not path.exists()
    assert mounts_below(path) == []
    assert not any(tag in name for name in namespaces())
    assert not any(tag in name for name in os.listdir("/sys/class/net"))
    assert not lives(pid)
    assert path.name not in sweep()


def test_what_another_run_is_using_is_left_alone() -> None:
    with Home() as home:
        Tmpfs(home.path / "disk", MIB)
        assert home.path.name not in sweep()
        assert len(mounts_below(home.path)) == 1
    assert not home.path.exists()


def test_a_cut_link_carries_nothing_and_a_healed_one_does() -> None:
    with Home() as home:
        network = Network(home, ("visitors", "carriers"))
        visitors, carriers = network.groups["visitors"], network.groups["carriers"]
        with socket.create_server((network.address, 0)) as server:

            def connects(place: object, deadline_s: float = 60) -> bool:
                with place.inside():  # type: ignore[attr-defined]
                    client = socket.socket()
                with client:
                    client.settimeout(deadline_s)
                    return client.connect_ex(server.getsockname()) == 0

            assert connects(visitors)
            visitors.lose(1)
            assert (visitors.lossy(), carriers.lossy()) == (True, False)
            assert not connects(visitors, 0.3)
            assert connects(carriers)
            visitors.heal()
            visitors.heal()
            assert connects(visitors)


def test_a_filled_disk_has_no_room_and_a_freed_one_has(tmp_path: Path) -> None:
    with Home() as home:
        disk = Tmpfs(home.path / "disk", 4 * MIB)
        disk.fill(leave_bytes=MIB)
        assert disk.free_bytes <= MIB
        disk.fill()
        assert disk.free_bytes == 0
        disk.free()
        disk.free()
        assert disk.free_bytes > 3 * MIB


def test_a_power_cut_keeps_what_was_flushed_and_may_lose_what_was_not(tmp_path: Path) -> None:
    with Home() as home:
        disk = Ext4(home.path / "disk", home.path / "image", 16 * MIB)
        # On a slow machine the kernel would flush by itself, after five seconds.
        run("mount", "-o", "remount,commit=600", str(disk.path))
        kept = os.open(disk.path / "kept", os.O_WRONLY | os.O_CREAT)
        os.write(kept, b"durable")
        os.fsync(kept)
        os.close(kept)
        (disk.path / "lost").write_bytes(b"never flushed" * 1_000)
        disk.cut(home.path / "copy")
        with mounted(home.path / "copy", home.path / "after") as after:
            assert (after / "kept").read_bytes() == b"durable"
            assert not (after / "lost").exists()
        disk.repair()
        assert (disk.path / "kept").read_bytes() == b"durable"


def test_a_disk_is_not_repaired_while_another_mount_of_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """`umount` is content all the same; two live file systems on one image take back what the other wrote."""
    with Home() as home:
        disk = Ext4(home.path / "disk", home.path / "image", 16 * MIB)
        hold = "unshare", "--mount", "sh", "-c", "echo held; exec sleep 600"
        with subprocess.Popen(hold, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            monkeypatch.setattr("chaos.rig.disks.UNMOUNT_S", 0.2)
            with pytest.raises(RigError, match="in use"):
                disk.repair()
            holder.kill()
        monkeypatch.undo()
        disk.repair()
        assert disk.path in mounts_below(home.path)


def test_the_wall_clock_is_set_and_the_monotonic_one_is_not(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.set(172_800.25)
    code = "import time, sys; print(time.time(), time.monotonic()); time.sleep(0.01)"
    before = time.time(), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **clock.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, monotonic = map(float, done.stdout.split())
    assert 172_800 < wall - before[0] < 172_860
    assert 0 < monotonic - before[1] < 60


def test_recovery_ends_with_the_last_request_that_was_not_acknowledged_in_time() -> None:
    # due, sent, answered, status, flags
    rows = [
        (1.0, 1.0, 9.0, 202, 0),  # before the end
        (10.0, 10.0, 11.5, 202, 0),  # late
        (10.5, 10.5, 10.6, 503, 0),
        (11.0, 11.0, 11.02, 202, 0),
        (12.0, 12.0, 12.02, 202, 0),
    ]
    assert recovery_s([ledger(rows)], 10.0) == pytest.approx(1.02)
    assert recovery_s([ledger(rows)], 10.75) == pytest.approx(0.27)
    assert recovery_s([ledger(rows)], 10.0, until=11.2) == pytest.approx(1.02)
    assert recovery_s([ledger(rows)], 10.0, until=11.0) is None


def test_clients_saw_answers_resets_and_silence_apart() -> None:
    rows = [
        (1.0, 1.0, 1.5, 202, 0),
        (2.0, 2.0, 2.1, 503, 0),
        (3.0, 3.0, 3.1, 0, int(Flag.RESET)),
        (4.0, 4.0, 9.0, 0, int(Flag.TIMEOUT)),
        (5.0, 0.0, 6.0, 0, int(Flag.WAITED)),
    ]
    seen = sight([ledger(rows, per=2)])
    assert (seen.sent, seen.acknowledged, seen.worst_ack_ms) == (8, 2, 500.0)
    assert seen.answers == {"202": 1, "503": 1, "reset": 1, "no answer": 1, "not sent": 1}


def test_a_ledger_at_an_instant_knows_nothing_of_what_came_later() -> None:
    rows = [(1.0, 1.0, 1.5, 202, 0), (2.0, 2.0, 3.5, 202, 0), (4.0, 4.0, 4.1, 202, 0)]
    then = known_at(ledger(rows), 3.0)
    assert list(then.status) == [202, 0, 0]
    assert [bool(sent) for sent in then.sent] == [True, True, False]


def test_a_backlog_is_drained_as_many_times_faster_as_it_took_less_time() -> None:
    def sample(at: float, done: float, lag: float, inserting: float) -> Sample:
        return Sample(
            at,
            {"writer_done_lsn": done, "writer_lag_rows": lag, "writer_insert_seconds_total": inserting},
        )

    samples = [sample(0, 0, 2_000, 0), sample(1, 0, 2_100, 0), sample(2, 1_100, 1_100, 0.5)]
    samples += [sample(2.5, 2_150, 100, 0.7)]
    # 2,150 rows from 1.5 s, when the first insert that succeeded began, to 2.5 s.
    assert drain_ratio(samples, 0, 100) == pytest.approx(21.5)
    assert drain_ratio(samples[-1:], 0, 100) is None


def test_metrics_are_read_with_their_labels() -> None:
    text = '# HELP x\nstatnive_wal_segments 4.0\nstatnive_dropped_total{reason="overload"} 2\n'
    assert parse_metrics(text) == {"wal_segments": 4.0, 'dropped_total{reason="overload"}': 2.0}


def test_a_node_must_end_at_once_by_its_code_with_one_line() -> None:
    def span(code: int, *said: str, took: float = 1.0) -> Span:
        return Span("EIO", 0.0, end=took, ended=Ended(code, said))

    log = "2026-11-24 13:05:35,487 INFO start: statnive starts\n"
    line = "statnive: the log can't be written: [Errno 5]\n"
    assert list(fatal_end(span(3, log, line), SHORT)) == []
    assert len(list(fatal_end(span(1, log, line), SHORT))) == 1
    assert len(list(fatal_end(span(3, log, "Traceback (most recent call last):\n", line), SHORT))) == 1
    assert len(list(fatal_end(span(3, log, line, took=60), SHORT))) == 1
    assert list(fatal_end(Span("EIO", 0.0), SHORT)) == ["EIO did not end the node"]


def test_parts_are_counted_and_other_directories_are_not(tmp_path: Path) -> None:
    table = tmp_path / "store" / "abc" / "abcdef"
    for name in ("202611_1_4_1", "202611_5_5_0_7", "detached", "tmp_insert_202611_6_6_0"):
        (table / name).mkdir(parents=True)
    assert count_parts(tmp_path) == 2


def test_a_soaks_traffic_follows_a_day_also_in_a_short_one() -> None:
    for hours in (0.2, 72.0):
        plan = Plan(hours, rate=100, hold_s=5, seed=1)
        rates = [plan.rate_at(plan.day_s * hour / 24) for hour in range(24)]
        assert max(rates) == pytest.approx(100) == rates[16]
        assert min(rates) == pytest.approx(30) == rates[4]


def test_a_plot_is_well_formed_and_keeps_its_peaks() -> None:
    points = [(number / 1_000, 5_000.0 if number == 4_321 else 1.0) for number in range(9_000)]
    assert max(y for _, y in thin(points)) == 5_000
    assert len(thin(points)) <= 1_500
    drawn = plot("a < b", "ms", [Line("p50", points)], [Band(0.1, 0.2, "A & B")])
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert [nice_ceiling(value) for value in (0, 0.3, 7, 10, 130)] == [1, 0.5, 10, 10, 200]


class WornRig:
    """As much of a Rig as the matrix looks at."""

    def __init__(
        self, home: object, kind: str, *, disk_bytes: int, groups: tuple[str, ...], name: str
    ) -> None:
        self.name, self.is_closed = name, False
        self.disk = SimpleNamespace(free_bytes=80, size_bytes=100)

    def __enter__(self) -> WornRig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.is_closed = True


def test_a_rig_whose_disk_earlier_scenarios_have_filled_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is H's: met in another scenario it would be a second fault, which nobody applied."""
    monkeypatch.setattr(chaos.matrix, "Rig", WornRig)
    with chaos.matrix.Matrix(None) as matrix:  # type: ignore[arg-type]
        first = cast(Any, matrix.rig("embedded"))
        assert cast(Any, matrix.rig("embedded")) is first
        first.disk.free_bytes = 70
        second = cast(Any, matrix.rig("embedded"))
        assert (first.is_closed, second.is_closed) == (True, False)
        assert second.name != first.name
    assert second.is_closed
