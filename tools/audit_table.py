"""Write the table of audit records in docs/security.md: `python tools/audit_table.py`."""

from __future__ import annotations

import re
from pathlib import Path

from statnive.actors.audit_record import RECORDS

DOCUMENT = Path(__file__).parents[1] / "docs" / "security.md"
START, END = "<!-- audit kinds -->", "<!-- end of audit kinds -->"


def table() -> str:
    """Every kind with what it says."""
    return "\n".join(
        [
            "| kind | meaning |",
            "|---|---|",
            *(f"| `{kind}` | {text} |" for kind, (text, _) in RECORDS.items()),
        ]
    )


def main() -> None:
    text = DOCUMENT.read_text()
    made = f"{START}\n{table()}\n{END}"
    DOCUMENT.write_text(
        re.sub(f"{re.escape(START)}.*?{re.escape(END)}", lambda _: made, text, flags=re.DOTALL)
    )


if __name__ == "__main__":
    main()
