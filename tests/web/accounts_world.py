"""A node's web layer without engine and log: a real control database, users of every kind, and requests to the app."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import httpx

from statnive.actors.ack_times import AckTimes
from statnive.actors.audit_record import RECORDS
from statnive.actors.eraser import EraserHandle, Told
from statnive.clickhouse.erase import Extent
from statnive.config import AuthConfig, IngestConfig, ServerConfig
from statnive.control import retention
from statnive.control.accounts import AccountStore
from statnive.control.passwords import csrf_token, new_secret
from statnive.control.snapshot import SnapshotHolder
from statnive.control.store import ControlStore
from statnive.control.tokens import SECRET_BYTES, NewToken, secret_of
from statnive.erasures import Nothing
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.ingest.parse import Parser
from statnive.web.accounts import Accounts
from statnive.web.app import PublicApp
from statnive.web.gate import Gate
from statnive.web.server_events import ServerEvents
from statnive.web.sign_in import SignIn
from statnive.web.token_gate import TokenGate

# Cheap, for tests alone: the product's costs are those of AuthConfig.
CHEAP = AuthConfig(password_memory_kib=1_024, password_passes=1)
PASSWORD = "correct horse battery"
NODE = "http://stats.example:8080"
NOW = 1_793_620_800.0


@attrs.define
class Recorder:
    """Stands for the auditor."""

    records: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)

    def record(self, kind: str, **fields: Any) -> None:
        assert kind in RECORDS, kind
        self.records.append((kind, fields))

    def subject(self, name: str) -> str:
        return "subject:1"

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.records]


class World:
    """Two sites, a.example and b.example, and what a node makes of them."""

    def __init__(self, folder: Path, *, mode: str = "accounts", config: AuthConfig = CHEAP) -> None:
        self.now = NOW
        self.control = ControlStore.open(folder / "control.db", now_s=self.clock)
        self.a = self.control.add_site("a.example", "UTC", ["www.a.example"])
        self.b = self.control.add_site("b.example", "UTC")
        self.store = AccountStore(self.control, now_s=self.clock)
        self.auditor: Any = Recorder()
        self.problems: list[str] = []
        sites = SnapshotHolder(self.control.snapshot())
        self.accounts = Accounts(self.store, config, clock=self.clock, report=self.report)
        self.sign_in = SignIn(self.accounts, clock=self.clock, auditor=self.auditor)
        self.tokens = TokenGate(
            self.control.tokens_by_digest, self.control.token_used, clock=self.clock,
            requests_per_hour=10_000, report=self.report,
        )  # fmt: skip
        addresses = ClientAddress(("127.0.0.0/8",))
        self.gate = Gate(
            mode, sites=sites, accounts=self.accounts, tokens=self.tokens, addresses=addresses,
            auditor=self.auditor,
        )  # fmt: skip
        pages = folder / "pages"
        pages.mkdir(exist_ok=True)
        (pages / "index.html").write_text("<title>statnive</title>")
        self.parts: Any = SimpleNamespace(
            server=ServerConfig(), sites=sites, store=self.control, drops=Drops(self.clock, 10, 10),
            ingest=SimpleNamespace(serves=lambda path: False, ack_times=AckTimes(self.clock)),
            addresses=addresses, clock=self.clock,
            tokens=self.tokens, accounts=self.accounts, sign_in=self.sign_in, gate=self.gate,
            figures=lambda: {"one": 1.0}, readiness=dict, listening_url=lambda: NODE, report=self.report,
            auditor=self.auditor, dashboard_dir=pages, reload_sites=self.reload_sites,
        )  # fmt: skip
        self.parts.eraser = self._eraser()
        tools: Any = SimpleNamespace(sites=sites, drops=self.parts.drops, clock=self.clock)
        pipeline: Any = SimpleNamespace(parser=Parser(IngestConfig()))
        self.serve_events(tools, pipeline, append=lambda rows, waiter: None)

    def serve_events(self, tools: Any, pipeline: Any, *, append: Any, oldest_day: int = 0) -> None:
        """The app with the events of servers: as far as the gate needs them, unless a test brings a pipeline."""
        self.parts.server_events = ServerEvents(
            tools, pipeline, IngestConfig(), append=append, keeps_day=lambda day: day >= oldest_day,
            tokens=self.tokens,
        )  # fmt: skip
        self.app = PublicApp(self.parts)

    def _eraser(self) -> EraserHandle:
        """Takes erasures and does none: there is no engine."""
        extent = Extent({"events_raw": 5, "daily_pages": 2}, (202611,), "2026-11-01", "2026-11-02")
        engine: Any = SimpleNamespace(measure_erasure=lambda events, rollups: extent)
        writer: Any = SimpleNamespace(clock=self.clock, durable_lsn=0)
        told = Told(self.report, self.auditor.record, lambda site_id: None, self.reload_sites)

        def floors(now: float, at_once: bool) -> dict[int, tuple[int, int]]:
            return retention.floors(self.parts.sites.current.by_id.values(), now, 0, at_once=at_once)

        return EraserHandle(
            Nothing(), engine, writer, writer, told, floors=floors, clock=self.clock, scheduled=False
        )

    def clock(self) -> float:
        return self.now

    def report(self, kind: str, text: str) -> None:
        self.problems.append(f"{kind}: {text}")

    def reload_sites(self) -> None:
        self.parts.sites.current = self.control.snapshot().without(self.parts.eraser.book.ledger.removed)
        self.accounts.reload()

    def user(self, email: str, *, operator: bool = False, **roles: str) -> int:
        """A user who can sign in with PASSWORD; roles as a="viewer"."""
        user = self.store.add_user(email, is_operator=operator)
        self.store.set_password(user.id, self.accounts.hasher.hash(PASSWORD))
        for name, role in roles.items():
            self.store.set_role(email, getattr(self, name).id, role)
        self.accounts.reload()
        return user.id

    def session(self, user_id: int) -> str:
        """A signed-in browser's secret."""
        secret = new_secret()
        self.store.add_session(user_id, secret, "Firefox, Linux", CHEAP.session_life_s)
        self.accounts.reload()
        return secret

    def token(self, *scopes: str, site: Any = None, days: int | None = None) -> str:
        """An API token's secret; without a site for all of them."""
        secret = secret_of(os.urandom(SECRET_BYTES))
        sites = None if site is None else frozenset((site.id,))
        self.control.add_token(NewToken(secret[:20], scopes, sites, days), secret)
        self.tokens.reload()
        return secret

    def link(self, site: Any, name: str, password: str = "", days: int | None = None) -> str:
        """A shared link's secret."""
        secret = new_secret()
        hashed = self.accounts.hasher.hash(password) if password else ""
        self.store.add_link(site.id, name, secret, hashed, days)
        self.accounts.reload()
        return secret

    async def ask(
        self, method: str, path: str, *, app: Any = None, address: str = "203.0.113.9", **given: Any
    ) -> httpx.Response:
        """One request, as it stands."""
        transport = httpx.ASGITransport(app or self.app, client=(address, 5_000))
        async with httpx.AsyncClient(transport=transport, base_url=NODE) as client:
            return await client.request(method, path, **given)

    async def post(self, path: str, body: Any, session: str = "", **given: Any) -> httpx.Response:
        """A change as the dashboard's page makes it."""
        headers = {"origin": NODE, **as_session(session), **given.pop("headers", {})}
        return await self.ask("POST", path, json=body, headers=headers, **given)


def as_session(secret: str) -> dict[str, str]:
    """The headers of a signed-in browser."""
    return {"cookie": f"statnive={secret}", "x-statnive-csrf": csrf_token(secret)} if secret else {}
