"""The eraser with what it needs of a node: when days end, and who is told."""

from __future__ import annotations

from collections.abc import Callable

from statnive.actors import committer, eraser, writer
from statnive.clickhouse import erase
from statnive.clickhouse.engine import Engine
from statnive.config import Config
from statnive.control import retention
from statnive.control.snapshot import SnapshotHolder
from statnive.wal.erasure_file import ErasureFile


def eraser_of(
    config: Config,
    book: ErasureFile,
    engine: Engine,
    rows: tuple[writer.WriterHandle, committer.CommitterHandle],
    told: eraser.Told,
    *,
    sites: SnapshotHolder,
    clock: Callable[[], float],
    listen: bool,
) -> eraser.EraserHandle:
    """The eraser of a node; `rows`: who inserts them, and who makes them durable."""
    open_s = max(config.wal.keep_s, config.ingest.visit_inactivity_s)

    def floors(now: float, at_once: bool) -> dict[int, tuple[int, int]]:
        return retention.floors(sites.current.by_id.values(), now, open_s, at_once=at_once)

    cluster = config.clickhouse.cluster
    return eraser.EraserHandle(
        book,
        engine,
        *rows,
        told,
        floors=floors,
        clock=clock,
        scheduled=listen and not cluster,
        is_refused=erase.ON_A_CLUSTER if cluster else "",
    )
