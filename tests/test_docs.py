"""What the documents say must exist, and what exists must be in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from statnive import config
from statnive.actors.audit_record import RECORDS
from statnive.event import DropReason

ROOT = Path(__file__).parents[1]
OPERATING = (ROOT / "docs" / "operating.md").read_text()


@pytest.mark.parametrize("table", sorted(config.PARTS))
def test_every_setting_is_documented_with_its_default(table: str) -> None:
    for field in attrs.fields(config.PARTS[table]):
        row = re.search(rf"^\| `{table}\.{field.name}` \| (.*?) \|", OPERATING, re.MULTILINE)
        assert row is not None, (
            f"{table}.{field.name} is missing; `python tools/settings_table.py` makes the table"
        )
        assert row[1] == config.default_text(field.default)


def test_every_drop_reason_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", OPERATING, re.MULTILINE))
    assert set(DropReason) <= documented


def test_every_kind_of_audit_record_is_documented() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    for kind, (meaning, _) in RECORDS.items():
        assert f"| `{kind}` | {meaning} |" in text, "`python tools/audit_table.py` makes the table"


@pytest.mark.parametrize("document", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")))
def test_every_linked_and_named_file_exists(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (document.parent / target).exists(), target
    for target in re.findall(
        r"(?:pytest |`)((?:tests|docs|statnive|sql|chaos|tools|tracker|deploy)/[\w./-]+)", text
    ):
        assert (ROOT / target).exists(), target


CLAIMS = (ROOT / "docs" / "claims.md").read_text()


@pytest.mark.parametrize("text", [CLAIMS, (ROOT / "README.md").read_text()], ids=["claims.md", "README.md"])
def test_every_claim_has_a_command_that_there_is(text: str) -> None:
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) > 6
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for claim, *shown in rows[1:]:
        commands = re.findall(r"`([^`]+)`", " ".join(shown))
        assert commands, claim
        for command in commands:
            for target in re.findall(r"^make ([a-z-]+)", command):
                assert target in targets, command
            for module in re.findall(r"python -m ((?:chaos|statnive)[\w.]*)", command):
                path = ROOT / Path(*module.split("."))
                assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), command
