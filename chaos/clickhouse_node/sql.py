"""A request's text, split as a server splits it: a statement, and the rows that follow an INSERT's FORMAT.

It does not understand SQL. It finds words outside of quotes, comments and parentheses, and refuses what a
server refuses and chDB does not: several statements in one request, and files of the server's own machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import attrs

from chaos.clickhouse_node.errors import DBError

# Statements that answer with rows, so that the answer has a format.
_ROWS: Final = frozenset(
    {
        b"SELECT",
        b"WITH",
        b"FROM",
        b"(",
        b"SHOW",
        b"DESCRIBE",
        b"DESC",
        b"EXISTS",
        b"EXPLAIN",
        b"CHECK",
        b"KILL",
    }
)

_TOKEN: Final = re.compile(
    rb"""
      (?P<space>  \s++ | --[^\n]*+ | \#[\ !][^\n]*+ | /\*.*?(?:\*/|\Z) )
    | (?P<word>   [A-Za-z_][A-Za-z0-9_]*+ )
    | (?P<quoted> '(?:[^'\\]++|\\.|'')*+(?:'|\Z) | "(?:[^"\\]++|\\.|"")*+(?:"|\Z) | `(?:[^`\\]++|\\.|``)*+(?:`|\Z) )
    | (?P<other>  [0-9][0-9A-Za-z_.]*+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_TO_DATA: Final = re.compile(rb"[ \t\f]*(?P<excess>;)?[ \t\f]*\r?\n?")


class Token(NamedTuple):
    """A word (`text` in upper case), a quoted text or another character; `end` is its end in the whole text."""

    kind: str
    text: bytes
    written: bytes
    end: int


@attrs.frozen
class Query:
    """`data` is None but for an INSERT with a FORMAT: then `sql` goes up to its SETTINGS, which are `settings`."""

    sql: bytes
    verb: str
    settings: bytes = b""
    format: str = ""
    data: bytes | None = attrs.field(default=None, repr=False)
    answers_rows: bool = False

    @property
    def text(self) -> str:
        return (self.sql + self.settings).decode(errors="replace")


def split(text: bytes) -> Query:
    """Split a request's whole text. Raises DBError."""
    tokens = _top_level(text)
    first = next(tokens, None)
    if first is None:
        raise DBError(62, "Empty query")
    if first.text == b"INSERT":
        return _insert(text, tokens)
    return Query(
        text,
        verb=first.text.decode(errors="replace"),
        format=_output_format(tokens),
        answers_rows=first.text in _ROWS,
    )


def _insert(text: bytes, tokens: Iterator[Token]) -> Query:
    settings_at = None
    for token in tokens:
        if token.text == b"SETTINGS" and settings_at is None:
            settings_at = token.end - len(token.text)
        if token.text == b"INFILE":
            raise DBError(78, "Query has infile and was send directly to server")
        if token.text in (b"SELECT", b"WITH", b"VALUES", b"WATCH"):
            if token.text != b"VALUES":
                _output_format(tokens)
            return Query(text, verb="INSERT")
        if token.text == b"FORMAT":
            name = next(tokens, None)
            if name is None or name.kind != "word":
                break
            start = _TO_DATA.match(text, name.end)
            assert start is not None
            if start["excess"]:
                raise DBError(62, "You have excessive ';' symbol before data for INSERT")
            format_at = token.end - len(token.text)
            return Query(
                text[:settings_at] if settings_at is not None else text[:format_at],
                verb="INSERT",
                settings=text[settings_at:format_at] if settings_at is not None else b"",
                format=name.written.decode(),
                data=text[start.end() :],
            )
    return Query(text, verb="INSERT")  # not whole: the engine says what is missing


def _output_format(tokens: Iterator[Token]) -> str:
    """The FORMAT at the end, "" without one. Raises DBError for a second statement and for INTO OUTFILE."""
    previous, found, ended = b"", "", False
    for token in tokens:
        if token.text == b";":
            ended = True
            continue
        if ended:
            raise DBError(
                62, f"Syntax error (Multi-statements are not allowed): failed at position {token.end}"
            )
        if token.text == b"OUTFILE" and previous == b"INTO":
            raise DBError(358, "INTO OUTFILE is not allowed")
        if previous == b"FORMAT" and token.kind == "word":
            found = token.written.decode()
        previous = token.text
    return found


def _top_level(text: bytes) -> Iterator[Token]:
    """The tokens outside of parentheses; an opening parenthesis stands for what it holds."""
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "space":
            continue
        token = Token(kind, match[0].upper() if kind == "word" else match[0], match[0], match.end())
        if token.text in (b")", b"]", b"}"):
            depth = max(0, depth - 1)
            continue
        if depth == 0:
            yield token
        if token.text in (b"(", b"[", b"{"):
            depth += 1
