"""ClickHouse's errors: read from chDB's words, answered as a server answers them."""

from __future__ import annotations

import re
from typing import Final

# exceptionCodeToHTTPStatus of ClickHouse; 500 for every other code.
_STATUS: Final = {
    400: (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441,
          675, 676),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    501: (48,),
    503: (76, 209, 439),
}  # fmt: skip
HTTP_STATUS: Final = {code: status for status, codes in _STATUS.items() for code in codes}

# The names of the codes that are raised here and not by the engine.
NAMES: Final = {
    33: "CANNOT_READ_ALL_DATA",
    36: "BAD_ARGUMENTS",
    48: "NOT_IMPLEMENTED",
    62: "SYNTAX_ERROR",
    78: "UNKNOWN_TYPE_OF_QUERY",
    115: "UNKNOWN_SETTING",
    159: "TIMEOUT_EXCEEDED",
    194: "REQUIRED_PASSWORD",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    209: "SOCKET_TIMEOUT",
    216: "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    271: "CANNOT_DECOMPRESS",
    358: "INTO_OUTFILE_NOT_ALLOWED",
    372: "SESSION_NOT_FOUND",
    381: "HTTP_LENGTH_REQUIRED",
    516: "AUTHENTICATION_FAILED",
}
UNKNOWN_EXCEPTION: Final = 1002

# What an insert's words say of the file in memory that its rows came by.
_FILE = re.compile(
    r"\s*: \(in file/uri /proc/self/fd/\d+\)|: While executing File: data for INSERT was parsed from file"
)
_PREFIX = re.compile(r"Code: (\d+)\. DB::Exception: ")
_SUFFIX = re.compile(r"\.?\s*\(([A-Z][A-Z0-9_]+)\)(?:\s*\(version [^()]*(?:\([^()]*\))?\))?\.?\s*$")


class DBError(Exception):
    """A ClickHouse exception: its code, its name and its words, without the decoration around them."""

    def __init__(self, code: int, text: str, name: str = "") -> None:
        super().__init__(text)
        self.code, self.text = code, text
        self.name = name or NAMES.get(code, "UNKNOWN_EXCEPTION")

    @property
    def status(self) -> int:
        """The HTTP status that a server answers it with."""
        return HTTP_STATUS.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """What a server of `version` writes."""
        ending = f"({self.name}) (version {version} (official build))\n"
        return f"Code: {self.code}. DB::Exception: {self.text}. {ending}".encode(errors="replace")


def read_error(text: str) -> DBError:
    """chDB's words as a DBError: it repeats code, name and version for each layer that the exception went
    through.
    """
    found = _PREFIX.search(text)
    if found is None:
        return DBError(UNKNOWN_EXCEPTION, text)
    code, text = int(found[1]), text[found.end() :]
    while again := _PREFIX.match(text):
        text = text[again.end() :]
    name = ""
    while ending := _SUFFIX.search(text):
        name, text = ending[1], text[: ending.start()]
    return DBError(code, _FILE.sub("", text), name)
