"""`statnive note`: what happened on a day, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from statnive.client import ControlClient
from statnive.commands import Shell, add_list_and_remove


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

    add_list_and_remove(
        note,
        shell,
        "note",
        line=_line,
        list_path="/api/notes",
        list_help="List a site's notes with their numbers, the earliest day first.",
        remove_help="Remove a note by its number.",
    )
    return note


def _line(note: dict[str, Any]) -> str:
    return f"{note['id']}  {note['day']}  {note['text']}"
