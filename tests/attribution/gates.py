"""`make gates`: the correct share of each class of the labelled sets; exit 1 when one is too low.

Sources, channels, devices, systems and browsers: at least 99.5 % of every class. Bots and persons: every one.
"""

from __future__ import annotations

import sys

from statnive.ingest.user_agent import AgentParser
from tests.attribution.scores import SHARE_MIN, of_agents, of_sources

SHOWN_MAX = 20


def main() -> None:
    tables = of_sources() + of_agents(AgentParser(cache_entries=10))
    failures = []
    for table in tables:
        print(table, end="\n\n")
        for label, wrong in table.low().items():
            failures.append(f"{table.title} {label}: {table.share(label):.2%} is less than {SHARE_MIN:.1%}")
            failures += [f"  {case}" for case in wrong[:SHOWN_MAX]]
    (kinds,) = (table for table in tables if table.title == "agent")
    for label, said in (("bot", "bots not caught"), ("person", "persons taken for bots")):
        print(f"{said}: {len(kinds.wrong[label])} of {kinds.rows[label]}")
        failures += [f"{said}: {case}" for case in kinds.wrong[label]]
    print("\n".join(failures) or f"every class at {SHARE_MIN:.1%} or more, every bot caught, no person lost")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
