"""Between the product and the simulated engine: inside the process, or over a network that lies.

Owns:       when the engine runs: it is down after a crash, during an outage, or with the process it lives in.
Inputs:     one statement at a time, as a function of `Step`; the faults of the life.
Outputs:    its answer; or an error that may mean "not done", "done in part", "done", or "done later".
Invariants: I1 an error never says which of these it was, except a connection that was refused; I2 a server's
            statement whose caller gave up may still be carried out, until the server dies.
Failure:    the driver's exceptions; Crash when the process dies in an embedded engine's statement.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeVar

import trio
from clickhouse_connect.driver.exceptions import OperationalError
from urllib3.exceptions import NewConnectionError

from chaos.sim.engine import Engine, Step, failure
from chaos.sim.filesystem import Crash
from chaos.sim.plan import EngineFaults
from chaos.sim.process import Process
from statnive.errors import Fatal

T = TypeVar("T")
Statement = Callable[[Step], T]
NOT_ENOUGH_SPACE = 243
DOWN_S_MAX = 0.3
LATE_S_MAX = 1.0
SELECT_SHARE = 0.2


class Embedded:
    """The engine in the node's process: it dies with it."""

    running = 0  # statements that go on although nobody waits for them

    def __init__(self, engine: Engine, process: Process, faults: EngineFaults) -> None:
        self._engine, self._process, self._faults = engine, process, faults
        outage_at = process.rng.random() * 0.5
        self._outage = (outage_at, outage_at + faults.outage_s) if faults.outage_s else (0.0, 0.0)
        self._started = trio.current_time()
        engine.rename_errors, engine.view_errors = faults.rename_errors, faults.view_errors

    def call(self, what: str, statement: Statement[T]) -> T:
        """Carry a statement out; another thread may run at each step."""
        self._step(what)
        if not self._engine.running:
            self._engine.start()
        if self._outage[0] <= trio.current_time() - self._started < self._outage[1]:
            raise failure(NOT_ENOUGH_SPACE, "cannot reserve space")
        self._engine.background(self._step)
        return statement(self._step)

    def token_hex(self, size: int) -> str:
        """The product's random names, from the seed."""
        return self._process.rng.randbytes(size).hex()

    def flush(self) -> None:
        """syncfs of the data directory."""
        self._step("syncfs")
        if self._faults.flush_errors and self._process.rng.random() < self._faults.flush_errors:
            raise Fatal("simulated: syncfs: input/output error")
        self._engine.sync()

    def repair_tokens(self) -> int:
        """Before the engine is opened: drop tokens without a part; how many."""
        self._step("repair of the log of tokens")
        assert not self._engine.running, "the engine's log of tokens is touched while it is open"
        return self._engine.drop_dangling_tokens()

    def _step(self, what: str) -> None:
        if self._process.step(what):
            raise Crash


class _ServerDies(Exception):  # noqa: N818
    """The server's process ends in the middle of a statement."""


class _Late(NamedTuple):
    """A statement whose caller gave up."""

    due: float
    has_begun: bool  # the server works on it; otherwise the network still has it
    what: str
    statement: Callable[[], object]


class Server:
    """An engine of its own on the other end of a network; it outlives the node."""

    def __init__(self, engine: Engine, rng: random.Random, trace: Callable[..., None]) -> None:
        self._engine, self._rng, self._trace = engine, rng, trace
        self._faults = EngineFaults()
        self._process: Process | None = None
        self._down_until = 0.0
        self._outage = (0.0, 0.0)
        self._late: list[_Late] = []

    def serve(self, process: Process, faults: EngineFaults) -> None:
        """From now on it is this node that calls."""
        self._process, self._faults = process, faults
        self._engine.rename_errors, self._engine.view_errors = faults.rename_errors, faults.view_errors
        begins = trio.current_time() + self._rng.random() * 0.5
        self._outage = (begins, begins + faults.outage_s) if faults.outage_s else (0.0, 0.0)

    def call(self, what: str, statement: Statement[T]) -> T:
        """Send a statement and wait for its answer (I1)."""
        process = self._process
        assert process is not None
        if process.step(what):
            raise Crash
        self.catch_up(trio.current_time())
        if not self._is_up() or self._happens("refused", what):
            raise NewConnectionError(None, "simulated: connection refused")  # type: ignore[arg-type]
        if self._happens("lost_request", what):
            raise OperationalError("simulated: the request got lost")
        changes = not what.startswith("SELECT")
        if changes and self._happens("late", what):
            self._give_up(what, lambda: statement(self._step), has_begun=True)
        if changes and self._happens("in_transit", what):
            self._give_up(what, lambda: statement(self._step), has_begun=False)
        self._carry_out(lambda: self._engine.background(self._step))
        answer = self._carry_out(lambda: statement(self._step))
        if self._happens("lost_answer", what):
            raise OperationalError("simulated: the answer got lost")
        if process.step(f"{what} answered"):
            raise Crash
        return answer

    @property
    def running(self) -> int:
        """What system.processes shows of them."""
        return sum(late.has_begun for late in self._late)

    def token_hex(self, size: int) -> str:
        """The product's random names, from the seed."""
        return self._rng.randbytes(size).hex()

    def flush(self) -> None:
        """Nothing to do: the tables' settings make parts durable as they come."""

    def repair_tokens(self) -> int:
        """A server's files are out of reach."""
        raise AssertionError("the repair of a server's log of tokens was asked for")

    def catch_up(self, now: float) -> None:
        """Carry out what is due of the statements whose callers gave up (I2)."""
        due = [late for late in self._late if late.due <= now]
        self._late = [late for late in self._late if late.due > now]
        for late in due:
            self._trace("server", "late", late.what)
            if self._engine.running:
                try:
                    self._carry_out(late.statement)
                except OperationalError as error:  # nobody is there to hear of it
                    self._trace("server", "late statement failed", str(error))
                except Exception as error:
                    self._trace("server", "late statement refused", str(error))

    def _give_up(self, what: str, statement: Callable[[], object], *, has_begun: bool) -> NoReturn:
        due = trio.current_time() + self._rng.random() * LATE_S_MAX
        self._late.append(_Late(due, has_begun, what, statement))
        raise OperationalError("simulated: no answer in time")

    def _carry_out(self, statement: Callable[[], T]) -> T:
        try:
            return statement()
        except _ServerDies:
            raise OperationalError("simulated: the server closed the connection") from None

    def _is_up(self) -> bool:
        now = trio.current_time()
        if now < self._down_until or self._outage[0] <= now < self._outage[1]:
            return False
        if not self._engine.running:
            self._engine.start()
        return True

    def _happens(self, fault: str, what: str) -> bool:
        share: float = getattr(self._faults, fault)
        if what.startswith("SELECT"):  # it changes nothing, and there are many of them
            share *= SELECT_SHARE
        happens = bool(share) and self._rng.random() < share
        if happens:
            self._trace("network", fault, what)
        return happens

    def _step(self, what: str) -> None:
        if not self._happens("crash_share", what):
            return
        self._late = []
        self._down_until = trio.current_time() + self._rng.random() * DOWN_S_MAX
        if self._rng.random() < self._faults.power_share:
            self._trace("server", "power cut", what)
            self._engine.power_cut()
        else:
            self._trace("server", "killed", what)
            self._engine.kill()
        raise _ServerDies
