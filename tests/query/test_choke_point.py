"""No read goes around statnive.query.where: a walk over the code, and proof that the walk finds what it
should.

Refused: (1) SQL that reads a product table, anywhere but in query/where.py; verify, repair, erase, closing and
         migrate.py, the operator's statements over all sites, are the named exceptions; (2) in query/, any SELECT or
         FROM of its own; (3) `operator_query` anywhere but in those exceptions; (4) making a Statement or a Where by
         hand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from statnive.query.where import Table

PACKAGE = Path(__file__).parents[2] / "statnive"
CHOKE_POINT = "query/where.py"
OPERATORS = {f"clickhouse/{name}.py" for name in ("verify", "repair", "erase", "migrate", "closing")}
DEFINES_OPERATOR_QUERY = "clickhouse/client.py"

_TABLES = rf"(?:{'|'.join(Table)})(?:_local)?"
_READS = re.compile(rf"\b(?:FROM|JOIN)\s+(?:\W*\w+\W*\.)?\W*{_TABLES}\b", re.IGNORECASE)
_SELECT = re.compile(r"\bSELECT\b.*\bFROM\b|^\s*SELECT\b", re.IGNORECASE | re.DOTALL)
_FROM = re.compile(r"(?:^|\s|\))FROM\s", re.DOTALL)


def findings(path: str, source: str) -> list[str]:
    """What is wrong with the file at `path` (relative to the package), one line each."""
    tree, found = ast.parse(source), []
    for line, text in _strings(tree):
        if path == CHOKE_POINT:
            continue
        if path.startswith("query/") and (_SELECT.search(text) or _FROM.search(text)):
            found.append(f"{path}:{line}: SQL of its own, not from where(…)")
        elif path not in OPERATORS and (_READS.search(text) or _names_a_table_in_sql(text)):
            found.append(f"{path}:{line}: reads a product table")
    for node in ast.walk(tree):
        name = _called(node)
        if name in {"Statement", "Where"} and path != CHOKE_POINT:
            found.append(f"{path}:{node.lineno}: makes a {name} by hand")
        if name == "operator_query" and path not in OPERATORS | {DEFINES_OPERATOR_QUERY}:
            found.append(f"{path}:{node.lineno}: operator_query sees every site")
    return found


def _names_a_table_in_sql(text: str) -> bool:
    return bool(_SELECT.search(text) and re.search(rf"\b{_TABLES}\b", text))


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string of the code but docstrings, with f-strings, `+` and `%` put together; a hole reads as ` ?
    `.
    """
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in docstrings or id(node) in parts:
            continue
        if isinstance(node, (ast.JoinedStr, ast.BinOp)) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            parts.update(id(inner) for inner in ast.walk(node))
            yield node.lineno, _text(node)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else " ? "
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.FormattedValue):
        return _hole(node.value)
    return _hole(node)


def _hole(node: ast.AST) -> str:
    """A table that is named by its constant is as good as its name."""
    if isinstance(node, ast.Name) and node.id == "RAW_TABLE":
        return Table.EVENTS_RAW
    if isinstance(node, ast.Attribute) and node.attr in Table.__members__:
        return Table[node.attr]
    return " ? "


def test_every_read_of_a_product_table_goes_through_where():
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        path = file.relative_to(PACKAGE).as_posix()
        found += findings(path, file.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize("path", sorted(OPERATORS | {CHOKE_POINT, DEFINES_OPERATOR_QUERY}))
def test_the_named_exceptions_exist(path):
    assert (PACKAGE / path).is_file()


PLANTED = {
    "a plain string": 'rows = db.run("SELECT sum(pageviews) FROM hourly_visitors")',
    "with a database": 'rows = db.run("SELECT 1 FROM statnive.events_raw WHERE site_id = 1")',
    "quoted": 'rows = db.run("SELECT 1 FROM `statnive`.`daily_pages`")',
    "an f-string": 'rows = db.run(f"SELECT {columns} FROM {database}.daily_pages")',
    "a table in a hole": 'rows = db.run(f"SELECT 1 FROM {database}.{RAW_TABLE}")',
    "a member in a hole": 'rows = db.run(f"SELECT 1 FROM {Table.DAILY_SOURCES}")',
    "added up": 'rows = db.run("SELECT 1 FROM " + "daily_sources")',
    "formatted": 'rows = db.run("SELECT %s FROM daily_sources" % columns)',
    "of a cluster's node": 'rows = db.run("SELECT 1 FROM d.daily_pages_local")',
    "a join": 'rows = db.run("SELECT 1 FROM numbers(1) AS n JOIN events_raw USING x")',
    "over two lines": 'rows = db.run("""SELECT 1\n  FROM\n  events_raw""")',
    "in lower case": 'rows = db.run("select 1 from events_raw")',
    "a fragment": 'TAIL = " FROM hourly_visitors WHERE 1"',
    "operator_query": 'rows = client.operator_query("SELECT 1")',
    "a Statement by hand": "rows = client.query(Statement(sql, {}, token))",
    "a Where by hand": "rows = client.query(where.Where(text, {}).select(a, b))",
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("path", ["web/stats.py", "query/reports.py"])
def test_a_planted_read_is_found(kind, path):
    assert findings(path, PLANTED[kind]), f"{kind} was not found in {path}"


@pytest.mark.parametrize(
    "source", ['q = "SELECT 1 FROM system.tables"', 'q = f"SELECT {a}"', 'q = "1 FROM x "']
)
def test_any_sql_of_its_own_is_found_in_query(source):
    assert findings("query/drilldown.py", source)


@pytest.mark.parametrize(
    "source",
    [
        '"""SELECT a FROM events_raw, says the module."""',
        'def f():\n    "Reads FROM daily_pages."\n',
        'raise ValueError("select a site from the list")',
        'TABLE = "events_raw"',
        "client.command(f\"INSERT INTO {RAW_TABLE} (a) FROM INFILE 'x'\")",
        "rows = reader.query(where(scope).select(columns, Table.DAILY_PAGES))",
    ],
)
def test_what_reads_nothing_is_left_alone(source):
    assert findings("web/stats.py", source) == []


def test_the_exceptions_are_exceptions_only_for_themselves():
    source = PLANTED["a plain string"]
    for path in OPERATORS:
        assert findings(path, source) == []
    assert findings("clickhouse/embedded.py", source)
