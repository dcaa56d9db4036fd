"""J: a torn and corrupted log. Every byte of the last frame is cut or flipped; a bit is flipped in the middle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaos.rig import surgery
from chaos.rig.clients import Group
from chaos.rig.rig import Rig
from chaos.rig.shell import RigError
from chaos.rig.watch import until
from chaos.scenarios.contract import Play, Scenario, Windows
from statnive.wal.frame import parse_header
from statnive.wal.fs import RealFileSystem
from statnive.wal.log import Log
from statnive.wal.state import StateFile

TORN, FLIPPED = "the last frame is torn", "a bit is flipped in the middle"
BOTH = f"{TORN} and {FLIPPED}"
WAITING_FRAMES = 12
FILL_S = 60.0
ATTEMPTS = 8
FRAMES_MIN = 3
SAMPLE = 37  # of the bytes, where not all are tried


class TornLog(Scenario):
    """What was never acknowledged is cut off; what was is set aside and said to be lost, and only that is."""

    letter = "J"
    title = "torn and corrupted log"
    fatal = True  # the node is killed to get at its log

    def __init__(self, rig: Rig, windows: Windows) -> None:
        super().__init__(rig, windows)
        self.destroyed: list[tuple[str, int]] = []  # events whose bytes were flipped

    def groups(self) -> dict[str, Group]:
        return {"visitors": Group(rate=200, timeout_s=2)}

    def faults(self) -> Sequence[str]:
        return (TORN, FLIPPED) if self.windows.every_fault else (BOTH,)

    def prepare(self) -> None:
        super().prepare()
        self._wrong: list[str] = []
        self._tried = 0
        self.destroyed = []

    def apply(self, fault: str) -> None:
        assert self.rig.clickhouse is not None
        self.rig.clickhouse.kill()
        wal = self.rig.data_dir / "wal"
        for _ in range(ATTEMPTS):  # the last segment may be full, just then
            until(self._enough_waits, FILL_S, 0.05)
            self.rig.kill_node()
            if self._has_room(wal):
                break
            self.rig.start_node()
        if fault in (TORN, BOTH):
            self._tear(wal)
        if fault in (FLIPPED, BOTH):
            self._flip(wal)

    def hold(self, seconds: float) -> None:
        """The damage is done: nothing more happens until the node is started."""

    def restore(self) -> None:
        if self.rig.clickhouse is not None:
            self.rig.clickhouse.restore()
        self.rig.start_node()

    def lost_rightly(self, play: Play) -> int:
        acknowledged = {
            (ledger.header.settings.run, ledger.first_seq + number)
            for ledger in play.all_ledgers()
            for number, status in enumerate(ledger.status)
            if status == 202
        }
        return len(acknowledged & set(self.destroyed))

    def judge(self, play: Play) -> Iterator[str]:
        yield from self._wrong[:5]
        run = play.ledgers["visitors"][0].header.settings.run
        there = self.rig.sql(
            f"SELECT count() AS rows FROM {self.rig.database}.events_raw WHERE props['run'] = {{run:String}} "
            "AND has({seqs:Array(UInt64)}, toUInt64OrZero(props['seq']))",
            {"run": run, "seqs": [seq for _, seq in self.destroyed]},
        )
        if there[0]["rows"]:
            yield f"{there[0]['rows']} events of the flipped frame are there: something made them up"
        said = [line for ended in play.spans for line in self._said(ended.fault)]
        torn = [line for line in said if "torn_write: " in line]
        lost = [line for line in said if "corruption: " in line]
        if len(torn) != 1:
            yield f"the torn frame was reported {len(torn)} times"
        if len(lost) != 1 or f"{len(self.destroyed)} acknowledged events are lost" not in lost[0]:
            yield f"the flipped frame of {len(self.destroyed)} events was reported as {lost}"
        if not list((self.rig.data_dir / "wal" / "corrupt").glob("*.bad")):
            yield "the flipped frame's bytes were not set aside"

    def facts(self, play: Play) -> dict[str, str]:
        return {
            "cuts and flips of the last frame tried on its log": f"{self._tried:,}",
            "acknowledged events in the flipped frame, lost and reported": str(self.lost_rightly(play)),
        }

    # --- damage ---------------------------------------------------------------------------------------------

    def _tear(self, wal: Path) -> None:
        """A frame that was being written: every prefix, and every flipped byte, must be cut off, and nothing else."""
        try:
            path, offset, data = surgery.next_frame(wal, self._torn_rows())
        except LookupError:
            raise RigError("the log's last segment had no room for one more frame: try again") from None
        copy = self.rig.path / "torn"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(wal, copy)
        expected = [(placed.frame.first_lsn, placed.frame.payload) for placed in surgery.frames(wal)]
        step = 1 if self.windows.every_byte else SAMPLE
        for at in range(1, len(data), step):
            self._try(copy, path.name, offset, data[:at], expected, f"cut after byte {at}")
        for at in range(0, len(data), step):
            flipped = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
            self._try(copy, path.name, offset, flipped, expected, f"byte {at} flipped")
        surgery.write_at(path, offset, data[: len(data) * 2 // 3])

    def _try(
        self, wal: Path, name: str, offset: int, data: bytes, expected: list[tuple[int, bytes]], what: str
    ) -> None:
        """Recover the log with `data` at its end; it leaves the log as it was before."""
        self._tried += 1
        surgery.write_at(wal / name, offset, data)
        state = StateFile(wal, RealFileSystem()).load()
        log, found = Log.open(
            wal,
            config=surgery.as_config(self.rig.settings),
            fs=RealFileSystem(),
            checkpoint_lsn=state.done_lsn if state else 0,
            seen_lsn=state.seen_lsn if state else 0,
        )
        if log._fd is not None:
            RealFileSystem().close(log._fd)
        kept = [(placed.frame.first_lsn, placed.frame.payload) for placed in surgery.frames(wal)]
        if kept != expected:
            self._wrong.append(f"{what}: {len(kept)} frames were kept of {len(expected)}")
        elif found.corruptions or not (found.torn_bytes or _looks_old(data, found.next_lsn)):
            self._wrong.append(f"{what}: reported as {found}")

    def _flip(self, wal: Path) -> None:
        """A bit of a frame that was never on its way to ClickHouse, with good ones before and behind it."""
        waiting = surgery.untried(wal)
        if len(waiting) < FRAMES_MIN:
            raise RigError("too few frames wait: try again")
        placed = waiting[len(waiting) // 2]
        self.destroyed = placed.events()
        surgery.flip(placed.path, (placed.offset + placed.end) // 2)

    def _has_room(self, wal: Path) -> bool:
        """Whether a frame may be torn in the last segment, and enough wait for one to be flipped."""
        if len(surgery.untried(wal)) < FRAMES_MIN:
            return False
        try:
            surgery.next_frame(wal, self._torn_rows())
        except LookupError:
            return False
        return True

    @staticmethod
    def _torn_rows() -> list[bytes]:
        return [surgery.make_row("torn", number) for number in range(3)]

    def _enough_waits(self) -> bool:
        figures = self.rig.figures()
        return figures is not None and figures["writer_lag_rows"] > WAITING_FRAMES * 8

    def _said(self, fault: str) -> list[str]:
        """What the nodes said that were started after the damage: the last one runs, the one before has ended."""
        outputs = [ended.output for ended in self.rig.ended]
        assert self.rig.node is not None
        outputs.append(tuple(self.rig.node.output))
        return list(outputs[-2] if fault == TORN else outputs[-1])


def _looks_old(data: bytes, next_lsn: int) -> bool:
    """Whether a flipped bit made the frame's LSN smaller: then it can't be told from what a segment held before it was
    used again, of which nothing is said.
    """
    header = parse_header(data, 0)
    return header is not None and header.first_lsn < next_lsn
