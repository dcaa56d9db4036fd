"""`statnive site`: the sites whose events are counted, for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from statnive.client import ControlClient
from statnive.commands import Shell, echo_each
from statnive.erasing_commands import erasing_commands


def site_group(shell: Shell) -> click.Group:
    """The group, with `alias` below it."""

    @click.group()
    def site() -> None:
        """The sites whose events are counted.

        \b
        Examples:
          statnive site add example.com --timezone Europe/Berlin --alias shop.example.com
          statnive site alias add example.com blog.example.com
          statnive site retention example.com --events 90d
          statnive site erase example.com --to 2026-01-31 --dry-run
          statnive site list
        """

    @site.command("add")
    @click.argument("domain")
    @shell.settings
    @click.option(
        "--timezone", default="UTC", show_default=True, help="IANA name; days and hours are cut by it."
    )
    @click.option(
        "--alias", "aliases", multiple=True, help="Another hostname of the same site; may be repeated."
    )
    def add(
        domain: str, data_dir: Path | None, file: Path | None, timezone: str, aliases: tuple[str, ...]
    ) -> None:
        """Add a site; with a node running on the data directory it counts from now on.

        \b
        Example:
          statnive site add example.com --timezone Europe/Berlin --alias shop.example.com
        """

        async def work(client: ControlClient) -> None:
            body = {"domain": domain, "timezone": timezone, "aliases": list(aliases)}
            added = await client.post_json("/control/sites", body)
            click.echo(f"added {added['domain']} ({added['timezone']})")

        shell.run(data_dir, file, work)

    @site.command("list")
    @shell.settings
    def show(data_dir: Path | None, file: Path | None) -> None:
        """List the sites with their time zones and aliases."""

        async def work(client: ControlClient) -> None:
            sites = (await client.get_json("/control/sites"))["sites"]
            width = max((len(entry["domain"]) for entry in sites), default=0)
            lines = [
                f"{entry['domain']:<{width}}  {entry['timezone']}  {' '.join(entry['aliases'])}".rstrip()
                for entry in sites
            ]
            echo_each(lines, "no sites yet; add one with: statnive site add example.com")

        shell.run(data_dir, file, work)

    site.add_command(_alias_group(shell))
    for command in erasing_commands(shell):
        site.add_command(command)
    return site


def _alias_group(shell: Shell) -> click.Group:
    @click.group()
    def alias() -> None:
        """Other hostnames of a site: their events count as its own.

        \b
        Examples:
          statnive site alias add example.com shop.example.com
          statnive site alias remove example.com shop.example.com
        """

    @alias.command("add")
    @click.argument("site")
    @click.argument("host")
    @shell.settings
    def add(site: str, host: str, data_dir: Path | None, file: Path | None) -> None:
        """Count a hostname's events as the site's from now on.

        \b
        Example:
          statnive site alias add example.com shop.example.com
        """

        async def work(client: ControlClient) -> None:
            changed = await client.post_json("/control/aliases", {"site": site, "host": host})
            click.echo(_line(changed))

        shell.run(data_dir, file, work)

    @alias.command("remove")
    @click.argument("site")
    @click.argument("host")
    @shell.settings
    def remove(site: str, host: str, data_dir: Path | None, file: Path | None) -> None:
        """Take a hostname away from the site: its events are unknown_site from now on; what was counted stays.

        \b
        Example:
          statnive site alias remove example.com shop.example.com
        """

        async def work(client: ControlClient) -> None:
            changed = await client.post_json("/control/aliases/remove", {"site": site, "host": host})
            click.echo(_line(changed))

        shell.run(data_dir, file, work)

    return alias


def _line(site: dict[str, Any]) -> str:
    return f"{site['domain']}: {' '.join(site['aliases']) or 'no aliases'}"
