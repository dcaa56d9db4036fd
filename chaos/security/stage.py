"""The node under attack: a process of its own on loopback, with a plain and a TLS port, two sites and a token."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
import httpx

from chaos.security.attack import expect
from chaos.statnive_node import NO_TLS, StatniveNode
from chaos.tls_pair import make_pair

SITE, FOREIGN = "example.com", "foreign.example"
PASSWORD = "four plain words here"
CSRF = "x-statnive-csrf"
# Who has an account: the operator; a viewer of FOREIGN; a viewer of SITE; somebody who was shut out.
PEOPLE = {"ann": (True, ""), "bob": (False, FOREIGN), "eve": (False, SITE), "dan": (False, "")}
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
DOORS = ("plain", "tls")
TIMEOUT_S = 60.0  # of what must come: the machine may be busy
AT_ONCE = 12  # connections that wait for silence together
SILENCE_S = 0.4  # after which no more of an answer is waited for
MEMORY_GROWTH_MAX = 400 * 1024 * 1024
CONTROL = "http://control"
# Loopback is a trusted proxy: each client of the suite comes from an address of its own, so that no limit is met
# but where an attack wants to.
ADDRESSES = (f"198.18.{number // 250 % 250}.{number % 250 + 1}" for number in count())


class Stage:
    """`with Stage(directory) as stage:`; the node runs until the end of the block."""

    def __init__(
        self, directory: Path, settings: dict[str, str] | None = None, *, thorough: bool = False
    ) -> None:
        """`thorough`: attacks that can go on for as long as one likes do so for a while."""
        self.directory = directory
        self.thorough = thorough
        self.pair = make_pair(directory)
        self.settings = {
            **self.pair.settings(),
            "STATNIVE_AUTH_MODE": "accounts",
            "STATNIVE_SERVER_HSTS_S": "3600",
            "STATNIVE_SERVER_REQUEST_DEADLINE_S": "3",
            "STATNIVE_SERVER_ANSWER_DEADLINE_S": "3",
            "STATNIVE_SERVER_IDLE_DEADLINE_S": "4",
            "STATNIVE_SERVER_CONNECTIONS_MAX": "1000",
            "STATNIVE_SERVER_TLS_CONNECTIONS_MAX": "200",
            "STATNIVE_API_REQUESTS_PER_HOUR": "100000",
            "STATNIVE_GEO_ASN_DATABASE": "none",
            # Cheap passwords where time is short; what they cost is measured by the thorough run alone.
            **(
                {}
                if thorough
                else {"STATNIVE_AUTH_PASSWORD_MEMORY_KIB": "1024", "STATNIVE_AUTH_PASSWORD_PASSES": "1"}
            ),
            **(settings or {}),
        }
        self.node: StatniveNode
        self.token = ""
        self._reports_seen = self._asked = 0

    def __enter__(self) -> Self:
        self.node = StatniveNode(self.directory / "data", settings=self.settings)
        try:
            self._furnish()
        except BaseException:
            self.node.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.node.__exit__(kind, error, trace)

    def _furnish(self) -> None:
        for site in (SITE, FOREIGN):
            self.control("POST", "/control/sites", {"domain": site, "timezone": "UTC"})
        wish = {"name": "suite", "scopes": ["stats:read"], "sites": [SITE]}
        self.token = self.control("POST", "/control/tokens", wish)["secret"]
        for name, (operator, site) in PEOPLE.items():
            email = f"{name}@example.com"
            self.control("POST", "/control/users", {"email": email, "operator": operator})
            self.control("POST", "/control/users/password", {"email": email, "password": PASSWORD})
            if site:
                self.control("POST", "/control/users/role", {"site": site, "email": email, "role": "viewer"})
        self.control("POST", "/control/users/disable", {"email": "dan@example.com"})

    # Doors

    @property
    def plain(self) -> tuple[str, int]:
        host, _, port = self.node.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    @property
    def tls(self) -> tuple[str, int]:
        (line,) = [line for line in self.node.output if line.startswith("TLS on ")]
        host, _, port = line.split()[-1].removeprefix("https://").rpartition(":")
        return host, int(port)

    def connect(self, door: str, alpn: str = "http/1.1") -> socket.socket:
        """A connection through one of DOORS, its TLS handshake done."""
        if door == "plain":
            return socket.create_connection(self.plain, timeout=TIMEOUT_S)
        sock = socket.create_connection(self.tls, timeout=TIMEOUT_S)
        return self.pair.client(alpn).wrap_socket(sock, server_hostname="localhost")

    def say(self, door: str, raw: bytes, *, silence_s: float = SILENCE_S) -> bytes:
        """Send bytes; what comes back until the node closes, or has been silent for a while."""
        with self.connect(door) as sock:
            sock.settimeout(TIMEOUT_S)
            with suppress(OSError):  # it closed before it had read all: what it said is still there
                sock.sendall(raw)
            return read_rest(sock, silence_s)

    def say_each(
        self, door: str, raws: Iterable[bytes], *, silence_s: float = SILENCE_S
    ) -> Iterator[tuple[bytes, bytes]]:
        """Each of `raws` on a connection of its own, AT_ONCE at a time, with what came back: (raw, said), in order.

        Most of an answer's time is the silence after it, which many can wait for together.
        """
        left = iter(raws)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while some := list(islice(left, AT_ONCE)):
                yield from zip(
                    some, pool.map(lambda raw: self.say(door, raw, silence_s=silence_s), some), strict=True
                )

    def client(self, door: str = "plain", **more: Any) -> httpx.Client:
        """A well-behaved client from an address of its own."""
        host, port = self.plain if door == "plain" else self.tls
        verify: ssl.SSLContext = self.pair.client("h2", "http/1.1") if door == "tls" else NO_TLS
        headers = {"user-agent": AGENT, "x-forwarded-for": next(ADDRESSES), **more.pop("headers", {})}
        scheme = "http" if door == "plain" else "https"
        return httpx.Client(
            base_url=f"{scheme}://{host}:{port}", verify=verify, http2=door == "tls", headers=headers,
            timeout=TIMEOUT_S, **more,
        )  # fmt: skip

    def control(
        self, method: str, path: str, body: object = None, *, raw: bytes | None = None, **query: Any
    ) -> Any:
        """Over the control socket, as this machine's operator; `body` as JSON, or `raw` bytes. RuntimeError: no 2xx."""
        # A Unix socket's path is limited to 107 bytes; by way of the directory's descriptor it always fits.
        directory = os.open(self.node.data_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            transport = httpx.HTTPTransport(uds=f"/proc/self/fd/{directory}/control.sock", verify=NO_TLS)
            with httpx.Client(transport=transport, base_url=CONTROL, timeout=TIMEOUT_S) as client:
                answer = client.request(method, path, json=body, content=raw, params=query)
        finally:
            os.close(directory)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    def session(self, name: str) -> httpx.Client:
        """A client that one of PEOPLE has signed in with; its changes carry the origin and the token of the session."""
        with self.client() as first:
            who = {"email": f"{name}@example.com", "password": PASSWORD}
            answer = first.post("/api/account/login", json=who)
            expect(
                answer.status_code == 200, f"{name} can't sign in: {answer.status_code} {answer.text[:100]}"
            )
            own = {CSRF: str(first.get("/api/account").json()["csrf"]), "origin": self.node.url}
            return self.client(cookies=dict(first.cookies), headers=own)

    def without(self, client: httpx.Client, *headers: str) -> httpx.Client:
        """Another client with the same cookies, that does not send those headers."""
        kept = {name: value for name, value in client.headers.items() if name not in headers}
        return self.client(cookies=dict(client.cookies), headers=kept)

    def holdings(self) -> dict[str, Any]:
        """What a change could have changed: sites, people and their roles, keys."""
        seen = ("last_used_at", "signed_in_at")
        return {
            name: [{key: value for key, value in entry.items() if key not in seen} for entry in found]
            for kind in ("sites", "users", "tokens")
            for name, found in self.control("GET", f"/control/{kind}").items()
            if isinstance(found, list)
        }

    def sign_in(self, context: Any) -> None:
        """Let a browser's context see the dashboard of this node, as its operator."""
        with self.session("ann") as client:
            cookies = [
                {"name": name, "value": value, "url": self.node.url}
                for name, value in dict(client.cookies).items()
            ]
        context.add_cookies(cookies)

    def figures(self) -> dict[str, float]:
        """/metrics by name."""
        lines = str(self.control("GET", "/metrics")).splitlines()
        return {
            name.removeprefix("statnive_"): float(value)
            for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
        }

    # What is seen of it

    def event(self, client: httpx.Client, **fields: Any) -> httpx.Response:
        """One event, as the tracker sends it but for the fields given."""
        return client.post("/api/event", json={"n": "pageview", "u": f"https://{SITE}/", **fields})

    def settle(self) -> None:
        """Until every event that was taken is in the engine."""
        self.until(lambda: self.figures().get("writer_lag_rows", 0) == 0, "events wait in the log")

    def until(self, done: Any, otherwise: str, deadline_s: float = TIMEOUT_S) -> None:
        """A condition that the node brings about in its own time. Raises GaveWay."""
        end = time.monotonic() + deadline_s
        while not done():
            expect(time.monotonic() < end, f"after {deadline_s:.0f} s still: {otherwise}")
            time.sleep(0.02)

    def stats(self, report: str, **query: str) -> list[dict[str, Any]]:
        """The rows of one report of today, fresh."""
        self.settle()
        self._asked += 1  # another limit each time: no answer out of the cache
        asked: dict[str, Any] = {"site": SITE, "period": "day", "limit": str(500 + self._asked), **query}
        found = self.control("GET", f"/api/stats/{report}", **asked)
        return list(found["rows"])

    def reports(self) -> list[dict[str, Any]]:
        """The lines of audit.log that are new since the last call."""
        file = self.node.data_dir / "audit.log"
        lines = file.read_text().splitlines() if file.exists() else []
        fresh, self._reports_seen = lines[self._reports_seen :], len(lines)
        return [json.loads(line) for line in fresh]

    def check(self, resident_before: int) -> None:
        """After an attack: the node lives, answers, has not grown and has found no bug in itself. Raises GaveWay."""
        expect(self.node.running, "the node has ended:\n" + "".join(self.node.output[-20:]))
        for door in DOORS:
            with self.client(door) as client:
                self.until(
                    lambda client=client: self.event(client).status_code == 202, f"{door}: no event is taken"
                )
        grown = self.node.resident_bytes() - resident_before
        expect(grown < MEMORY_GROWTH_MAX, f"its memory grew by {grown / 2**20:.0f} MiB")
        bugs = [line["text"] for line in self.reports() if line["kind"] == "bug"]
        expect(not bugs, f"it met a bug of its own: {bugs[:3]}")
        expect(not any("Traceback" in line for line in self.node.output), "a traceback on stderr")

    @contextmanager
    def witness(self) -> Iterator[Witness]:
        """Somebody who goes on sending events on the plain port, and measures."""
        seen = Witness()
        stop = threading.Event()

        def send() -> None:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    with self.client() as client:
                        status = self.event(client).status_code
                except httpx.HTTPError:
                    status = 0
                seen.waits_s.append(time.monotonic() - began)
                seen.taken += status == 202
                stop.wait(0.05)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join()


@attrs.define
class Witness:
    """What an honest client met meanwhile: seconds for a connection and its event."""

    taken: int = 0
    waits_s: list[float] = attrs.field(factory=list)

    def told(self) -> str:
        """For the attack's line; raises GaveWay when an event was not taken."""
        expect(bool(self.waits_s), "nobody watched")
        expect(
            self.taken == len(self.waits_s), f"{len(self.waits_s) - self.taken} honest events were not taken"
        )
        return f"{self.taken} honest events all taken, the slowest in {max(self.waits_s) * 1e3:.0f} ms"


def read_rest(sock: socket.socket, silence_s: float) -> bytes:
    """What comes until the other end closes, or is silent for so long. At most 8 MiB."""
    data = b""
    sock.settimeout(silence_s)
    while len(data) < 8 * 2**20:
        try:
            piece = sock.recv(65_536)
        except OSError:  # silence, or a reset
            break
        if not piece:
            break
        data += piece
    return data
