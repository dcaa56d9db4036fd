"""What a seed means: the sizes, the faults and the deaths of one world, drawn before anything runs."""

from __future__ import annotations

import random
from typing import Literal

import attrs

from chaos.sim.disk import DiskFaults
from chaos.sim.process import Death, Fate
from statnive.config import WalConfig, WriterConfig

KIB = 1024
SEGMENT_BYTES = 16 * KIB
# Where a process dies: anywhere, or at a call of these names, however rare they are.
CALLS = (
    *("",) * 5,
    *("pwrite", "fdatasync", "fdatasync", "rename", "fsync_dir", "unlink"),
    *("token of", "syncfs", "ALTER"),
)
Kind = Literal["embedded", "server"]


@attrs.frozen
class EngineFaults:
    """Shares of calls; 0 to 1."""

    refused: float = 0.0  # the connection, before anything was sent
    lost_request: float = 0.0
    lost_answer: float = 0.0  # carried out; nobody hears of it
    late: float = 0.0  # the caller gives up, and the server goes on
    in_transit: float = 0.0  # the caller gives up, and the server begins only after that (inserts)
    rename_errors: float = 0.0
    view_errors: float = 0.0
    crash_share: float = 0.0  # of a server's steps
    power_share: float = 0.0  # of a server's crashes
    outage_s: float = 0.0  # one, at a moment of its own
    flush_errors: float = 0.0  # of an embedded engine's syncfs


@attrs.frozen
class LifePlan:
    """One life of the node."""

    fate: Fate
    clients: int
    requests: int  # of each client
    disk: DiskFaults
    engine: EngineFaults
    checks: int = 0  # full checks with repairs, as by `statnive verify --repair`
    clock_s: float = 0.0  # how far the wall clock is off
    drain_s: float = 1.0
    cut_after: bool = False  # the power fails once the process is gone, whatever ended it


@attrs.frozen
class Plan:
    """A world."""

    kind: Kind
    log_first: bool
    window: int
    wal: WalConfig
    writer: WriterConfig
    row_bytes_max: int
    request_rows_max: int
    poison_share: float
    repairs_tokens: bool  # before the embedded engine is opened; without it, counting has to do
    lives: tuple[LifePlan, ...]


def draw(rng: random.Random) -> Plan:
    """A world in which some faults are common, and the others do not happen: rare ones are then not drowned."""
    kind: Kind = rng.choice(("embedded", "server"))
    wal = WalConfig(
        segment_bytes=SEGMENT_BYTES,
        size_bytes_max=rng.choice((6, 12)) * SEGMENT_BYTES,
        commit_interval_ms=rng.choice((1, 10, 30)),
        commit_gap_ms=rng.choice((0, 3)),
        commit_rows=rng.choice((2, 6, 50)),
        keep_s=rng.choice((0.0, 0.0, 0.3)),
    )
    writer = WriterConfig(
        block_rows_max=rng.choice((2, 6, 20, 100)),
        block_interval_ms=rng.choice((5, 60)),
        retry_first_ms=rng.choice((5, 40)),
        retry_max_ms=200,
    )
    disk = rng.choice(("good", "good", "good", "errors", "errors", "full"))
    lives = [_life(rng, kind, disk) for _ in range(rng.choice((1, 2, 2, 3)))]
    return Plan(
        kind=kind,
        log_first=rng.random() < 0.5,
        # Too small for what a server may be sent late: that is what the product sets 10,000 for.
        window=12 if kind == "embedded" and rng.random() < 0.25 else 10_000,
        wal=wal,
        writer=writer,
        row_bytes_max=rng.choice((40, 400, 1_900)),
        request_rows_max=rng.choice((1, 3, 6)),
        poison_share=rng.choice((0.0, 0.0, 0.0, 0.05)),
        repairs_tokens=rng.random() < 0.5,
        lives=(*lives, _last_life(rng)),
    )


def _life(rng: random.Random, kind: Kind, disk: str) -> LifePlan:
    death: Death | None = rng.choice((None, "kill", "kill", "power", "power", "cancel"))
    by_step = rng.random() < 0.8
    at_call = rng.choice(CALLS)
    # As often among the first ten steps as among the last five hundred.
    at_step = int(2 ** rng.uniform(0, 5 if at_call else 10))
    fate = Fate(
        death=death,
        at_call=at_call,
        at_step=at_step if death and by_step and death != "cancel" else None,
        after_s=rng.uniform(0.01, 0.4) if death and (not by_step or death == "cancel") else 60.0,
        preempt_share=rng.choice((0.0, 0.0, 0.03, 0.2)),
        latency_s_max=rng.choice((0.001, 0.01, 0.05)),
    )
    return LifePlan(
        fate=fate,
        clients=rng.randint(1, 3),
        requests=rng.randint(1, 6),
        disk=_disk_faults(rng, disk),
        engine=_engine_faults(rng, kind),
        checks=rng.choice((0, 0, 0, 1, 3)),
        clock_s=rng.choice((0.0, 0.0, 120.0, -120.0, 2 * 86_400.0)),
        cut_after=rng.random() < 0.25,
    )


def _disk_faults(rng: random.Random, disk: str) -> DiskFaults:
    if disk == "good" or rng.random() < 0.3:
        return DiskFaults()
    if disk == "full":
        return DiskFaults(full_from=int(2 ** rng.uniform(0, 8)), full_calls=rng.choice((1, 3, 10)))
    call = rng.choice(("", "", "fdatasync", "fdatasync", "fsync_dir", "rename", "create", "unlink"))
    at_call = int(2 ** rng.uniform(0, 5 if call else 8))
    return DiskFaults(error_at=at_call, error_call=call, short=not call and rng.random() < 0.3)


def _engine_faults(rng: random.Random, kind: Kind) -> EngineFaults:
    def at_times(share: float) -> float:
        return share if rng.random() < 0.3 else 0.0

    faults = EngineFaults(
        rename_errors=at_times(0.1),
        view_errors=at_times(0.1),
        outage_s=at_times(rng.uniform(0.05, 0.8)),
        flush_errors=0.05 if kind == "embedded" and rng.random() < 0.1 else 0.0,
    )
    if kind == "embedded":
        return faults
    return attrs.evolve(
        faults,
        refused=at_times(0.3),
        lost_request=at_times(0.2),
        lost_answer=at_times(0.3),
        late=at_times(0.2),
        in_transit=at_times(0.2),
        crash_share=at_times(0.05),
        power_share=rng.choice((0.0, 0.5, 1.0)),
    )


def _last_life(rng: random.Random) -> LifePlan:
    """Nothing fails any more; what is in the log goes in."""
    return LifePlan(
        fate=Fate(latency_s_max=0.001),
        clients=rng.randint(0, 1),
        requests=1,
        disk=DiskFaults(),
        engine=EngineFaults(),
        drain_s=600.0,
    )
