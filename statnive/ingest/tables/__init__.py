"""Committed tables, each with its source and licence in its header, and their reader. Derived by `tools/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from statnive.errors import BrokenInput

HERE = Path(__file__).parent
LINE_CHARS_MAX = 2_000


def read_rows(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of each line that is neither blank nor a comment (`#`); tabs part the fields.

    Raises BrokenInput, with file and line: can't be read, a wrong number of fields, an empty field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BrokenInput(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BrokenInput(f"{path}: is not UTF-8 text") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")] if columns > 1 else [line.strip()]
        if len(line) > LINE_CHARS_MAX or len(fields) != columns or not all(fields):
            raise BrokenInput(f"{path}: line {number}: must have {columns} fields parted by tabs")
        yield number, fields
