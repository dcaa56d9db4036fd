"""From the snippet on a page in a real browser to the numbers on the dashboard's own page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect, sync_playwright

from tests.e2e.server import NOON_ZONE, Server, read_clickhouse, statnive

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The tracker does not count under automation; this browser stands for a person.
    "--disable-blink-features=AutomationControlled",
]


@contextmanager
def shop(snippet: str) -> Iterator[str]:
    """A page on an origin of its own that embeds the snippet."""
    page = f"<!doctype html><title>shop</title><h1>shop</h1>{snippet}".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def test_three_page_views_of_one_visitor_are_on_the_dashboards_page(
    tmp_path: Path, chromium: Browser
) -> None:
    with Server(tmp_path / "data") as server:
        added = statnive("site", "add", "shop.example", "--timezone", NOON_ZONE, data_dir=server.data_dir)
        assert added.returncode == 0, added.stderr
        snippet = f'<script async src="{server.url}/tracker.js" data-domain="shop.example"></script>'
        with shop(snippet) as origin:
            # An agent that says "HeadlessChrome" is a bot, rightly.
            agent = chromium.new_page().evaluate("navigator.userAgent").replace("Headless", "")
            context = chromium.new_context(user_agent=agent)
            page = context.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            with page.expect_response("**/api/event") as first:
                page.goto(f"{origin}/")
            assert first.value.status == 202
            for path in ("/one", "/two"):
                with page.expect_response("**/api/event") as response:
                    page.evaluate(f"history.pushState({{}}, '', '{path}')")
                assert response.value.status == 202
            page.evaluate("history.replaceState({}, '', location.href)")
            page.goto("about:blank")
            assert errors == []
        deadline = time.monotonic() + 60
        while server.stats("realtime", site="shop.example")["pageviews"] < 3:
            assert time.monotonic() < deadline, "the page views did not come in"
            time.sleep(0.1)
        dashboard = context.new_page()
        dashboard.on("pageerror", lambda error: errors.append(str(error)))
        dashboard.goto(f"{server.url}/?site=shop.example&period=day")

        def headline(label: str) -> Locator:
            return (
                dashboard.locator("a", has=dashboard.locator(".label", has_text=label))
                .locator(".value")
                .first
            )

        expect(headline("Page views")).to_have_text("3", timeout=60_000)
        expect(headline("Visitors")).to_have_text("1", timeout=60_000)
        assert errors == []
        overview = server.stats("overview", site="shop.example", period="day")["metrics"]
        assert (overview["pageviews"], overview["visitors"], overview["visits"]) == (3, 1, 1)
        assert {row["page"] for row in server.stats("pages", site="shop.example")["rows"]} == {
            "/",
            "/one",
            "/two",
        }
        assert server.stop() == 0


def test_a_variant_that_the_node_serves_counts_an_outbound_click(tmp_path: Path, chromium: Browser) -> None:
    with Server(tmp_path / "data") as server:
        assert (
            statnive(
                "site", "add", "shop.example", "--timezone", NOON_ZONE, data_dir=server.data_dir
            ).returncode
            == 0
        )
        script = f"{server.url}/tracker.outbound-links.404.js"
        with shop("<title>elsewhere</title>") as elsewhere:
            # In a tab of its own: the answer to a beacon of a page that was left is not told to the test.
            link = f'<a target="_blank" href="{elsewhere}/out">out</a>'
            link += f'<script async src="{script}" data-domain="shop.example"></script>'
            with shop(link) as origin:
                agent = chromium.new_page().evaluate("navigator.userAgent").replace("Headless", "")
                page = chromium.new_context(user_agent=agent).new_page()
                with page.expect_response("**/api/event") as viewed:
                    page.goto(f"{origin}/")
                assert viewed.value.status == 202
                with page.expect_response("**/api/event") as clicked:
                    page.click("a")
                assert clicked.value.status == 202
        assert server.stop() == 0
    (rows,) = read_clickhouse(
        tmp_path / "data",
        "SELECT name, sum(events) AS events FROM statnive.daily_events WHERE goal = 0 GROUP BY name ORDER BY name",
    )
    assert rows == [{"name": "Outbound Link: Click", "events": 1}, {"name": "pageview", "events": 1}]
