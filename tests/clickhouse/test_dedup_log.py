"""The engine's log of tokens before the engine opens: no record without its part, no torn line."""

from __future__ import annotations

from pathlib import Path

import pytest

from statnive.clickhouse.dedup_log import parse_part, repair_dedup_logs
from statnive.errors import Fatal


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table's directory in an engine's, with two parts and an empty log."""
    table = tmp_path / "clickhouse" / "store" / "abc" / "abc-1"
    for name in ("202610_1_1_0", "202611_2_9_2", "202611_12_12_0_14", "tmp_insert_202610_3_3_0", "detached"):
        (table / name).mkdir(parents=True)
    (table / "deduplication_logs").mkdir()
    return table


def record(part: str, kind: int = 1, token: str = "5_6") -> str:
    return f"{kind}\t{part}\t{part.split('_')[0]}_{token}\n"


def repaired(table: Path, text: str | bytes, number: int = 1) -> str:
    """The log after the repair of one that held `text`."""
    file = table / "deduplication_logs" / f"deduplication_log_{number}.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    repair_dedup_logs(table.parents[2])
    return file.read_text()


TRUE = record("202610_1_1_0")
MERGED = record("202611_4_4_1")
MUTATED = record("202611_12_12_0")
DANGLING = record("202610_3_3_0", token="7_7")


def test_a_record_whose_part_never_came_to_be_is_dropped_and_said(table: Path) -> None:
    assert repaired(table, TRUE + DANGLING) == TRUE
    file = table / "deduplication_logs" / "deduplication_log_1.txt"
    file.write_text(TRUE + DANGLING)
    (note,) = repair_dedup_logs(table.parents[2])
    assert note.startswith("1 records")
    assert repair_dedup_logs(table.parents[2]) == []


@pytest.mark.parametrize(
    "kept", [TRUE, MERGED, MUTATED, TRUE + MERGED + MUTATED, record("202610_3_3_0", kind=2), ""]
)
def test_a_record_of_a_part_that_is_there_was_merged_or_changed_stays(table: Path, kept: str) -> None:
    file = table / "deduplication_logs" / "deduplication_log_1.txt"
    file.write_text(kept)
    before = file.stat()
    assert repair_dedup_logs(table.parents[2]) == []
    assert file.read_text() == kept
    assert file.stat().st_ino == before.st_ino, "what is right is not written again"


@pytest.mark.parametrize("other", ["202610_1_2_1", "202612_1_1_0", "202611_1_2_0", "202611_9_10_1"])
def test_a_part_of_other_blocks_or_of_another_month_is_no_proof(table: Path, other: str) -> None:
    assert repaired(table, TRUE + record(other)) == TRUE


@pytest.mark.parametrize("cut", range(1, len(MERGED)))
def test_a_torn_last_line_is_cut_wherever_it_was_torn(table: Path, cut: int) -> None:
    """Also where what is left looks whole: without its newline the next record would be glued to it."""
    assert repaired(table, TRUE + MERGED[:-cut]) == TRUE


@pytest.mark.parametrize("junk", [b"\0" * 40 + b"\n", b"\xff\xfe\n", b"3\t202610_1_1_0\t202610_1_2\n", b"\n"])
def test_a_line_that_is_no_record_is_dropped(table: Path, junk: bytes) -> None:
    assert repaired(table, TRUE.encode() + junk + MERGED.encode()) == TRUE + MERGED


def test_of_two_records_for_one_part_the_later_is_the_true_one(table: Path) -> None:
    """The first part died before it was in place, the next start gave its number out again."""
    first, second = record("202610_1_1_0", token="1_1"), record("202610_1_1_0", token="2_2")
    assert repaired(table, first + MERGED + second) == MERGED + second


def test_of_two_logs_the_one_with_the_higher_number_is_the_later(table: Path) -> None:
    first, second = record("202610_1_1_0", token="1_1"), record("202610_1_1_0", token="2_2")
    (table / "deduplication_logs" / "deduplication_log_9.txt").write_text(first)
    assert repaired(table, second, number=10) == second
    assert (table / "deduplication_logs" / "deduplication_log_9.txt").read_text() == ""


def test_nothing_but_the_logs_is_left_in_the_engines_directory(table: Path) -> None:
    repaired(table, TRUE + DANGLING)
    assert [path.name for path in (table / "deduplication_logs").iterdir()] == ["deduplication_log_1.txt"]
    assert [path.name for path in table.parents[2].iterdir()] == ["store"]
    assert [path.name for path in table.parents[3].iterdir()] == ["clickhouse"]


def test_an_engine_that_was_never_opened_needs_nothing(tmp_path: Path) -> None:
    assert repair_dedup_logs(tmp_path / "clickhouse") == []


def test_a_disk_that_refuses_is_fatal(table: Path) -> None:
    (table / "deduplication_logs" / "deduplication_log_1.txt").mkdir()
    with pytest.raises(Fatal, match="can't be repaired"):
        repair_dedup_logs(table.parents[2])


def test_only_names_of_parts_are_parts() -> None:
    assert parse_part("202610_1_5_2") == ("202610", 1, 5)
    assert parse_part("all_1_1_0_9") == ("all", 1, 1)
    for name in (
        "tmp_insert_202610_1_1_0",
        "delete_tmp_202610_1_1_0",
        "deduplication_logs",
        "mutation_2.txt",
        "",
    ):
        assert parse_part(name) is None
