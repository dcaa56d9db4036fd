"""At least 99.5 % of every class of the labelled sets, each on its own. `pytest -s` prints the table."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser

HERE = Path(__file__).parent
OWN_HOSTS = frozenset({"example.com", "www.shop.example.org"})
SHARE_MIN = 0.995


class Table:
    """Right and wrong answers by class."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.wrong: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, label: str, answer: object, expected: object, case: str) -> None:
        self.rows[label] += 1
        if answer != expected:
            self.wrong[label].append(f"{case!r}: {answer!r}, not {expected!r}")

    def check(self, title: str) -> None:
        print(f"\n{title:<34} {'rows':>6} {'right':>8}")
        for label, rows in sorted(self.rows.items()):
            print(f"{label:<34} {rows:>6} {1 - len(self.wrong[label]) / rows:>8.2%}")
        low = {
            label: self.wrong[label]
            for label, rows in self.rows.items()
            if len(self.wrong[label]) > rows * (1 - SHARE_MIN)
        }
        assert not low, low


def read(name: str) -> list[list[str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("# ")]


@pytest.fixture(scope="module")
def agents() -> AgentParser:
    return AgentParser(cache_entries=10)


def test_sources_and_channels_of_the_labelled_set() -> None:
    classifier = SourceClassifier()
    rows = read("referrers.tsv") + read("referrers_by_hand.tsv")
    assert len(rows) >= 2_000
    channels, names = Table(), Table()
    for referrer, query, channel, name, _ in rows:
        source = classifier.classify(referrer, query, OWN_HOSTS)
        case = f"{referrer} ?{query}"
        channels.add(channel, source.channel if source else "spam", channel, case)
        if source and name != "*":
            names.add("name", source.referrer_name, name, case)
    channels.check("channel")
    names.check("source")


def test_agents_of_the_labelled_set(agents: AgentParser) -> None:
    rows = read("agents.tsv") + read("agents_by_hand.tsv")
    assert len(rows) >= 1_000
    kinds, devices, systems, browsers = Table(), Table(), Table(), Table()
    for header, kind, device, system, browser, _ in rows:
        agent = agents(header)
        kinds.add(kind, "bot" if agent.bot else "person", kind, header)
        for table, answer, label in (
            (devices, agent.device, device),
            (systems, agent.os, system),
            (browsers, agent.browser, browser),
        ):
            if label not in ("*", ""):
                table.add(label, answer, label, header)
    kinds.check("agent")
    devices.check("device")
    systems.check("operating system")
    browsers.check("browser")


def test_every_bot_is_caught_and_no_person_is_lost(agents: AgentParser) -> None:
    rows = read("agents.tsv") + read("agents_by_hand.tsv")
    missed = [row[0] for row in rows if row[1] == "bot" and not agents(row[0]).bot]
    lost = [(row[0], agents(row[0]).bot) for row in rows if row[1] == "person" and agents(row[0]).bot]
    assert (missed, lost) == ([], [])
    assert sum(row[1] == "person" for row in rows) >= 1_000
