"""`statnive goal`: what a site's owner wants to happen, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from statnive.client import ControlClient
from statnive.commands import Shell, add_list_and_remove


def goal_group(shell: Shell) -> click.Group:
    """The group."""

    @click.group()
    def goal() -> None:
        """What is counted as a success: a custom event, a page, a scroll depth.

        \b
        Examples:
          statnive goal add example.com --event Signup --value 9.90 --currency EUR
          statnive goal add example.com --page "/thanks/**"
          statnive goal list example.com
          statnive goal remove example.com 3
        """

    @goal.command("add")
    @click.argument("site")
    @shell.settings
    @click.option("--event", help="The name of a custom event.")
    @click.option("--page", help="The path of a page: * is any text within a segment, ** any text at all.")
    @click.option(
        "--scroll", type=click.IntRange(1, 100), help="Per cent of the page (of any, without --page)."
    )
    @click.option("--value", default="", help="What one is worth when the event brings no revenue: 9.90.")
    @click.option("--currency", default="", help="Of the value, such as EUR.")
    def add(
        site: str,
        data_dir: Path | None,
        file: Path | None,
        event: str | None,
        page: str | None,
        scroll: int | None,
        value: str,
        currency: str,
    ) -> None:
        """Add a goal; it counts from now on. A goal is not edited: remove it and add another."""
        if (event is None) == (page is None and scroll is None):
            raise click.UsageError("give --event, or --page, or --scroll with or without --page")
        if event is not None:
            kind, target = "event", event
        else:
            kind, target = ("page", page or "") if scroll is None else ("scroll", page or "**")
        body = {"site": site, "kind": kind, "target": target, "scroll_depth": scroll or 0}

        async def work(client: ControlClient) -> None:
            added = await client.post_json("/control/goals", {**body, "value": value, "currency": currency})
            click.echo(f"added goal {_line(added)}")

        shell.run(data_dir, file, work)

    add_list_and_remove(
        goal,
        shell,
        "goal",
        line=_line,
        list_path="/control/goals",
        list_help="List a site's goals with their numbers, those that were removed last.",
        remove_help="Remove a goal by its number: nothing reaches it any more, what did stays counted.",
    )
    return goal


def _line(goal: dict[str, Any]) -> str:
    worth = f"  {goal['value']} {goal['currency']}" if goal["currency"] else ""
    return f"{goal['id']}  {goal['name']}{worth}{'  (removed)' if goal.get('removed') else ''}"
