"""The labelled sets held against the code: right and wrong answers by class. For pytest and for `make gates`."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser

HERE = Path(__file__).parent
OWN_HOSTS = frozenset({"example.com", "www.shop.example.org"})
SHARE_MIN = 0.995
CASES_MIN = {"referrers": 2_000, "agents": 1_000}


class Table:
    """Right and wrong answers by class."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: Counter[str] = Counter()
        self.wrong: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, label: str, answer: object, expected: object, case: str) -> None:
        self.rows[label] += 1
        if answer != expected:
            self.wrong[label].append(f"{case!r}: {answer!r}, not {expected!r}")

    def share(self, label: str) -> float:
        return 1 - len(self.wrong[label]) / self.rows[label]

    def low(self) -> dict[str, list[str]]:
        """The classes below SHARE_MIN, with what is wrong in them."""
        return {label: self.wrong[label] for label in self.rows if self.share(label) < SHARE_MIN}

    def __str__(self) -> str:
        lines = [f"{self.title:<34} {'rows':>6} {'right':>8}"]
        lines += [
            f"{label:<34} {rows:>6} {self.share(label):>8.2%}" for label, rows in sorted(self.rows.items())
        ]
        return "\n".join(lines)


def read(name: str) -> list[list[str]]:
    """A set's rows: the derived ones and those written by hand."""
    rows = []
    for file in (HERE / f"{name}.tsv", HERE / f"{name}_by_hand.tsv"):
        lines = file.read_text(encoding="utf-8").splitlines()
        rows += [line.split("\t") for line in lines if line and not line.startswith("# ")]
    assert len(rows) >= CASES_MIN[name], f"only {len(rows)} {name}"
    return rows


def of_sources() -> list[Table]:
    """Channels by channel, and the sources' names."""
    classifier = SourceClassifier()
    channels, names = Table("channel"), Table("source")
    for referrer, query, channel, name, _ in read("referrers"):
        source = classifier.classify(referrer, query, OWN_HOSTS)
        case = f"{referrer} ?{query}"
        channels.add(channel, source.channel if source else "spam", channel, case)
        if source and name != "*":
            names.add("name", source.referrer_name, name, case)
    return [channels, names]


def of_agents(agents: AgentParser) -> list[Table]:
    """Bots and persons, devices, operating systems and browsers, each by class."""
    kinds, devices, systems, browsers = map(Table, ("agent", "device", "operating system", "browser"))
    for header, kind, device, system, browser, _ in read("agents"):
        agent = agents(header)
        kinds.add(kind, "bot" if agent.bot else "person", kind, header)
        for table, answer, label in (
            (devices, agent.device, device),
            (systems, agent.os, system),
            (browsers, agent.browser, browser),
        ):
            if label not in ("*", ""):
                table.add(label, answer, label, header)
    return [kinds, devices, systems, browsers]
