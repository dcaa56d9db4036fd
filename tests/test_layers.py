"""The dependency direction of docs/architecture.md, held by reading every import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "statnive"
KNOWS_TRIO = {"actors", "web", "node", "last_resort", "client", "cli"}
MAY_IMPORT = {
    "event": set(),
    "erasures": {"errors"},
    "errors": set(),
    "carriers": set(),
    "config": {"errors", "carriers", "secret_files"},
    "resources": {"errors"},
    "secret_files": {"errors"},
    "certificates": {"errors", "secret_files"},
    "ingest": {"event", "errors", "config", "control"},
    "wal": {"event", "errors", "config", "erasures"},
    "clickhouse": {"event", "errors", "config", "secret_files", "erasures"},
    "control": {"event", "errors", "erasures"},
    "query": {"event", "errors", "control", "erasures"},
    "importer": {"event", "errors"},
    "demo": set(),
    "actors": {
        "event",
        "errors",
        "config",
        "ingest",
        "wal",
        "clickhouse",
        "secret_files",
        "certificates",
        "erasures",
    },
    "web": {"event", "errors", "config", "ingest", "clickhouse", "control", "query", "actors", "erasures"},
}


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(source: str) -> set[str]:
    """The first part below `statnive` of every import, or the foreign package's name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [
                f"{node.module}.{alias.name}" if node.module == "statnive" else node.module
                for alias in node.names
            ]
        for name in names:
            first, _, rest = name.partition(".")
            found.add("statnive." + rest.split(".")[0] if first == "statnive" else first)
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way_and_only_the_outer_parts_know_trio(path: Path) -> None:
    here, found = part(path), imports(path.read_text())
    if here not in KNOWS_TRIO:
        assert not found & {"trio", "anyio", "asyncio", "hypercorn", "starlette"}
    if here in MAY_IMPORT:
        ours = {name.removeprefix("statnive.") for name in found if name.startswith("statnive.")}
        assert ours - {here} <= MAY_IMPORT[here]


def test_only_config_and_the_command_line_read_the_environment() -> None:
    guilty = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if part(path) not in {"config", "cli"}
        and ("os.environ" in path.read_text() or "getenv" in path.read_text())
    ]
    assert guilty == []


RARELY_USED = {
    "webauthn",
    "cryptography",
    "segno",
}  # tens of MB and hundreds of ms that most nodes never need


def test_what_few_people_use_is_loaded_when_it_is_used() -> None:
    for path in sorted(ROOT.rglob("*.py")):
        at_start = [
            node
            for node in ast.parse(path.read_text()).body
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        assert not RARELY_USED & imports("\n".join(map(ast.unparse, at_start))), path
    used = set().union(*(imports(path.read_text()) for path in ROOT.rglob("*.py")))
    assert {"webauthn", "segno"} <= used
