"""Events from a site's own servers: what is recorded of them, what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from statnive.actors.limiter import LimiterHandle
from statnive.config import ApiConfig, IngestConfig, LimiterConfig
from statnive.errors import Overloaded
from statnive.event import DropReason, Row
from statnive.ingest.client_address import ClientAddress, network_key
from statnive.ingest.geo import Geo
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.pipeline import Pipeline, Tools
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser
from statnive.ingest.visitor import daily_salt, visitor_hash
from statnive.ingest.visits import VisitTable
from statnive.web.token_gate import EVENTS_MAX
from tests.web.accounts_world import NOW, World

# Their tables take a while to build and never change.
AGENTS = AgentParser(100)
SOURCES = SourceClassifier(cache_entries=100)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
DESK = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
KEY = bytes(32)
TODAY = int(NOW) // 86_400


class OneKey:
    def salt(self, site_id: int, day: int) -> bytes:
        return daily_salt(KEY, site_id, day)


class Batch:
    """A group commit that becomes durable when the test says so."""

    def __init__(self) -> None:
        self.durable = trio.Event()

    async def wait_durable(self) -> None:
        await self.durable.wait()


class Shop(World):
    """A node's web layer with a whole pipeline; the log is a list."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rows: list[Row] = []
        self.appends: list[list[Row]] = []
        self.batches: list[Batch] = []
        self.is_full = False
        self.is_slow = False
        tools = Tools(
            clock=self.clock, sites=self.parts.sites, limiter=LimiterHandle(LimiterConfig(), lambda: 0.0),
            salts=OneKey(), geo=Geo(None, None), agent=AGENTS, sources=SOURCES, visits=VisitTable(1_800, 1_000),
            drops=self.parts.drops, encode=lambda row: row, times=LocalTimes(),  # type: ignore[arg-type,return-value]
        )  # fmt: skip
        self.pipeline = Pipeline(IngestConfig(), tools, ClientAddress(()))
        self.serve_events(tools, self.pipeline, append=self.append, oldest_day=TODAY)
        self.secret = self.token("events:write", site=self.a)

    def append(self, rows: list[Any], waiter: None) -> Batch:
        if self.is_full:
            raise Overloaded("the log is nearly full", 10)
        self.appends.append(rows)
        self.rows += rows
        batch = Batch()
        if not self.is_slow:
            batch.durable.set()
        self.batches.append(batch)
        return batch

    async def send(self, body: Any, *, secret: str | None = None, **headers: str) -> httpx.Response:
        given = {"content": body} if isinstance(body, (bytes, str)) else {"json": body}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = {"authorization": f"Bearer {self.secret if secret is None else secret}"}
        return await self.ask("POST", "/api/v1/events", headers={**bearer, **named}, **given)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.control.close()


def event(**more: Any) -> dict[str, Any]:
    return {
        "name": "pageview",
        "url": "https://a.example/x",
        "ip": "203.0.113.7",
        "user_agent": PHONE,
        **more,
    }


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in event().items() if key not in keys}


async def test_an_event_is_of_the_visitor_that_the_caller_names_and_not_of_the_caller(shop: Shop) -> None:
    answer = await shop.send(event(props={"plan": "pro"}), user_agent=DESK, x_forwarded_for="198.51.100.1")
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "dropped": []})
    (row,) = shop.rows
    assert (row.site_id, row.ts, row.pathname, row.props) == (shop.a.id, int(NOW), "/x", {"plan": "pro"})
    assert (row.os, row.device) == ("iOS", "mobile")
    salt = daily_salt(KEY, shop.a.id, TODAY)
    assert row.visitor == visitor_hash(salt, network_key("203.0.113.7"), PHONE.encode())


async def test_without_an_ip_in_the_event_the_headers_of_plausible_tell_the_visitor(shop: Shop) -> None:
    body = without("ip", "user_agent")
    answer = await shop.send(body, user_agent=DESK, x_forwarded_for="2001:db8:0:1::5, 10.0.0.1")
    assert answer.status_code == 202, answer.text
    salt = daily_salt(KEY, shop.a.id, TODAY)
    assert shop.rows[0].visitor == visitor_hash(salt, network_key("2001:db8:0:1::5"), DESK.encode())


async def test_a_server_and_a_browser_speak_of_one_visit(shop: Shop) -> None:
    await shop.send([event(), event(name="Signup"), event(url="https://a.example/y")])
    assert len(shop.appends) == 1, "one request, one append"
    assert len({row.visit_id for row in shop.rows}) == 1
    assert [row.visit_start for row in shop.rows] == [1, 0, 0]
    assert sum(row.bounce_delta for row in shop.rows) == 0
    assert [row.name for row in shop.rows] == ["pageview", "Signup", "pageview"]


async def test_the_answer_waits_for_the_commit(shop: Shop) -> None:
    shop.is_slow = True
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await shop.send(event()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        while not shop.batches:
            await trio.sleep(0.001)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        shop.batches[0].durable.set()
    assert answers[0].status_code == 202


@pytest.mark.parametrize(
    ("time", "ts"),
    [
        (int(NOW) - 3_600, int(NOW) - 3_600),
        (NOW - 0.5, int(NOW - 0.5)),
        (datetime.fromtimestamp(NOW - 60, UTC).isoformat(), int(NOW) - 60),
        (int(NOW) + 60, int(NOW)),  # a clock that runs ahead
        (None, int(NOW)),
    ],
)
async def test_the_time_is_the_caller_s_to_tell(shop: Shop, time: Any, ts: int) -> None:
    assert (await shop.send(event(time=time))).status_code == 202
    assert shop.rows[0].ts == ts


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (without("ip"), "ip: is missing"),
        (without("user_agent"), "user_agent: is missing"),
        (event(ip="here"), "ip: is no address such as"),
        (event(ip=7), "ip: Expected `str | null`, got `int`"),
        (event(time=NOW + 61), "time: lies more than 60 seconds ahead"),
        (event(time=NOW * 1_000), "time: is too large"),
        (event(time="yesterday"), "time: must be seconds of the epoch"),
        (event(time="2026-11-01T12:00:00"), "time: must be seconds of the epoch"),
        (event(time=(TODAY - 1) * 86_400), "time: lies on a day whose"),
        (event(time=-1), "time: lies on a day whose"),
        (event(time="0001-01-01T00:00:00+14:00"), "time: "),
        (without("url"), "url: is missing"),
        (event(name=""), "name: is missing"),
        (event(url="data:text/html,x"), "url: has a scheme that is not counted"),
        (event(url="/x"), "domain: is missing"),
        (event(domain=" "), "domain: is blank"),
        ([event(), 7, event(url="")], "x"),
        ([], "body: must hold 1 to 50 events, holds 0"),
        ([event()] * (EVENTS_MAX + 1), "body: must hold 1 to 50 events, holds 51"),
        ([7], "[0].event: must be a JSON object"),
        ("7", "body: must be a JSON object"),
        ("{", "body: is not valid JSON"),
        ("[{", "body: is not valid JSON"),
        ("[" * 5_000, "body: is not valid JSON"),
        (" " * 70_000, "body: is longer than 65536 bytes"),
    ],
)
async def test_a_wrong_request_is_told_which_field_and_why(shop: Shop, body: Any, said: str) -> None:
    answer = await shop.send(body)
    if said == "x":  # the good one of three is recorded
        assert answer.json() == {
            "accepted": 1,
            "dropped": [
                {"index": 1, "reason": "malformed", "field": "[1].event", "message": "must be a JSON object"},
                {"index": 2, "reason": "malformed", "field": "[2].url", "message": "is missing"},
            ],
        }
        return
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].startswith(said), answer.text
    assert shop.rows == []
    assert "203.0.113.7" not in answer.text


async def test_an_event_of_another_site_in_a_request_is_not_recorded_whoever_s_it_is(shop: Shop) -> None:
    for domain in ("b.example", "none.example", "a.example,b.example"):
        answer = await shop.send([event(), event(domain=domain)])
        (lost,) = answer.json()["dropped"]
        assert (answer.json()["accepted"], lost["index"], lost["field"]) == (1, 1, "domain")
    assert {row.site_id for row in shop.rows} == {shop.a.id}
    first = await shop.send([event(domain="b.example"), event()])
    unknown = await shop.send([event(domain="none.example"), event()])
    assert (first.status_code, first.text) == (unknown.status_code, unknown.text)
    assert first.status_code == 401


async def test_an_unknown_hostname_is_shown_to_the_operator(shop: Shop) -> None:
    await shop.send(event(url="https://shop.a.example/"), secret=shop.token("events:write"))
    assert [host["host"] for host in shop.parts.drops.report()["unknown_sites"]] == ["shop.a.example"]


async def test_what_is_dropped_is_counted_and_told(shop: Shop) -> None:
    spam = event(referrer="https://semalt.com/")
    answer = await shop.send([event(user_agent="curl"), spam, event(name="engagement", sd=5, ip="192.0.2.9")])
    assert answer.status_code == 202
    assert [(lost["index"], lost["reason"]) for lost in answer.json()["dropped"]] == [
        (0, "fast_reject"),
        (1, "referrer_spam"),
        (2, "no_visit"),
    ]
    counted = shop.parts.drops.by_reason
    assert [counted[reason] for reason in (DropReason.FAST_REJECT, DropReason.REFERRER_SPAM)] == [1, 1]
    assert shop.appends == []


async def test_a_log_that_takes_no_more_refuses_the_whole_request(shop: Shop) -> None:
    shop.is_full = True
    answer = await shop.send([event(), event()])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert shop.parts.drops.by_reason[DropReason.OVERLOAD] == 2


async def test_a_token_sends_so_many_events_a_second_and_is_not_limited_by_the_hour(shop: Shop) -> None:
    full = [event()] * EVENTS_MAX
    burst = int(2 * ApiConfig().events_per_s) // EVENTS_MAX
    for _ in range(burst):
        assert (await shop.send(full)).status_code == 202
    refused = await shop.send(full)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "500 a second" in refused.json()["error"]
    other = shop.token("events:write", site=shop.a)
    assert (await shop.send(full, secret=other)).status_code == 202
    shop.now += 0.1
    assert (await shop.send(full)).status_code == 202
    assert (await shop.send(full)).status_code == 429
    shop.now -= 7_200  # the clock is set back: nobody waits for two hours
    assert (await shop.send(full)).status_code == 429
    shop.now += 0.1
    assert (await shop.send(full)).status_code == 202


async def test_no_cookie_and_no_other_scope_opens_it(shop: Shop) -> None:
    session = shop.session(shop.user("root@a.example", operator=True))
    refused = await shop.post("/api/v1/events", event(), session)
    assert refused.status_code == 401
    reader = await shop.send(event(), secret=shop.token("stats:read", "sites:manage"))
    assert reader.status_code == 403
    assert "events:write" in reader.json()["error"]
    assert shop.rows == []
