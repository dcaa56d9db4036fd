"""Write the table of settings in docs/operating.md from statnive/config.py: `python tools/settings_table.py`."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from statnive import config

DOCUMENT = Path(__file__).parents[1] / "docs" / "operating.md"
START, END = "<!-- settings: made by tools/settings_table.py -->", "<!-- end of settings -->"


def table() -> str:
    """Every key with its default, and the class's docstring as a heading."""
    lines = ["| key | default |", "|---|---|"]
    for name, part in config.PARTS.items():
        lines += [
            f"| `{name}.{field.name}` | {config.default_text(field.default)} |"
            for field in attrs.fields(part)
        ]
    return "\n".join(lines)


def main() -> None:
    text = DOCUMENT.read_text()
    made = f"{START}\n{table()}\n{END}"
    if START in text:
        text = re.sub(f"{re.escape(START)}.*?{re.escape(END)}", lambda _: made, text, flags=re.S)
    else:
        text = text.replace("SETTINGS_TABLE", made)
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
