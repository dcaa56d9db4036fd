"""`statnive segment`: saved filters of a site, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from statnive.client import ControlClient
from statnive.commands import Shell, add_list_and_remove


def segment_group(shell: Shell) -> click.Group:
    """The group."""

    @click.group()
    def segment() -> None:
        """Filters under a name: the dashboard offers them, the API takes them as ["is", "segment", [number]].

        \b
        Examples:
          statnive segment add example.com "From Google" --filter '["is","visit:source",["Google"]]'
          statnive segment list example.com
          statnive segment remove example.com 3
        """

    @segment.command("add")
    @click.argument("site")
    @click.argument("name")
    @shell.settings
    @click.option(
        "--filter",
        "filters",
        required=True,
        multiple=True,
        help="As in the API: [operator, dimension, [values]]; may be repeated, and then all must hold.",
    )
    def add(site: str, name: str, data_dir: Path | None, file: Path | None, filters: tuple[str, ...]) -> None:
        """Save filters under a name. A segment is not edited: remove it and add another.

        \b
        Examples:
          statnive segment add example.com "From Google" --filter '["is","visit:source",["Google"]]'
          statnive segment add example.com "Phones in the blog" \\
            --filter '["is","visit:device",["Mobile"]]' --filter '["wildcard","event:page",["/blog/**"]]'
        """
        from statnive.query.filters import from_json

        parts = [from_json(text, '["is","visit:source",["Google"]]') for text in filters]
        body = {"site": site, "name": name, "filters": parts[0] if len(parts) == 1 else parts}

        async def work(client: ControlClient) -> None:
            added = await client.post_json("/control/segments", body)
            click.echo(f"added segment {_line(added)}")

        shell.run(data_dir, file, work)

    add_list_and_remove(
        segment,
        shell,
        "segment",
        line=_line,
        list_path="/control/segments",
        list_help="List a site's segments with their numbers and filters.",
        remove_help="Forget a segment by its number; the number is never used again.",
    )
    return segment


def _line(segment: dict[str, Any]) -> str:
    return f"{segment['id']}  {segment['name']}  {msgspec.json.encode(segment['filters']).decode()}"
