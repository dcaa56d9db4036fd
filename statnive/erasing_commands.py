"""`statnive site erase`, `retention` and `remove`: taking a site's days away, for the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from statnive.client import ControlClient
from statnive.commands import Shell


def erasing_commands(shell: Shell) -> list[click.Command]:
    """The commands of the group `site`."""
    return [_erase(shell), _retention(shell), _remove(shell)]


def _erase(shell: Shell) -> click.Command:
    @click.command("erase")
    @click.argument("site")
    @click.option(
        "--from", "first", default="", metavar="DAY", help="The first local day. [the site's first]"
    )
    @click.option("--to", "last", default="", metavar="DAY", help="The last local day. [the site's last]")
    @click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
    @click.option("--yes", is_flag=True, help="Don't ask.")
    @shell.settings
    def erase(
        site: str,
        first: str,
        last: str,
        dry_run: bool,
        yes: bool,
        data_dir: Path | None,
        file: Path | None,
    ) -> None:
        """Erase a site's events and everything that was counted of them, for good.

        What was acknowledged before goes; what comes after it counts. A node that stops meanwhile goes on at its next
        start. Backups keep what they hold.

        \b
        Examples:
          statnive site erase example.com --dry-run
          statnive site erase example.com --from 2026-03-01 --to 2026-03-31
          statnive site erase example.com --yes
        """

        async def work(client: ControlClient) -> None:
            wish = {"site": site, "from": first, "to": last}
            extent = await client.post_json("/control/erase", {**wish, "dry_run": True})
            for line in _extent_lines(extent):
                click.echo(line)
            if dry_run:
                return
            if not yes and not click.confirm(f"erase this of {extent['site']} for good?"):
                raise click.Abort
            asked = await client.post_json("/control/erase", wish)
            await _wait(client, asked)

        shell.run(data_dir, file, work)

    return erase


def _retention(shell: Shell) -> click.Command:
    @click.command("retention")
    @click.argument("site")
    @click.option("--events", metavar="TIME", help='Keep events so long: 90d, 13m, or "forever".')
    @click.option("--counts", metavar="TIME", help="Keep what is counted of them so long; as long or longer.")
    @click.option("--apply", "at_once", is_flag=True, help="Remove now, and not from the site's next day on.")
    @shell.settings
    def retention(
        site: str,
        events: str | None,
        counts: str | None,
        at_once: bool,
        data_dir: Path | None,
        file: Path | None,
    ) -> None:
        """Show or set how long a site's days are kept: single events, and the sums that reports are made of.

        90d keeps the 90 days before today, 13m the 13 whole months before this one; older days are removed once a day.
        A change takes effect with the site's next day.

        \b
        Examples:
          statnive site retention example.com
          statnive site retention example.com --events 90d
          statnive site retention example.com --events 13m --counts 60m --apply
          statnive site retention example.com --events forever --counts forever
        """

        async def work(client: ControlClient) -> None:
            wish: dict[str, Any] = {"site": site, "apply": at_once}
            for key, text in (("keep_events", events), ("keep_counts", counts)):
                if text is not None:
                    wish[key] = "" if text.lower() == "forever" else text
            found = await client.post_json("/control/retention", wish)
            for what, key, gone in (
                ("events", "keep_events", "events_from"),
                ("counts", "keep_counts", "counts_from"),
            ):
                removed = f"; days before {found[gone]} are gone" if found[gone] else ""
                click.echo(f"{found['site']} {what}: {found[key] or 'for ever'}{removed}")
            if at_once and found["applied"] is None:
                click.echo("nothing is older than that")
            elif at_once:
                await _wait(client, found["applied"])

        shell.run(data_dir, file, work)

    return retention


def _remove(shell: Shell) -> click.Command:
    @click.command("remove")
    @click.argument("site")
    @click.option("--erase/--keep-data", "erase", default=None, help="What becomes of its events. [asked]")
    @click.option("--yes", is_flag=True, help="Don't ask whether to remove it.")
    @shell.settings
    def remove(site: str, erase: bool | None, yes: bool, data_dir: Path | None, file: Path | None) -> None:
        """Remove a site: its events are no longer taken; its goals, links and roles go.

        Its events can be erased with it. Kept, they stay in ClickHouse under an id that no other site gets, and nothing
        shows or erases them any more.

        \b
        Examples:
          statnive site remove example.com
          statnive site remove example.com --erase --yes
        """

        async def work(client: ControlClient) -> None:
            erased = erase
            if erased is None:
                extent = await client.post_json("/control/erase", {"site": site, "dry_run": True})
                for line in _extent_lines(extent):
                    click.echo(line)
                erased = click.confirm("erase its events and counts, too?")
            if not yes:
                click.confirm(f"remove {site}?", abort=True)
            done = await client.post_json("/control/sites/remove", {"site": site, "erase": erased})
            click.echo(f"removed {done['site']}")
            if done["erasure"]:
                await _wait(client, done["erasure"])

        shell.run(data_dir, file, work)

    return remove


async def _wait(client: ControlClient, asked: dict[str, Any]) -> None:
    """Until the erasure is done, a bar meanwhile. Stopping to wait does not stop it."""
    with click.progressbar(length=1, label="erasing", file=sys.stderr, show_eta=False) as bar:
        found = asked
        while found["state"] != "done":
            seen = f"{found['state']} {found['months_done']}"
            found = await client.get_json(f"/control/erasures/{asked['id']}", seen=seen)
            if found["months"]:
                bar.length = found["months"]
                bar.update(found["months_done"] - bar.pos)
    click.echo(
        f"erased {found['rows_erased']:,} rows of events and the counts of {found['events_uncounted']:,} events, in "
        f"{found['months']:,} months"
    )


def _extent_lines(extent: dict[str, Any]) -> list[str]:
    days = f"{extent['from'] or 'the first day'} to {extent['to'] or 'the last'}"
    lines = [f"{extent['site']}, {days}:"]
    width = max(map(len, extent["rows"]))
    lines += [f"  {table:<{width}}  {rows:>13,} rows" for table, rows in extent["rows"].items()]
    if extent["first_day"]:
        lines.append(f"  events of {extent['first_day']} to {extent['last_day']}")
    return lines
