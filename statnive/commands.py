"""What the groups of commands share: how a command is given its settings, and how it does its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from statnive.client import ControlClient

Command = Callable[..., Any]
Work = Callable[[ControlClient], Awaitable[None]]


@attrs.frozen
class Shell:
    """The command line as a group sees it: `settings` adds the options that every command shares (they arrive as
    `data_dir` and `file`), `run` does the work against the node that has the data, or against the data itself.
    """

    settings: Callable[[Command], Command]
    run: Callable[[Path | None, Path | None, Work], None]


def echo_each(lines: Sequence[str], when_empty: str) -> None:
    """A list on standard output; a word to the reader, and not to a pipe, when it is empty."""
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo(when_empty, err=True)
