"""What the node does wrong on purpose, and what it has counted."""

from __future__ import annotations

import random
import re
from collections import Counter, OrderedDict
from hashlib import sha256
from typing import Any, Final, Literal

import attrs

from chaos.clickhouse_node.errors import NAMES
from chaos.clickhouse_node.protocol import Statement

TOKENS_MAX: Final = 10_000
PING: Final = "/ping"


@attrs.frozen
class Fault:
    """What happens to statements whose SQL `matching` (a regular expression, any case) is found in; a ping's
    is "/ping".

    In this order: wait `delay_before_ms`; then, unless `execute`, `status` (an HTTP status without
    ClickHouse's headers: some balancer's answer) or `code` (ClickHouse's exception, such as 252
    TOO_MANY_PARTS) or `close="before"` take the place of the execution. Afterwards wait `delay_after_ms`;
    `close="after"` closes without an answer, "middle" sends half of it. With `execute` the statement is
    carried out, and then `status` or `code` answered all the same.

    `share` of the statements are hit, at random; after `times` hits the fault is over (0: never).
    """

    matching: str = ""
    delay_before_ms: float = 0
    delay_after_ms: float = 0
    status: int = 0
    code: int = 0
    execute: bool = False
    close: Literal["", "before", "after", "middle"] = ""
    share: float = 1.0
    times: int = 0

    def __attrs_post_init__(self) -> None:
        re.compile(self.matching)
        if self.status and not 400 <= self.status <= 599:
            raise ValueError("status must be 400 to 599")
        if self.close not in ("", "before", "after", "middle"):
            raise ValueError("close must be before, after or middle")
        if bool(self.status) + bool(self.code) + bool(self.close) > 1:
            raise ValueError("only one of status, code and close")
        if self.code and self.code not in NAMES:
            raise ValueError(f"code must be one of {', '.join(map(str, NAMES))}")
        if not 0 <= self.share <= 1 or min(self.delay_before_ms, self.delay_after_ms, self.times) < 0:
            raise ValueError("share must be 0 to 1, delays and times not below 0")


NONE: Final = Fault()


class Faults:
    """The faults that are on; the first one that matches is the one that happens."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._faults: list[Fault] = []
        self._hits: list[int] = []

    def set(self, faults: list[Fault]) -> None:
        self._faults, self._hits = list(faults), [0] * len(faults)

    def get(self) -> list[Fault]:
        return list(self._faults)

    def take(self, text: str) -> Fault:
        """What happens to this statement; NONE mostly."""
        for number, fault in enumerate(self._faults):
            if fault.times and self._hits[number] >= fault.times:
                continue
            if not re.search(fault.matching, text, re.IGNORECASE):
                continue
            if fault.share < 1 and self._random.random() >= fault.share:
                continue
            self._hits[number] += 1
            return fault
        return NONE


@attrs.define
class Token:
    """What happened under one insert_deduplication_token; `blocks` above 1: different rows came under it."""

    attempts: int = 0
    executed: int = 0
    failed: int = 0
    digests: set[bytes] = attrs.field(factory=set)


@attrs.define
class Counters:
    """Since the process started."""

    pings: int = 0
    statements: int = 0
    inserts: int = 0
    faults: int = 0
    in_flight: int = 0
    in_flight_max: int = 0
    inserts_in_flight_max: int = 0
    _inserts_in_flight: int = 0
    errors: Counter[int] = attrs.field(factory=Counter)
    tokens: OrderedDict[str, Token] = attrs.field(factory=OrderedDict)

    def begin(self, statement: Statement) -> None:
        """A statement has arrived."""
        self.statements += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        if statement.query.data is not None:
            self.inserts += 1
            self._inserts_in_flight += 1
            self.inserts_in_flight_max = max(self.inserts_in_flight_max, self._inserts_in_flight)
        if statement.token:
            token = self.tokens.setdefault(statement.token, Token())
            token.attempts += 1
            token.digests.add(sha256(statement.query.data or b"").digest())
            while len(self.tokens) > TOKENS_MAX:
                self.tokens.popitem(last=False)

    def end(self, statement: Statement) -> None:
        """A statement is done with, one way or the other."""
        self.in_flight -= 1
        self._inserts_in_flight -= statement.query.data is not None

    def executed(self, statement: Statement) -> None:
        if statement.token in self.tokens:
            self.tokens[statement.token].executed += 1

    def failed(self, statement: Statement | None, code: int) -> None:
        self.errors[code] += 1
        if statement is not None and statement.token in self.tokens:
            self.tokens[statement.token].failed += 1

    def as_json(self) -> dict[str, Any]:
        """By the names above; `tokens`: {token: {attempts, executed, failed, blocks}}."""
        plain = attrs.asdict(
            self, filter=lambda field, _: field.name not in ("tokens", "errors", "_inserts_in_flight")
        )
        plain["errors"] = {str(code): count for code, count in self.errors.items()}
        plain["tokens"] = {
            name: {
                "attempts": token.attempts,
                "executed": token.executed,
                "failed": token.failed,
                "blocks": len(token.digests),
            }
            for name, token in self.tokens.items()
        }
        return plain
