"""Small files that must be right or refused: one JSON document under its checksum, replaced as a whole.

    line 1  BLAKE3 of line 2, 64 hex digits        line 2  the document

Failure: a document that doesn't fit its checksum or its type is `BrokenSeal`; it is never taken for an empty
one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec
from blake3 import blake3

from statnive.wal.fs import FileSystem, read_file, replace_file

T = TypeVar("T")


class BrokenSeal(ValueError):  # noqa: N818 - named by what is found
    """The file isn't what was written."""


def write_sealed(fs: FileSystem, path: Path, document: object) -> None:
    """Replace the file, durably. Raises OSError."""
    body = msgspec.json.encode(document)
    replace_file(fs, path, blake3(body).hexdigest().encode() + b"\n" + body + b"\n")


def read_sealed(fs: FileSystem, path: Path, kind: type[T]) -> T | None:
    """The document as a `kind`, or None if there is no such file. Raises BrokenSeal, and OSError."""
    try:
        data = read_file(fs, path)
    except FileNotFoundError:
        return None
    seal, _, body = data.partition(b"\n")
    if not body.endswith(b"\n") or seal != blake3(body[:-1]).hexdigest().encode():
        raise BrokenSeal("the checksum does not fit")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BrokenSeal(str(error)) from None
