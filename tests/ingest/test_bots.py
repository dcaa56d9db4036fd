"""Crawlers, tools and absurd headers are bots; people's browsers are not."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from statnive.errors import BrokenInput
from statnive.ingest.bots import AGENT_CHARS_MAX, BOT_NAME_CHARS_MAX, EMPTY, OVERLONG, SHORT, BotMatcher
from statnive.ingest.tables import HERE, read_rows

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)


@pytest.fixture(scope="module")
def matcher() -> BotMatcher:
    return BotMatcher()


def crawlers() -> list[dict[str, object]]:
    files = metadata.files("crawler-user-agents") or []
    file = next(file for file in files if file.name == "crawler-user-agents.json")
    return json.loads(Path(str(file.locate())).read_text(encoding="utf-8"))


def test_every_instance_of_the_installed_package_is_caught(matcher: BotMatcher) -> None:
    missed = [agent for crawler in crawlers() for agent in crawler["instances"] if not matcher(agent)]
    assert missed == []


def test_every_pattern_of_the_installed_package_is_in_the_table() -> None:
    """When this fails after an update: run tools/derive_bots.py."""
    table = {fields[0] for _, fields in read_rows(HERE / "bots.tsv", 3)}
    patterns = [
        re.sub("^ | $", r"\\x20", str(crawler["pattern"])).replace("\\/", "/") for crawler in crawlers()
    ]
    assert [pattern for pattern in patterns if pattern not in table] == []


def test_patterns_mean_the_same_in_the_fast_matcher_and_in_re(matcher: BotMatcher) -> None:
    """Each pattern alone, on each of its own examples, against Python's engine."""
    for crawler in crawlers():
        for agent in crawler["instances"]:
            assert bool(matcher(agent)) == bool(re.search(crawler["pattern"], agent))


def test_a_bot_is_named(matcher: BotMatcher) -> None:
    assert matcher("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)") == "Googlebot"
    assert matcher("python-requests/2.32.3") == "python-requests"
    assert (
        matcher("Mozilla/5.0 AppleWebKit/537.36; compatible; ClaudeBot/1.0; +x@anthropic.com") == "ClaudeBot"
    )


def test_names_are_short_and_printable() -> None:
    for table in ("bots.tsv", "bots_more.tsv"):
        for line, (_, name, _) in read_rows(HERE / table, 3):
            assert len(name) <= BOT_NAME_CHARS_MAX, (table, line)
            assert name.isprintable(), (table, line)


def test_a_browser_is_no_bot(matcher: BotMatcher) -> None:
    assert matcher(CHROME) == ""


@pytest.mark.parametrize("phone", ["CUBOT", "CUBOT_NOTE_S", "Cubot X30", "cubot"])
def test_a_phone_of_cubot_is_no_bot(matcher: BotMatcher, phone: str) -> None:
    assert (
        matcher(f"Mozilla/5.0 (Linux; Android 11; {phone}) AppleWebKit/537.36 Chrome/119.0.0.0 Mobile") == ""
    )


@pytest.mark.parametrize("word", ["newbot", "NewBot", "some-bot", "Robot", "bots", "a bot", "fooBot"])
def test_what_calls_itself_a_bot_is_one(matcher: BotMatcher, word: str) -> None:
    assert matcher(f"Mozilla/5.0 (compatible; {word}/1.0) Chrome/120.0.0.0")


@pytest.mark.parametrize("agent", ["", " ", "\t\n"])
def test_an_empty_agent_is_a_bot(matcher: BotMatcher, agent: str) -> None:
    assert matcher(agent) == EMPTY


def test_short_and_overlong_agents_are_bots(matcher: BotMatcher) -> None:
    assert matcher("Mozilla/5.0") == SHORT
    assert matcher(CHROME + "x" * AGENT_CHARS_MAX) == OVERLONG


def test_a_table_with_a_wrong_line_is_refused_by_number(tmp_path: Path) -> None:
    table = tmp_path / "bots.tsv"
    table.write_text("# comment\ngood\tGood\tother\nbad line\n", encoding="utf-8")
    with pytest.raises(BrokenInput, match=r"bots\.tsv: line 3"):
        BotMatcher((table,))


def test_unreadable_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match="can't be read"):
        BotMatcher((tmp_path / "none.tsv",))
    (tmp_path / "latin.tsv").write_bytes(b"caf\xe9\tx\ty\n")
    with pytest.raises(BrokenInput, match="UTF-8"):
        BotMatcher((tmp_path / "latin.tsv",))
