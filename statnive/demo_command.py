"""`statnive demo`: a site with a month of made-up traffic, through the same pipeline, log and writer as real events."""

from __future__ import annotations

import re
import shlex
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from statnive.client import ControlClient
from statnive.commands import Shell
from statnive.control.timezones import canonical_timezone
from statnive.demo import site
from statnive.demo.traffic import Hit, Traffic
from statnive.errors import Rejected

BATCH = 4_000
# Names that nobody can own (RFC 2606, RFC 6761): no real event can ever be sent for one.
RESERVED = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(example|test|invalid|localhost)")


def demo_command(shell: Shell) -> click.Command:
    """The command."""

    @click.command("demo")
    @shell.settings
    @click.option("--site", "domain", default=site.DOMAIN, show_default=True, help="A name that is not real.")
    @click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="Up to today.")
    @click.option(
        "--visits", type=click.IntRange(1, 100_000), default=900, show_default=True, help="A usual day's."
    )
    @click.option("--seed", type=int, default=1, show_default=True, help="Another one makes other traffic.")
    @click.option("--timezone", default="UTC", show_default=True, help="IANA name; days are cut by it.")
    def demo(
        data_dir: Path | None,
        file: Path | None,
        domain: str,
        days: int,
        visits: int,
        seed: int,
        timezone: str,
    ) -> None:
        """Add a site and fill it with made-up traffic: pages, sources, campaigns, devices, countries, custom events,
        goals and revenue. With a node running or without one; a site that exists is never touched.

        \b
        Examples:
          statnive demo
          statnive demo --site shop.example --days 365 --visits 200 --seed 7
          statnive demo --data-dir /tmp/look && statnive serve --data-dir /tmp/look
        """
        if not RESERVED.fullmatch(domain):
            raise Rejected(
                "--site", f"{domain} may be somebody's; give a name that ends in .example or .test"
            )
        zone = canonical_timezone("--timezone", timezone)
        traffic = Traffic(
            domain, days=days, visits_a_day=visits, seed=seed, now=datetime.now(UTC), zone=ZoneInfo(zone)
        )
        given = [("--data-dir", data_dir), ("--config", file)]
        serve = " ".join(["statnive serve", *(f"{name} {shlex.quote(str(at))}" for name, at in given if at)])
        shell.run(data_dir, file, partial(_fill, domain, zone, traffic, days, serve))

    return demo


async def _fill(
    domain: str, zone: str, traffic: Traffic, days: int, serve: str, client: ControlClient
) -> None:
    """`serve`: the command that starts a node on this data, for when none runs."""
    began = time.monotonic()
    await _add(domain, zone, client)
    begun = await client.post_json("/control/imports", {"site": domain})
    where = f"/control/imports/{begun['id']}"
    sent = views = 0
    with click.progressbar(length=days, label=f"filling {domain}", file=sys.stderr) as bar:
        batch: list[Hit] = []
        first_s = shown = 0
        for hit in traffic.hits():
            first_s = first_s or hit.time_s
            batch.append(hit)
            if len(batch) == BATCH:
                views += (await client.post_msgpack(f"{where}/hits", batch))["page_views"]
                sent += len(batch)
                batch = []
                done = (hit.time_s - first_s) // 86_400
                bar.update(done - shown)
                shown = done
        if batch:
            views += (await client.post_msgpack(f"{where}/hits", batch))["page_views"]
            sent += len(batch)
        bar.update(days - shown)
    await client.post_json(f"{where}/finish", {})
    click.echo(f"{domain}: {sent:,} events, {views:,} page views in {time.monotonic() - began:.1f} s")
    node = await client.get_json("/control/node")
    first = "" if node["is_listening"] else f"{serve}, then "
    click.echo(f"Look at it: {first}{node['url']}/?site={domain}")


async def _add(domain: str, zone: str, client: ControlClient) -> None:
    """The site with its goals, segments and funnels. Raises Rejected for one that exists."""
    known = (await client.get_json("/control/sites"))["sites"]
    if any(domain == entry["domain"] or domain in entry["aliases"] for entry in known):
        raise Rejected(
            "--site", f"{domain} exists; made-up traffic is not mixed with what is there. Give another name"
        )
    await client.post_json("/control/sites", {"domain": domain, "timezone": zone, "aliases": []})
    for kind, wanted in (("goals", site.GOALS), ("segments", site.SEGMENTS), ("funnels", site.FUNNELS)):
        for each in wanted:
            await client.post_json(f"/control/{kind}", {"site": domain, **each})
    await client.post_json("/control/settings", {"site": domain, "currency": "EUR"})
