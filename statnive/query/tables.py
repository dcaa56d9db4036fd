"""Answers as CSV files, and all of them in one ZIP.

A spreadsheet takes text that begins with = + - @ (or their wide forms), a tab or a line break for a formula; names of
pages, sources and properties come from anyone. Such text gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any, Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "％", "＝", "＋", "－", "＠")
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the same answers, the same file


def csv_of(answer: Mapping[str, Any], columns: Iterable[str] = ()) -> str:
    """The rows, points or metrics of a report's answer, under a line of names (`columns` first); RFC 4180."""
    rows = [_flat(row) for row in _rows(answer)]
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(map(safe, names))
    for row in rows:
        writer.writerow(safe(row.get(name)) for name in names)
    return out.getvalue()


def safe(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value.replace("\0", "")
        return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) or text.startswith("'") else text
    return value


def zip_of(files: Mapping[str, str]) -> bytes:
    """The texts as files of a ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _rows(answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    comparison = answer.get("comparison", {})
    if "metrics" in answer:
        row = {"from": answer["from"], "to": answer["to"], **answer["metrics"]}
        yield {**row, "comparison": comparison["metrics"]} if comparison else row
        return
    yield from answer.get("rows", answer.get("points", answer.get("steps", ())))


def _flat(row: Mapping[str, Any]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}_{inner}": part for inner, part in _flat(value).items()}
        elif isinstance(value, list):
            flat[name] = "; ".join(f"{part['amount']} {part['currency']}" for part in value)
        else:
            flat[name] = value
    return flat
