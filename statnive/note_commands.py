"""`statnive note`: what happened on a day, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from statnive.client import ControlClient
from statnive.commands import Shell, echo_each


def note_group(shell: Shell) -> click.Group:
    """The group."""

    @click.group()
    def note() -> None:
        """What happened on a day: a launch, an outage. The dashboard's trend shows it there.

        \b
        Examples:
          statnive note add example.com 2026-11-03 "New pricing page"
          statnive note list example.com
          statnive note remove example.com 3
        """

    @note.command("add")
    @click.argument("site")
    @click.argument("day")
    @click.argument("text")
    @shell.settings
    def add(site: str, day: str, text: str, data_dir: Path | None, file: Path | None) -> None:
        """Add a note at a local day of the site (YYYY-MM-DD)."""

        async def work(client: ControlClient) -> None:
            added = await client.post_json("/control/notes", {"site": site, "day": day, "text": text})
            click.echo(f"added note {_line(added)}")

        shell.run(data_dir, file, work)

    @note.command("list")
    @click.argument("site")
    @shell.settings
    def show(site: str, data_dir: Path | None, file: Path | None) -> None:
        """List a site's notes with their numbers, the earliest day first."""

        async def work(client: ControlClient) -> None:
            notes = (await client.get_json("/api/notes", site=site))["notes"]
            echo_each(
                [_line(found) for found in notes],
                f"{site} has no notes; `statnive note add --help` shows how to add one",
            )

        shell.run(data_dir, file, work)

    @note.command("remove")
    @click.argument("site")
    @click.argument("number", type=int)
    @shell.settings
    def remove(site: str, number: int, data_dir: Path | None, file: Path | None) -> None:
        """Remove a note by its number."""

        async def work(client: ControlClient) -> None:
            removed = await client.post_json(f"/control/notes/{number}/remove", {"site": site})
            click.echo(f"removed note {_line(removed)}")

        shell.run(data_dir, file, work)

    return note


def _line(note: dict[str, Any]) -> str:
    return f"{note['id']}  {note['day']}  {note['text']}"
