"""The page of a site against a real node with known traffic, its numbers against the API."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.e2e.server import NOON_ZONE, Server, statnive
from tests.e2e.test_browser import CHROMIUM, FLAGS

SITE = "shop.example"
PATIENCE_MS = 60_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
LONG = "/a/" + "very-long-name-of-a-page/" * 12 + "end"
# Shifts that nobody caused, and what the page asked for elsewhere or was refused.
OBSERVE = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries().filter((each) => !each.hadRecentInput)) {
    for (const {node} of entry.sources) shifts.push(`${entry.value} by .${node?.className}`);
  }
}).observe({type: 'layout-shift', buffered: true});
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));
"""


def send(server: Server) -> None:
    """Three visitors: one bounces, one from Google buys, one reads much on a phone."""
    server.event(host=SITE, path="/")
    for path in ("/", "/pricing", "/thanks"):
        referrer = {"r": "https://www.google.com/"} if path == "/" else {}
        server.event(host=SITE, path=path, agent=FIREFOX, **referrer)
    bought = {"n": "Purchase", "p": {"plan": "pro"}, "$": {"amount": 49.5, "currency": "EUR"}}
    server.event(host=SITE, path="/thanks", agent=FIREFOX, **bought)
    for path in ("/?utm_source=news&utm_campaign=may", "/blog", LONG):
        server.event(host=SITE, path=path, agent=PHONE)
    sent = 7
    deadline = time.monotonic() + 60
    while server.stats("realtime", site=SITE)["pageviews"] < sent:
        assert time.monotonic() < deadline, "the page views did not come in"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir: Path = tmp_path_factory.mktemp("dashboard") / "data"
    for command in (
        ("site", "add", SITE, "--timezone", NOON_ZONE),
        ("goal", "add", SITE, "--event", "Purchase"),
    ):
        done = statnive(*command, data_dir=data_dir)
        assert done.returncode == 0, done.stderr
    with Server(data_dir) as running:
        send(running)
        yield running
        assert running.stop() == 0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Dashboard:
    """The page, and what went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        page.add_init_script(OBSERVE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith(self.url):
            self.elsewhere.append(url)

    def open(self, query: str = "period=day") -> None:
        self.page.goto(f"{self.url}/?site={SITE}&{query}")
        # The page is drawn after its header: no skeleton yet does not mean that the numbers are there.
        expect(self.page.locator(".headline .value").first).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.locator(".headline .value .skeleton")).to_have_count(0, timeout=PATIENCE_MS)

    def figure(self, label: str) -> Locator:
        return self.page.locator(".headline a", has_text=label).locator(".value")

    def card(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=name, exact=True)

    def rows(self, name: str) -> list[list[str]]:
        """Name and number of each row of a card."""
        rows = self.card(name).locator("tbody tr")
        expect(rows.first).to_be_visible(timeout=PATIENCE_MS)
        return [
            [row.locator(".row-name").inner_text().split("\n")[0], row.locator(".number").first.inner_text()]
            for row in rows.all()
        ]

    def parameters(self) -> dict[str, list[str]]:
        return dict(
            self.page.evaluate(
                "Object.fromEntries([...new Set(new URLSearchParams(location.search).keys())]"
                ".map((key) => [key, new URLSearchParams(location.search).getAll(key)]))"
            )
        )


@pytest.fixture
def dashboard(server: Server, chromium: Browser) -> Iterator[Dashboard]:
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, locale="en-US", timezone_id="UTC")
    found = Dashboard(context.new_page(), server.url)
    yield found
    assert found.errors == []
    assert found.elsewhere == []
    assert found.page.evaluate("window.violations ?? []") == []
    context.close()


def api(server: Server, report: str, *filters: object, **more: Any) -> dict[str, Any]:
    asked = {"filters": json.dumps(filters)} if filters else {}
    return server.stats(report, site=SITE, period="day", **asked, **more)


def test_the_numbers_on_the_page_are_those_of_the_api(server: Server, dashboard: Dashboard) -> None:
    metrics = api(server, "overview")["metrics"]
    assert (metrics["visitors"], metrics["visits"], metrics["pageviews"]) == (3, 3, 7)
    dashboard.open()
    for label, key in (("Visitors", "visitors"), ("Visits", "visits"), ("Page views", "pageviews")):
        expect(dashboard.figure(label).first).to_have_text(str(metrics[key]))
    expect(dashboard.figure("Bounce rate")).to_have_text(f"{metrics['bounce_rate']:.0f}%")
    expect(dashboard.figure("Views per visit")).to_have_text(f"{metrics['views_per_visit']:.2f}")
    expect(dashboard.page.locator(".revenue strong")).to_have_text("€49.50", timeout=PATIENCE_MS)
    pages = api(server, "pages")["rows"]
    assert [number for _, number in dashboard.rows("Pages")] == [str(row["visitors"]) for row in pages]
    sources = {row["source"] or "Direct": str(row["visitors"]) for row in api(server, "sources")["rows"]}
    assert dict(dashboard.rows("Sources")) == sources
    browsers = {row["browser"]: str(row["visitors"]) for row in api(server, "browsers")["rows"]}
    assert dict(dashboard.rows("Devices")) == browsers
    (goal,) = api(server, "goals")["rows"]
    row = dashboard.card("Goals and events").locator("tbody tr")
    expect(row.locator(".number")).to_have_text(
        [str(goal["visitors"]), f"{goal['conversion_rate']:.1f}%", "€49.50"], timeout=PATIENCE_MS
    )


def test_a_first_load_does_not_jump(dashboard: Dashboard) -> None:
    for width, height in ((1400, 900), (390, 844)):
        dashboard.page.set_viewport_size({"width": width, "height": height})
        dashboard.open("period=day&f=is:page:/")
        expect(dashboard.page.locator(".chart canvas")).to_be_visible(timeout=PATIENCE_MS)
        expect(dashboard.page.locator(".chip")).to_have_count(1)
        expect(dashboard.page.locator(".skeleton")).to_have_count(0, timeout=PATIENCE_MS)
        assert dashboard.page.evaluate("shifts") == []
        across = dashboard.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert across <= 0, f"the page is wider than {width} px"


def test_a_click_filters_everything_and_back_and_forward_follow(server: Server, dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.card("Sources").get_by_role("link", name="Google", exact=False).click(timeout=PATIENCE_MS)
    google = ["is", "visit:source", ["Google"]]
    wanted = api(server, "overview", google)["metrics"]
    assert wanted["pageviews"] == 3
    expect(dashboard.figure("Page views")).to_have_text("3", timeout=PATIENCE_MS)
    assert dashboard.parameters()["f"] == ["is:source:Google"]
    expect(dashboard.page.locator(".chip")).to_contain_text("Source is Google")
    dashboard.card("Pages").get_by_role("link", name="/pricing", exact=True).click(timeout=PATIENCE_MS)
    both = api(server, "overview", google, ["is", "event:page", ["/pricing"]])["metrics"]
    expect(dashboard.figure("Page views")).to_have_text(str(both["pageviews"]), timeout=PATIENCE_MS)
    expect(dashboard.page.locator(".chip")).to_have_count(2)
    dashboard.page.go_back()
    expect(dashboard.figure("Page views")).to_have_text("3", timeout=PATIENCE_MS)
    dashboard.page.go_back()
    expect(dashboard.figure("Page views")).to_have_text("7", timeout=PATIENCE_MS)
    dashboard.page.go_forward()
    expect(dashboard.page.locator(".chip")).to_have_count(1)


def test_a_filter_is_made_by_keyboard_alone(server: Server, dashboard: Dashboard) -> None:
    dashboard.open()
    page = dashboard.page
    page.keyboard.press("f")
    expect(page.get_by_role("searchbox")).to_be_focused(timeout=PATIENCE_MS)
    page.keyboard.type("exit")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".editor input")).to_be_focused(timeout=PATIENCE_MS)
    page.locator(".editor select").select_option("contains")
    page.locator(".editor input").focus()
    page.keyboard.type("thank")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_contain_text("Exit page contains thank", timeout=PATIENCE_MS)
    wanted = api(server, "overview", ["contains", "visit:exit_page", ["thank"]])["metrics"]
    expect(dashboard.figure("Visits").first).to_have_text(str(wanted["visits"]), timeout=PATIENCE_MS)
    page.keyboard.press("c")
    expect(page.locator(".chip")).to_have_count(0)


def test_a_whole_list_is_searched_sorted_and_told_as_csv(server: Server, dashboard: Dashboard) -> None:
    dashboard.open("period=day&list=pages")
    dialog = dashboard.page.get_by_role("dialog")
    rows = dialog.locator("tbody tr")
    expect(rows).to_have_count(api(server, "pages")["total_rows"], timeout=PATIENCE_MS)
    dialog.get_by_role("searchbox").fill("BLOG")
    expect(rows).to_have_count(1, timeout=PATIENCE_MS)
    address = dialog.get_by_role("link", name="CSV").get_attribute("href")
    found = list(csv.DictReader(io.StringIO(httpx.get(f"{server.url}{address}", timeout=60).text)))
    assert [row["page"] for row in found] == ["/blog"]
    dialog.get_by_role("searchbox").fill("")
    expect(rows).not_to_have_count(1, timeout=PATIENCE_MS)
    dialog.get_by_role("link", name="Exits").click()
    most = max(api(server, "pages")["rows"], key=lambda row: (row["exits"], row["page"]))
    assert most["exits"] == 1
    expect(dialog.locator("th[aria-sort=descending]")).to_have_text("Exits", timeout=PATIENCE_MS)
    assert dashboard.parameters()["sort"] == ["-exits"]
    dashboard.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert "list" not in dashboard.parameters()


def test_a_funnel_and_a_journey_tell_what_the_api_tells(server: Server, dashboard: Dashboard) -> None:
    dashboard.open("period=day&step=page:/&step=page:/pricing&step=event:Purchase")
    steps = [{"page": "/"}, {"page": "/pricing"}, {"event": "Purchase"}]
    funnel = api(server, "funnel", steps=json.dumps(steps))["steps"]
    assert [step["visitors"] for step in funnel] == [3, 1, 1]
    card = dashboard.card("Funnels and journeys")
    expect(card.locator(".step-bar .number")).to_have_text(["3 100%", "1 33%", "1 33%"], timeout=PATIENCE_MS)
    card.get_by_role("link", name="Journeys").click()
    card.get_by_role("link", name="/", exact=True).click(timeout=PATIENCE_MS)
    expect(card.locator("tbody tr")).to_have_count(3, timeout=PATIENCE_MS)  # /pricing, /blog, the end
    assert dashboard.parameters()["via"] == ["/"]
    journeys = api(server, "journeys", page="/", limit=100)["rows"]
    assert {row["next"] for row in journeys} == {"/pricing", "/blog", ""}


def test_what_can_not_be_read_is_an_error_with_a_retry(dashboard: Dashboard) -> None:
    error = json.dumps({"error": {"field": None, "message": "the engine rests"}})
    dashboard.page.route("**/api/stats/browsers*", lambda route: route.fulfill(status=503, body=error))
    dashboard.open()
    card = dashboard.card("Devices")
    expect(card.get_by_role("alert")).to_contain_text("the engine rests", timeout=PATIENCE_MS)
    dashboard.page.unroute("**/api/stats/browsers*")
    card.get_by_role("button", name="Retry").click()
    assert dashboard.rows("Devices")


def test_the_table_tells_what_the_chart_draws(server: Server, dashboard: Dashboard) -> None:
    dashboard.open("period=day&trend=table")
    rows = dashboard.page.locator(".trend tbody tr")
    points = api(server, "trend")["points"]
    expect(rows).to_have_count(len(points), timeout=PATIENCE_MS)
    views = [int(row.locator("td").nth(2).inner_text().replace("–", "0")) for row in rows.all()]
    assert views == [point["pageviews"] for point in points]


def test_a_segment_and_a_note_are_saved_used_and_deleted(server: Server, dashboard: Dashboard) -> None:
    page = dashboard.page
    dashboard.open("period=day&f=is:browser:Firefox")
    page.get_by_role("button", name="Add a filter").click()
    page.get_by_role("textbox", name="Name of the segment").fill("Foxes", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Foxes").click(timeout=PATIENCE_MS)
    (segment,) = httpx.get(f"{server.url}/api/segments", params={"site": SITE}, timeout=60).json()["segments"]
    dashboard.open(f"period=day&f=is:segment:{segment['id']}")
    expect(page.locator(".chip")).to_contain_text("Foxes", timeout=PATIENCE_MS)
    wanted = api(server, "overview", ["is", "visit:browser", ["Firefox"]])["metrics"]
    assert wanted["pageviews"] == 3
    expect(dashboard.figure("Page views")).to_have_text("3")
    page.get_by_role("button", name="Add a filter").click()
    page.get_by_role("button", name="Delete the segment Foxes").click(timeout=PATIENCE_MS)
    expect(page.locator(".chip")).to_have_count(0)
    expect(dashboard.figure("Page views")).to_have_text("7", timeout=PATIENCE_MS)
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Notes on days").click(timeout=PATIENCE_MS)
    page.get_by_role("textbox", name="What happened").fill("a launch")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".notes .saved li")).to_contain_text("a launch", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Table", exact=True).click()
    expect(page.locator(".trend tbody tr").first).to_contain_text("a launch", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Notes on days").click()
    page.get_by_role("button", name="Remove the note “a launch”").click()
    expect(page.locator(".notes .saved li")).to_have_count(0, timeout=PATIENCE_MS)
    assert httpx.get(f"{server.url}/api/notes", params={"site": SITE}, timeout=60).json() == {"notes": []}


def test_refresh_has_the_server_count_anew(dashboard: Dashboard) -> None:
    dashboard.open()
    with dashboard.page.expect_response("**/api/stats/refresh*") as refreshed:
        dashboard.page.get_by_role("button", name="Refresh").click()
    assert refreshed.value.status in (200, 429)  # once a minute
    expect(dashboard.figure("Page views")).to_have_text("7")
