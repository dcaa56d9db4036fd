"""`statnive token`: who may use the API, for the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from statnive.client import ControlClient
from statnive.commands import Shell, echo_each


def token_group(shell: Shell) -> click.Group:
    """The group."""

    @click.group()
    def token() -> None:
        """The tokens of the API: for programs, never for browsers.

        \b
        Examples:
          statnive token add grafana --site example.com
          statnive token add export --all-sites --days 90
          statnive token list
          statnive token revoke 2
        """

    @token.command("add")
    @click.argument("name")
    @shell.settings
    @click.option("--site", "sites", multiple=True, help="A site that it is for; may be repeated.")
    @click.option("--all-sites", is_flag=True, help="For every site, also those that are added later.")
    @click.option(
        "--scope",
        "scopes",
        multiple=True,
        default=("stats:read",),
        show_default=True,
        help="stats:read, events:write or sites:manage; may be repeated.",
    )
    @click.option("--days", type=int, help="How long it is valid; for ever unless given.")
    def add(
        name: str,
        data_dir: Path | None,
        file: Path | None,
        sites: tuple[str, ...],
        all_sites: bool,
        scopes: tuple[str, ...],
        days: int | None,
    ) -> None:
        """Make a token and show it, this once: only its hash is kept.

        \b
        Examples:
          statnive token add grafana --site example.com
          statnive token add "our CRM" --site example.com --site shop.example --scope stats:read --days 365
          TOKEN=$(statnive token add report --all-sites)
        """
        if all_sites == bool(sites):
            raise click.UsageError("say for which sites: --site (as often as needed) or --all-sites")
        body = {"name": name, "scopes": scopes, "sites": None if all_sites else sites, "days": days}

        async def work(client: ControlClient) -> None:
            added = await client.post_json("/control/tokens", body)
            click.echo(f"token {_line(added)}\nIt is shown this once; keep it safe:", err=True)
            click.echo(added["secret"])

        shell.run(data_dir, file, work)

    @token.command("list")
    @shell.settings
    def show(data_dir: Path | None, file: Path | None) -> None:
        """List the tokens with their numbers, scopes, sites and last use; those that are closed last."""

        async def work(client: ControlClient) -> None:
            tokens = (await client.get_json("/control/tokens"))["tokens"]
            lines = [_line(found) for found in sorted(tokens, key=lambda found: found["state"] != "open")]
            echo_each(lines, "no tokens yet; `statnive token add --help` shows how to make one")

        shell.run(data_dir, file, work)

    @token.command("revoke")
    @click.argument("number", type=int)
    @shell.settings
    def revoke(number: int, data_dir: Path | None, file: Path | None) -> None:
        """Close a token by its number, at once and for good.

        \b
        Example:
          statnive token revoke 2
        """

        async def work(client: ControlClient) -> None:
            revoked = await client.post_json(f"/control/tokens/{number}/revoke", {})
            click.echo(f"revoked token {_line(revoked)}")

        shell.run(data_dir, file, work)

    return token


def _line(token: dict[str, Any]) -> str:
    sites = "all sites" if token["sites"] is None else " ".join(token["sites"]) or "no site any more"
    parts = [f"{token['id']}  {token['name']}", f"{token['shown']}…", " ".join(token["scopes"]), sites]
    if token["expires_at"] is not None:
        parts.append(f"{'expired' if token['state'] == 'expired' else 'until'} {_day(token['expires_at'])}")
    last = token["last_used_at"]
    parts.append("never used" if last is None else f"used {_minute(last)}")
    return "  ".join(parts) + ("  (revoked)" if token["state"] == "revoked" else "")


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _minute(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
