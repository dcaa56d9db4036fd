"""`statnive user`: who may sign in to the dashboard, for the command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from statnive.client import ControlClient
from statnive.commands import Shell, echo_each


def user_group(shell: Shell) -> click.Group:
    """The group."""

    @click.group()
    def user() -> None:
        """The people who may sign in to the dashboard.

        \b
        Examples:
          statnive user add ann@example.com --operator
          statnive user add bob@example.com --site example.com --role viewer
          statnive user list
          statnive user passwd bob@example.com
          statnive user disable bob@example.com
        """

    @user.command("add")
    @click.argument("email")
    @shell.settings
    @click.option("--operator", is_flag=True, help="May do everything on every site, and add users.")
    @click.option("--site", "sites", multiple=True, help="A site that the role is for; may be repeated.")
    @click.option(
        "--role",
        type=click.Choice(["viewer", "admin", "owner"]),
        default="viewer",
        show_default=True,
        help="What the user may do with these sites: look; change goals, links and tokens; say who else may.",
    )
    @click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    def add(
        email: str,
        data_dir: Path | None,
        file: Path | None,
        operator: bool,
        sites: tuple[str, ...],
        role: str,
        password_stdin: bool,
    ) -> None:
        """Add a user, or give one that is there another role. Shows a link to choose a password, once.

        \b
        Examples:
          statnive user add ann@example.com --operator
          statnive user add bob@example.com --site example.com --site shop.example --role admin
          pass show statnive | statnive user add ann@example.com --operator --password-stdin
        """
        if operator == bool(sites):
            raise click.UsageError("say what the user may do: --operator, or --site (as often as needed)")

        async def work(client: ControlClient) -> None:
            made: dict[str, Any] = {}
            if operator:
                made = await client.post_json("/control/users", {"email": email, "operator": True})
            for site in sites:
                made |= await client.post_json(
                    "/control/users/role", {"site": site, "email": email, "role": role}
                )
            await _finish(client, email, made, password_stdin)

        shell.run(data_dir, file, work)

    @user.command("list")
    @shell.settings
    def show(data_dir: Path | None, file: Path | None) -> None:
        """List the users with their roles, and when each signed in last."""

        async def work(client: ControlClient) -> None:
            users = (await client.get_json("/control/users"))["users"]
            echo_each(
                [_line(found) for found in users],
                "no users yet; the server prints a link for the first one at its start",
            )

        shell.run(data_dir, file, work)

    @user.command("passwd")
    @click.argument("email")
    @shell.settings
    @click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    def passwd(email: str, data_dir: Path | None, file: Path | None, password_stdin: bool) -> None:
        """Show a link to choose a new password, valid for a week, once. A new password ends every session.

        \b
        Examples:
          statnive user passwd bob@example.com
          statnive user passwd bob@example.com --password-stdin < secret
        """

        async def work(client: ControlClient) -> None:
            made = {} if password_stdin else await client.post_json("/control/users/link", {"email": email})
            await _finish(client, email, made, password_stdin)

        shell.run(data_dir, file, work)

    @user.command("disable")
    @click.argument("email")
    @shell.settings
    def disable(email: str, data_dir: Path | None, file: Path | None) -> None:
        """Let a user sign in no more, and end every session at once.

        \b
        Example:
          statnive user disable bob@example.com
        """
        _switch(shell, data_dir, file, email, "disable")

    @user.command("enable")
    @click.argument("email")
    @shell.settings
    def enable(email: str, data_dir: Path | None, file: Path | None) -> None:
        """Let a disabled user sign in again.

        \b
        Example:
          statnive user enable bob@example.com
        """
        _switch(shell, data_dir, file, email, "enable")

    return user


async def _finish(client: ControlClient, email: str, made: dict[str, Any], password_stdin: bool) -> None:
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
        made |= await client.post_json("/control/users/password", {"email": email, "password": password})
    click.echo(_line(made), err=not password_stdin)
    if "setup_url" in made and not password_stdin:
        click.echo("To choose a password, once and within a week:", err=True)
        click.echo(made["setup_url"])


def _switch(shell: Shell, data_dir: Path | None, file: Path | None, email: str, how: str) -> None:
    async def work(client: ControlClient) -> None:
        click.echo(_line(await client.post_json(f"/control/users/{how}", {"email": email})))

    shell.run(data_dir, file, work)


def _line(user: dict[str, Any]) -> str:
    roles = [f"{site}: {role}" for site, role in sorted(user["roles"].items())]
    parts = [user["email"], "operator" if user["is_operator"] else ", ".join(roles) or "no site"]
    if user["state"] != "active":
        parts.append(user["state"])
    if user["has_totp"]:
        parts.append("one-time codes")
    if user["signed_in_at"] is not None:
        day = datetime.fromtimestamp(user["signed_in_at"], UTC).strftime("%Y-%m-%d %H:%M UTC")
        parts.append(f"signed in {day}")
    return "  ".join(parts)
