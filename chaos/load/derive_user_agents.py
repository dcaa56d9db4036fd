"""Derive the committed list of user agents: `python -m chaos.load.derive_user_agents NEWEST.json OLDER.json`.

Each input is `dist/user-agents.json` of one version of the npm package `user-agents`. Its rows are weighted
by how often a browser was seen; the list takes the most frequent agents of the first file, then of the next,
until it is full.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Final

USER_AGENTS_MAX: Final = 2_000
CHARS_MIN: Final = 16
CHARS_MAX: Final = 500
TARGET: Final = Path(__file__).with_name("user_agents.txt.gz")

HEADER: Final = """\
# 2,000 user agents of real browsers, most frequent first. Derived by chaos/load/derive_user_agents.py.
# Source: npm package user-agents, versions 2.1.198 and 2.1.136, https://github.com/intoli/user-agents
# Licence: BSD-2-Clause. Copyright 2018-present - Intoli, LLC. Redistribution and use in source and binary
# forms, with or without modification, are permitted provided that the following conditions are met: (1)
# Redistributions of source code must retain the above copyright notice, this list of conditions and the
# following disclaimer. (2) Redistributions in binary form must reproduce the above copyright notice, this
# list of conditions and the following disclaimer in the documentation and/or other materials provided with
# the distribution. THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY
# EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
# FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE
# LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT
# NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS
# INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
# (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF
# THE POSSIBILITY OF SUCH DAMAGE.
"""


def derive(sources: list[Path]) -> list[str]:
    """The agents, most frequent first, without those that a server may refuse unread (length, not ASCII)."""
    agents: dict[str, None] = {}
    for source in sources:
        weights: dict[str, float] = {}
        for row in json.loads(source.read_text(encoding="utf-8")):
            agent = row["userAgent"]
            weights[agent] = weights.get(agent, 0.0) + float(row["weight"])
        for agent in sorted(weights, key=lambda agent: (-weights[agent], agent)):
            if CHARS_MIN <= len(agent) <= CHARS_MAX and agent.isascii() and agent.isprintable():
                agents.setdefault(agent)
    return list(agents)[:USER_AGENTS_MAX]


def main() -> None:
    agents = derive([Path(name) for name in sys.argv[1:]])
    if len(agents) < USER_AGENTS_MAX:
        sys.exit(
            f"only {len(agents)} agents in these files, {USER_AGENTS_MAX} are needed: give older versions too"
        )
    text = HEADER + "\n".join(agents) + "\n"
    TARGET.write_bytes(gzip.compress(text.encode("ascii"), 9, mtime=0))
    print(f"{len(agents)} agents, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
