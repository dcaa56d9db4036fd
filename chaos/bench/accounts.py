"""What it costs an API call to know who asks, and how long a sign-in's hash takes on this machine.

    python -m chaos.bench.accounts

A node of its own with a public site; the same read, which needs no engine, anonymously, with a session, with a token
and with a shared link, in turn on one kept-alive connection. Prints medians over REQUESTS of each.
"""

from __future__ import annotations

import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from chaos.statnive_node import StatniveNode, add_token
from statnive.config import AuthConfig
from statnive.control.accounts import AccountStore
from statnive.control.passwords import Hasher, new_secret
from statnive.control.store import ControlStore

REQUESTS: Final = 1_000
WARM_UP: Final = 100
HASHES: Final = 9
ALLOWED_MS: Final = 1.0
SITE: Final = "bench.example"
PATH: Final = f"/api/segments?site={SITE}"


def callers(data_dir: Path) -> dict[str, dict[str, str]]:
    """The headers of each kind of caller, for a data directory that no node runs on yet."""
    data_dir.mkdir(mode=0o700)
    session, link = new_secret(), new_secret()
    with ControlStore.open(data_dir / "control.db") as control:
        site, accounts = control.add_site(SITE, "UTC"), AccountStore(control)
        user = accounts.set_role("ann@example.com", site.id, "viewer", add_user=True)
        accounts.set_password(user.id, "$argon2id$nobody")
        accounts.add_session(user.id, session, "bench", 3_600)
        accounts.add_link(site.id, "bench", link, "", None)
        accounts.set_public(site.id, True)
    return {
        "anonymous": {},
        "session": {"Cookie": f"statnive={session}"},
        "API token": {"Authorization": f"Bearer {add_token(data_dir, 'bench')}"},
        "shared link": {"X-Statnive-Link": link},
    }


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1_000


def measure(url: str, headers: dict[str, dict[str, str]]) -> dict[str, list[float]]:
    """Milliseconds of every request, by caller."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    found: dict[str, list[float]] = {name: [] for name in headers}

    def ask(sent: dict[str, str]) -> None:
        connection.request("GET", PATH, headers=sent)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise click.ClickException(f"{PATH} answered {answer.status}")

    for number in range(WARM_UP + REQUESTS):
        for name, sent in headers.items():
            took = timed(lambda sent=sent: ask(sent))  # type: ignore[misc]
            if number >= WARM_UP:
                found[name].append(took)
    connection.close()
    return found


@click.command()
def main() -> None:
    """Print what authentication adds to an API call (at most 1 ms is allowed), and what a sign-in's hash takes."""
    settings = {"STATNIVE_AUTH_MODE": "accounts", "STATNIVE_API_REQUESTS_PER_HOUR": "1000000"}
    with tempfile.TemporaryDirectory(prefix="statnive-bench-") as directory:
        data_dir = Path(directory) / "data"
        headers = callers(data_dir)
        with StatniveNode(data_dir, settings=settings) as node:
            found = measure(node.url, headers)
    anonymous = statistics.median(found["anonymous"])
    most = 0.0
    for name, times in found.items():
        middle = statistics.median(times)
        most = max(most, middle - anonymous)
        late = sorted(times)[int(len(times) * 0.99)]
        click.echo(f"{name:<12} {middle:7.3f} ms  (p99 {late:.3f})  {middle - anonymous:+.3f} ms")
    config = AuthConfig()
    hasher = Hasher(memory_kib=config.password_memory_kib, passes=config.password_passes)
    kept = hasher.hash("four plain words here")
    hashes = [timed(lambda: hasher.fits(kept, "four plain words here")) for _ in range(HASHES)]
    nobody = [timed(lambda: hasher.fits("", "four plain words here")) for _ in range(HASHES)]
    click.echo(
        f"argon2id, {config.password_memory_kib} KiB, {config.password_passes} passes: "
        f"{statistics.median(hashes):.0f} ms for an account, {statistics.median(nobody):.0f} ms for none"
    )
    verdict = "within" if most <= ALLOWED_MS else "OVER"
    click.echo(
        f"authentication adds {max(most, 0):.3f} ms at most: {verdict} the {ALLOWED_MS:.0f} ms allowed"
    )


if __name__ == "__main__":
    main()
