"""Every attack in turn on a node of its own: `python -m chaos.security`. Exit 1 when the product gave way to one."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import click

from chaos.security.attack import Attack, GaveWay, NotTried
from chaos.security.catalog import ATTACKS
from chaos.security.stage import Stage


def main() -> None:
    """Entry point of `python -m chaos.security`."""
    security(prog_name="python -m chaos.security")


@click.command()
@click.option("--only", default="", help="Names of attacks, or beginnings of them, with commas between.")
@click.option("--quick", is_flag=True, help="Only those that `make test` runs too.")
@click.option("--list", "listing", is_flag=True, help="Name the attacks and end.")
def security(only: str, quick: bool, listing: bool) -> None:
    """Attack a node on this machine in every way we know and say what happened. Nothing leaves loopback, but for the
    questions to package registries whether a dependency is known to be bad.

    \b
    Examples:
      python -m chaos.security
      python -m chaos.security --only smuggling,http2/rapid-reset
      python -m chaos.security --list
    """
    chosen = [attack for attack in ATTACKS if _is_chosen(attack, only, quick)]
    if not chosen:
        raise click.BadParameter(f"{only!r} names no attack; --list shows them", param_hint="--only")
    if listing:
        for attack in chosen:
            click.echo(f"{attack.name:<32} {attack.tried}")
        return
    failed = 0
    with (
        tempfile.TemporaryDirectory(prefix="statnive-security-") as directory,
        Stage(Path(directory), thorough=not quick) as stage,
    ):
        for attack in chosen:
            line, held = run(attack, stage)
            click.echo(line)
            failed += not held
            if not stage.node.running:
                break
    click.echo(
        f"{len(chosen)} attacks, {failed} of them found something"
        if failed
        else f"{len(chosen)} attacks held"
    )
    sys.exit(1 if failed else 0)


def run(attack: Attack, stage: Stage) -> tuple[str, bool]:
    """One attack, with the look at the node after it; its line, and whether the product held."""
    resident, began = stage.node.resident_bytes(), time.monotonic()
    try:
        told = attack.run(stage)
        if not attack.offline:
            stage.check(resident)
    except GaveWay as gave_way:
        return f"FAILED  {attack.name:<30} {attack.tried}: {gave_way}", False
    except Exception as error:  # of the attack itself: said, and the others go on
        if isinstance(error, NotTried):
            return f"absent  {attack.name:<30} {attack.tried}: {error}", True
        return (
            f"FAILED  {attack.name:<30} {attack.tried}: the attack broke: {type(error).__name__}: {error}",
            False,
        )
    took_s = time.monotonic() - began
    return (
        f"held    {attack.name:<30} {attack.tried}: {told.times:,} ×; {told.happened} [{took_s:.1f} s]",
        True,
    )


def _is_chosen(attack: Attack, only: str, quick: bool) -> bool:
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    return (attack.quick or not quick) and (not wanted or attack.name.startswith(tuple(wanted)))


if __name__ == "__main__":
    main()
