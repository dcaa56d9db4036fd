"""Derives statnive/ingest/tables/bots.tsv: the agents of crawlers and tools, each with a pattern and a name.

Reads the JSON of the PyPI package crawler-user-agents (MIT; default: the installed one) and that of
ai-crawler-index (data: CC0-1.0), of which only the crawlers count that no pattern of the first one catches.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent.parent / "statnive" / "ingest" / "tables" / "bots.tsv"
NAME_CHARS_MAX = 40
HEADER = """\
# Agents of crawlers, monitors, previewers, HTTP libraries: pattern, name, kind. The first match wins.
# Derived by tools/derive_bots.py; change that or bots_more.tsv, not this file.
# Source: {crawlers}, https://github.com/monperrus/crawler-user-agents
# Licence: MIT, Copyright (c) 2017 Martin Monperrus. {mit}
# Source: {ai} (rows at the end)
# Licence: CC0-1.0 (data)
"""
MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction, including
without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions: The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF
ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS
FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
# Where the text that a pattern matches makes no name.
NAMES = {
    "ContextualBot[\\s\\S]*outcomes\\.net": "ContextualBot",
    "Current[\\s\\S]*RSS Reader": "Current RSS Reader",
    "Spider[\\s\\S]*spider\\.com": "Spider",
    "[cC]laude[bB]ot": "ClaudeBot",
    "yandex\\.com\\/bots": "Yandex",
}
KINDS = {  # the index's categories in the words of crawler-user-agents
    "search": "search-engine",
    "seo": "seo",
    "tool": "http-library",
    "preview": "social-preview",
    "archive": "archiver",
}


def crawler_rows(entries: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(pattern, name, kind) of each crawler, in the package's order."""
    rows = []
    for entry in entries:
        pattern = entry["pattern"]
        kind = (entry.get("tags") or ["other"])[0]
        rows.append((table_pattern(pattern), _name(pattern, entry["instances"]), kind))
    return rows


def table_pattern(pattern: str) -> str:
    """The pattern as the table holds it: no needless escapes, and a blank at an end that survives reading."""
    pattern = re.sub(r"^ | $", r"\\x20", pattern)
    return pattern.replace("\\/", "/")


def _name(pattern: str, instances: list[str]) -> str:
    """The pattern's text as its first example writes it: "SemrushBot" for S[eE][mM]rushBot."""
    if pattern in NAMES:
        return NAMES[pattern]
    found = re.search(pattern, instances[0]) if instances else None
    text = found.group(0) if found else re.sub(r"\\(.)", r"\1", pattern).strip("^$")
    return " ".join(re.sub(r"[^\w .+!*@&:-]", " ", text).split())[:NAME_CHARS_MAX].rstrip(" -:")


def ai_rows(index: dict[str, Any], known: list[re.Pattern[str]]) -> list[tuple[str, str, str]]:
    """Rows for the crawlers of the index whose plain agent no known pattern catches."""
    rows = []
    for crawler in index["crawlers"]:
        token = crawler["ua"]
        if not re.fullmatch(r"[\w .+-]+", token):  # a remark: no agent of its own
            continue
        if any(
            pattern.search(f"Mozilla/5.0 (compatible; {token}/1.0; +https://example.org)")
            for pattern in known
        ):
            continue
        ending = r"(?:[/;) ]|$)" if len(token) > 3 else "/"
        pattern = rf"\b{re.escape(token)}{ending}".replace("\\ ", " ").replace("\\-", "-")
        rows.append((pattern, token, KINDS.get(crawler["category"], "ai-crawler")))
    return rows


def write_table(path: Path, header: str, rows: list[tuple[str, str, str]]) -> None:
    lines = ["\t".join(row) for row in rows]
    assert all(line.count("\t") == 2 for line in lines), "a tab in a pattern or a name"
    path.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")


def installed_crawlers() -> Path:
    files = importlib.metadata.files("crawler-user-agents") or []
    return Path(str(next(file.locate() for file in files if file.name == "crawler-user-agents.json")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--crawlers", type=Path, help="crawler-user-agents.json (default: of the installed package)"
    )
    parser.add_argument("--ai-index", type=Path, required=True, help="ai_crawler_index/data.json")
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    entries = json.loads((options.crawlers or installed_crawlers()).read_text(encoding="utf-8"))
    index = json.loads(options.ai_index.read_text(encoding="utf-8"))
    rows = crawler_rows(entries)
    extra = ai_rows(index, [re.compile(entry["pattern"]) for entry in entries])
    version = importlib.metadata.version("crawler-user-agents") if options.crawlers is None else ""
    header = HEADER.format(
        mit=MIT.strip().replace("\n", "\n# "),
        crawlers=f"crawler-user-agents {version}".strip(),
        ai=f"ai-crawler-index {index['version']}",
    )
    write_table(options.out, header, rows + extra)
    print(f"{options.out}: {len(rows)} patterns of crawler-user-agents, {len(extra)} more AI crawlers")


if __name__ == "__main__":
    main()
