"""One seed, one world: a node's lives on one disk with one engine, and the verdict.

Owns:       the disk, the engine, the ledger, the order of everything.
Inputs:     a seed (plan.draw says what it means); mutants, to see that a planted bug is found.
Outputs:    a Result: the trace, and the first promise that was broken, if any.
Invariants: I1 the same seed gives the same trace, in every process: there are no threads, no clock but trio's mock
            clock, no randomness but the seed's; I2 committer, writer, log, state file, quarantine, and everything of
            statnive.clickhouse above the driver are the product's own.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import attrs
import trio
import trio._core._run as trio_run
from trio.testing import MockClock

from chaos.sim import client, node
from chaos.sim.disk import ProcessFiles
from chaos.sim.engine import Engine
from chaos.sim.filesystem import Crash, SimFileSystem
from chaos.sim.ledger import Ledger, Violation
from chaos.sim.link import Embedded, Server
from chaos.sim.plan import LifePlan, Plan, draw
from chaos.sim.process import Process
from chaos.sim.tables import Events
from statnive.errors import Fatal

WAL_DIR = Path("/data/wal")
STARTS_MAX = 40  # of the last life, until it ends in good order
Entry = tuple[float, str, tuple[object, ...]]  # simulated seconds, what, details: nothing that changes later
Mutant = Callable[[], AbstractContextManager[object]]


@attrs.frozen
class Result:
    """What became of a world."""

    seed: int
    plan: Plan
    entries: list[Entry] = attrs.field(repr=False)
    violation: str | None
    acknowledged: int
    repairs: int  # that the product had to make

    @property
    def trace(self) -> list[str]:
        """What happened, line by line."""
        return [f"{at:10.4f} {kind} {' '.join(map(str, details))}" for at, kind, details in self.entries]

    @property
    def digest(self) -> str:
        """The trace in short: the same for the same seed."""
        return hashlib.blake2b("\n".join(self.trace).encode(), digest_size=16).hexdigest()


def simulate(seed: int, mutants: Sequence[Mutant] = ()) -> Result:
    """Run the world of a seed to its end or to the first broken promise."""
    world = World(seed)
    with ExitStack() as stack:
        for mutant in mutants:
            stack.enter_context(mutant())
        world.run()
    return Result(
        seed=seed,
        plan=world.plan,
        entries=world.entries,
        violation=world.violation,
        acknowledged=len(world.ledger.acknowledged),
        repairs=sum(kind == "report" and details[0] == "repaired" for _, kind, details in world.entries),
    )


class World:
    """See the module's contract."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(f"world {seed}")
        self.plan = draw(random.Random(f"plan {seed}"))
        self.entries: list[Entry] = []
        self.violation: str | None = None
        self.disk = SimFileSystem()
        self.events = Events()
        self.engine = Engine(
            self.events,
            self.rng,
            self.trace,
            log_first=self.plan.log_first,
            window=self.plan.window,
            parts_synced=self.plan.kind == "server",
        )
        self.ledger = Ledger(self.disk, self.engine, WAL_DIR)
        self.server = Server(self.engine, self.rng, self.trace)

    def trace(self, kind: str, *details: object) -> None:
        """One line of what happened."""
        self.entries.append((trio.current_time(), kind, details))

    def run(self) -> None:
        """All lives, then the verdict."""
        random_state = random.getstate()
        random.seed(f"jitter {self.seed}")  # the writer's
        vars(trio_run)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True  # tasks are run in the order of _r alone
        trio_run._r.seed(f"scheduler {self.seed}")
        try:
            trio.run(self._live_on, clock=MockClock(autojump_threshold=0))
        except Violation as broken:
            self.violation = str(broken)
        finally:
            random.setstate(random_state)

    async def _live_on(self) -> None:
        for number, plan in enumerate(self.plan.lives, 1):
            is_last = number == len(self.plan.lives)
            self.trace("life", number, plan)
            ended_well = False
            for _ in range(STARTS_MAX if is_last else 1):
                ended_well = await self._live(plan)
                if ended_well:
                    break
            if is_last and not ended_well:
                raise Violation("the node does not end in good order although nothing fails any more")
        await trio.sleep(10)
        self.server.catch_up(trio.current_time())
        self.engine.kill()
        self.engine.start()
        self.ledger.judge()

    async def _live(self, plan: LifePlan) -> bool:
        """One life; whether it was stopped in good order."""
        process = Process(plan.fate, self.rng, self.trace)
        files = ProcessFiles(self.disk, process, attrs.evolve(plan.disk), self.ledger)
        link: Embedded | Server = self.server
        if self.plan.kind == "embedded":
            link = Embedded(self.engine, process, plan.engine)
        else:
            self.server.serve(process, plan.engine)
        ended_well = False
        try:
            with (
                process.threads.installed(),
                client.installed(self.engine, link, repairs_tokens=self.plan.repairs_tokens),
                process.scope,
            ):
                await node.run(node.Parts(self.plan, plan, process, files, self.events, self.ledger, WAL_DIR))
                ended_well = True
        except BaseException as error:
            self._judge_end(process, plan, error)
        self._after(process, plan, ended_well=ended_well)
        return ended_well

    def _judge_end(self, process: Process, plan: LifePlan, error: BaseException) -> None:
        """A process may die, or end itself because its disk failed; by nothing else."""
        for leaf in _leaves(error):
            if isinstance(leaf, Violation):
                raise leaf
            if process.dead and isinstance(leaf, (Crash, trio.Cancelled)):
                continue
            disk_fails = plan.disk.error_at is not None or plan.disk.full_from is not None
            if isinstance(leaf, Fatal) and (disk_fails or plan.engine.flush_errors):
                self.trace("fatal", leaf)
                continue
            raise Violation(f"the process ended by {type(leaf).__name__}: {leaf}") from error
        if self.ledger.violations:
            raise Violation(self.ledger.violations[0])

    def _after(self, process: Process, plan: LifePlan, *, ended_well: bool) -> None:
        """What a life leaves behind: its disk, and the engine that lived in it."""
        power = plan.cut_after or (process.dead and plan.fate.death == "power")
        self.trace("end", "well" if ended_well else "badly", "power cut" if power else "")
        if power:
            self.disk.crash(self.rng)
        else:
            self.disk.restart()
        if self.plan.kind == "embedded":
            if power:
                self.engine.power_cut()
            else:
                self.engine.kill()


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
