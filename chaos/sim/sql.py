"""The statements of statnive.clickhouse.verify and .repair, carried out on the simulated engine.

Not a database: a SELECT over one table (or over another SELECT), with the expressions those two modules write, turned
into Python; and the handful of ALTERs, CREATEs and INSERTs of a repair. What is not understood is an AssertionError:
a statement that the product changes has to be taught here, never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import CodeType, SimpleNamespace
from typing import Any, Final, NamedTuple

from chaos.sim.engine import RAW, ROLLUPS, Engine, Step
from chaos.sim.tables import RowRef

VIEW_SELECT: Final = "SELECT (a view)"
COLUMNS: Final = ("day", "events")
_PARAMETER = re.compile(r"\{(\w+):\w+\}")
_SETTINGS = re.compile(r" SETTINGS (\w+ = '?[\w.]+'?,? ?)+$")
_COPY = re.compile(
    r"INSERT INTO \w+\.(\w+) (?:\([^)]*\) )?SETTINGS (?:\w+ = '[^']*',? )+(SELECT .*)", re.DOTALL
)
_SELECT = re.compile(
    r"SELECT (?P<items>.*?) FROM (?P<source>\w+\.\w+|\(.*\))"
    r"(?: WHERE (?P<where>.*?))?(?: GROUP BY (?P<group>.*?))?(?: HAVING (?P<having>.*?))?"
    r"(?: ORDER BY (?P<order>[\w, ]+))?(?P<limit> LIMIT 1 BY log_id, lsn)?"
)
_AGGREGATE = re.compile(r"\b(count|countIf|sum|min|max|uniqExact)\(")


class Answer(NamedTuple):
    """As much of the driver's result as the product reads."""

    column_names: tuple[str, ...]
    result_rows: list[tuple[Any, ...]]


def answer(rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> Answer:
    columns = tuple(rows[0]) if rows else tuple(names)
    return Answer(columns, [tuple(row.values()) for row in rows])


def bind(sql: str, parameters: Mapping[str, Any]) -> str:
    """One line of text with its parameters in it."""
    text = _PARAMETER.sub(lambda found: repr(parameters[found[1]]), sql)
    return " ".join(text.split())


# --- statements that change something -----------------------------------------------------------------------


def command(engine: Engine, text: str, step: Step) -> None:
    """Carry out a statement without an answer."""
    for pattern, handler in _COMMANDS:
        found = pattern.fullmatch(text)
        if found is not None:
            handler(engine, found, step)
            return
    raise AssertionError(f"chaos/sim/sql.py does not know this statement: {text}")


def _create(engine: Engine, found: re.Match[str], step: Step) -> None:
    engine.create(found[1])


def _drop(engine: Engine, found: re.Match[str], step: Step) -> None:
    engine.drop(found[1])


def _copy_partition(engine: Engine, found: re.Match[str], step: Step) -> None:
    engine.copy_partition(found[1], int(found[3]), found[4], step, replaces=found[2] == "REPLACE")


def _move_partition(engine: Engine, found: re.Match[str], step: Step) -> None:
    engine.move_partition(found[1], int(found[2]), found[3], step)


def _delete(engine: Engine, found: re.Match[str], step: Step) -> None:
    goes = _condition(engine, found[3])
    engine.delete(found[1], int(found[2]), lambda row: bool(goes(row)), step)


def _insert_select(engine: Engine, found: re.Match[str], step: Step) -> None:
    name, select = found[1], found[2]
    view = re.fullmatch(
        rf"SELECT [^()]* FROM \({re.escape(VIEW_SELECT)}\) WHERE day = toDate\('(.*)'\)", select
    )
    if view is not None:
        rows = [row for row in engine.table(RAW).rows() if row.day == view[1] and not row.is_bot]
    else:
        parsed = _SELECT.fullmatch(select)
        assert parsed is not None, select
        assert parsed["items"] == "*", select
        rows = _filtered(engine, parsed)
        if parsed["limit"]:
            rows = list({(row.log_id, row.lsn): row for row in reversed(rows)}.values())
    engine.insert_rows(name, rows, "", step)


_COMMANDS: Final[tuple[tuple[re.Pattern[str], Callable[[Engine, re.Match[str], Step], None]], ...]] = (
    (re.compile(r"CREATE TABLE \w+\.(\w+) AS \w+\.\w+(?: ENGINE = Null)?"), _create),
    (re.compile(r"DROP TABLE IF EXISTS \w+\.(\w+) SYNC SETTINGS .*"), _drop),
    (re.compile(r"ALTER TABLE \w+\.(\w+) (ATTACH|REPLACE) PARTITION (\d+) FROM \w+\.(\w+)"), _copy_partition),
    (re.compile(r"ALTER TABLE \w+\.(\w+) MOVE PARTITION (\d+) TO TABLE \w+\.(\w+)"), _move_partition),
    (
        re.compile(
            r"ALTER TABLE \w+\.(\w+) DELETE IN PARTITION (\d+) WHERE (.*) SETTINGS mutations_sync = 2"
        ),
        _delete,
    ),
    (_COPY, _insert_select),
)


# --- questions ----------------------------------------------------------------------------------------------


def query(engine: Engine, text: str, running: int) -> Answer:
    """The rows of a SELECT. `running`: how many statements the server is seen to work on."""
    if "system.processes" in text:
        pending = sum(len(table.mutations) for table in engine.tables.values())
        return answer([{"running": running + pending}])
    if "FROM system.tables" in text:
        return _system_tables(engine, text)
    if "FROM system.columns" in text:
        if "'SimpleAggregateFunction(sum'" in text:
            return answer([{"table": name} for name in ROLLUPS])
        return answer([{"name": name} for name in COLUMNS])
    return answer(_select(engine, text), re.findall(r"AS (\w+)", text))


def _system_tables(engine: Engine, text: str) -> Answer:
    if "as_select" in text:
        return answer([{"as_select": VIEW_SELECT}])
    (prefix,) = re.findall(r"startsWith\(name, '(\w+)'\)", text)
    return answer([{"name": name} for name in sorted(engine.tables) if name.startswith(prefix)], ["name"])


def _select(engine: Engine, text: str) -> list[dict[str, Any]]:
    parsed = _SELECT.fullmatch(text)
    assert parsed is not None, f"chaos/sim/sql.py does not know this statement: {text}"
    items = dict(_item(item) for item in _split(parsed["items"]))
    rows = _filtered(engine, parsed)
    keys = parsed["group"].split(", ") if parsed["group"] else []
    if not keys and not any(map(_AGGREGATE.search, items.values())):
        return [{name: _value(source, row) for name, source in items.items()} for row in rows]
    groups: dict[tuple[Any, ...], list[Any]] = {} if keys else {(): rows}
    for row in rows if keys else ():
        groups.setdefault(tuple(_value(items.get(key, key), row) for key in keys), []).append(row)
    found = []
    for key, members in groups.items():
        env = dict(zip(keys, key, strict=True))
        result = {
            name: env[name] if name in env else _total(source, members, env) for name, source in items.items()
        }
        if not parsed["having"] or _value(parsed["having"], SimpleNamespace(**result)):
            found.append(result)
    order = parsed["order"].split(", ") if parsed["order"] else keys
    return sorted(found, key=lambda row: [row[name] for name in order if name in row])


def _item(text: str) -> tuple[str, str]:
    source, _, name = text.rpartition(" AS ")
    return (name, source) if source else (text, text)


def _filtered(engine: Engine, parsed: re.Match[str]) -> list[Any]:
    source = parsed["source"]
    rows: list[Any]
    if source.startswith("("):
        rows = [SimpleNamespace(**row) for row in _select(engine, source[1:-1])]
    else:
        table = engine.table(source.partition(".")[2])
        rows = list(table.rows())
        if "_part" in parsed["items"]:
            parts = table.active.values()
            rows = [
                SimpleNamespace(**row._asdict(), _part=part.number, partition=part.partition)
                for part in parts
                for row in part.rows
            ]
    if not parsed["where"]:
        return rows
    holds = _condition(engine, parsed["where"])
    return [row for row in rows if holds(row)]


def _condition(engine: Engine, text: str) -> Callable[[Any], Any]:
    """A WHERE as a function of a row; a subquery is answered first."""
    nested = re.search(r"lsn (NOT IN|IN) \((SELECT lsn FROM .*)\)$", text)
    if nested is not None:
        among = ", ".join(str(row["lsn"]) for row in _select(engine, nested[2])) or "-1"
        text = f"{text[: nested.start()]}lsn {nested[1]} ({among})"
    code = _compile(text)
    return lambda row: eval(code, {"r": row, "toYYYYMM": _month_of})


def _value(source: str, row: Any) -> Any:
    return eval(_compile(source), {"r": row, "toYYYYMM": _month_of, "intDiv": _int_div})


def _total(source: str, rows: Iterable[Any], env: Mapping[str, Any]) -> Any:
    """An aggregate; what it is of is evaluated row by row, with the group's keys as names."""
    found = re.fullmatch(r"(\w+)\((.*)\)", source)
    assert found is not None, source
    function, inner = found.groups()
    if function == "count":
        return sum(1 for _ in rows)
    code = _compile(inner, tuple(env))
    scope = {"toYYYYMM": _month_of, **env}
    values = [eval(code, {"r": row, **scope}) for row in rows]
    return _AGGREGATES[function](values)


def _month_of(day: str) -> int:
    return int(day[:4] + day[5:7])


def _int_div(number: int, by: int) -> int:
    return number // by


_AGGREGATES: Final[Mapping[str, Callable[[list[Any]], int]]] = {
    "countIf": lambda values: sum(map(bool, values)),
    "sum": sum,
    "min": lambda values: min(values, default=0),
    "max": lambda values: max(values, default=0),
    "uniqExact": lambda values: len(set(values)),
}
_WORD = re.compile(r"'[^']*'|\b[A-Za-z_]\w*\b(?!\()")
_KEYWORDS: Final = {"AND": "and", "OR": "or", "NOT": "not", "IN": "in"}


@lru_cache(maxsize=4096)
def _compile(source: str, names: tuple[str, ...] = ()) -> CodeType:
    """An expression of SQL as one of Python over the row `r`; `names` are not columns."""

    def translate(found: re.Match[str]) -> str:
        word = found[0]
        if word in _KEYWORDS:
            return _KEYWORDS[word]
        return word if word.startswith("'") or word in names else f"r.{word}"

    text = re.sub(r"(?<![<>!=])=(?!=)", "==", source)
    text = re.sub(r"IN \(([^()]+)\)", r"IN (\1,)", text)
    return compile(_WORD.sub(translate, text), source, "eval")


def _split(items: str) -> list[str]:
    """At the commas that are not inside brackets."""
    found, depth, start = [], 0, 0
    for at, character in enumerate(items):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            found.append(items[start:at].strip())
            start = at + 1
    return [*found, items[start:].strip()]


__all__ = ["Answer", "RowRef", "bind", "command", "query"]
