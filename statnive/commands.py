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


def add_list_and_remove(
    group: click.Group,
    shell: Shell,
    what: str,
    *,
    line: Callable[[dict[str, Any]], str],
    list_path: str,
    list_help: str,
    remove_help: str,
) -> None:
    """`list SITE` and `remove SITE NUMBER` of the small things that a site has several of. `what`: one of them; `line`:
    how it is told; `list_path`: a GET of the node's that answers {"<what>s": [...]}.
    """

    @group.command("list", help=list_help)
    @click.argument("site")
    @shell.settings
    def show(site: str, data_dir: Path | None, file: Path | None) -> None:
        async def work(client: ControlClient) -> None:
            found = (await client.get_json(list_path, site=site))[f"{what}s"]
            hint = f"{site} has no {what}s; `statnive {what} add --help` shows how to add one"
            echo_each([line(one) for one in found], hint)

        shell.run(data_dir, file, work)

    @group.command("remove", help=f"{remove_help}\n\nExample: statnive {what} remove example.com 3")
    @click.argument("site")
    @click.argument("number", type=int)
    @shell.settings
    def remove(site: str, number: int, data_dir: Path | None, file: Path | None) -> None:
        async def work(client: ControlClient) -> None:
            removed = await client.post_json(f"/control/{what}s/{number}/remove", {"site": site})
            click.echo(f"removed {what} {line(removed)}")

        shell.run(data_dir, file, work)
