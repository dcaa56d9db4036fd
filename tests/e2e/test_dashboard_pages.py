"""The dashboard's pages in a real browser, over made-up traffic: no violation of WCAG that axe finds, in both themes;
and the ways through them, by mouse and by keyboard alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.e2e.server import NOON_ZONE, Server, statnive
from tests.e2e.test_browser import CHROMIUM, FLAGS

ROOT = Path(__file__).parents[2]
AXE = (ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DEMO, WAITING = "demo.example", "waiting.example"
UNSETTLED = ".skeleton, [aria-busy=true]"
WAIT_MS = 60_000  # of a condition, on a busy machine
VIEWS = {
    "site": (f"/?site={DEMO}", ".headline .value:not(:empty)"),
    "site's table": (f"/?site={DEMO}&trend=table", ".headline .value:not(:empty)"),
    "overview": ("/", ".card .sparkline"),
    "settings": (f"/settings?site={DEMO}", ".settings .parts"),
    "server": ("/operator", ".tiles .value"),
    "first event": (f"/?site={WAITING}", ".snippets code"),
    "account": ("/account", ".accounts .rows li"),
    "access": (f"/account?site={DEMO}", ".accounts .note"),
    "no such site": ("/?site=nowhere.example", ".alone .choices"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("pages") / "data"
    done = statnive("demo", "--days", "4", "--visits", "60", "--timezone", NOON_ZONE, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert statnive("site", "add", WAITING, "--timezone", NOON_ZONE, data_dir=data_dir).returncode == 0
    with Server(data_dir) as node:
        node.event(host="stray.example")
        yield node


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab that notes the scripts' errors and what its Content-Security-Policy refused."""
    context = chromium.new_context(
        locale="en-US", viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(WAIT_MS)
    tab, errors = context.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda line: errors.append(line.text) if "Content Security" in line.text else None)
    yield tab
    context.close()
    assert errors == []


def settled(page: Page, url: str, ready: str) -> None:
    page.goto(url)
    page.wait_for_selector(ready)
    expect(page.locator(UNSETTLED)).to_have_count(0)


def violations(page: Page, within: str = "html") -> list[str]:
    """What axe has against the page (or a part) as it is, a line each."""
    page.evaluate(AXE)
    run = "([part, rules]) => axe.run(part, {runOnly: rules, resultTypes: ['violations']})"
    found = page.evaluate(run, [within, RULES])["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for each in found
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_in_either_theme(server: Server, page: Page, view: str) -> None:
    path, ready = VIEWS[view]
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        settled(page, server.url + path, ready)
        assert violations(page) == [], theme
    assert page.evaluate("document.getAnimations().length") == 0, "motion was to be reduced"


def test_axe_finds_nothing_in_persian_and_in_what_opens(server: Server, page: Page) -> None:
    settled(page, f"{server.url}/?site={DEMO}", ".headline .value:not(:empty)")
    for opens in (".menu > button", ".sites button", ".range .popover-root > button"):
        page.click(opens)
        page.wait_for_selector(".popover .choices")
        # What it covers in part is not to be judged: its targets are small just now.
        assert violations(page, ".top") == [], opens
        page.keyboard.press("Escape")
    page.click(".menu > button")
    page.click(".choices button[lang=fa]")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    page.wait_for_selector(VIEWS["site"][1])
    expect(page.locator(UNSETTLED)).to_have_count(0)
    assert violations(page) == []
    visitors = server.stats("overview", site=DEMO)["metrics"]["visitors"]
    shown = page.locator(".headline .value").first.inner_text()
    assert re.sub(r"\D", "", shown.translate({0x06F0 + n: str(n) for n in range(10)})) == str(visitors)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page is wider than its window"
    )


LARGE = {"visitors", "visits", "pageviews", "events", "entries", "exits", "views", "total_rows"}
LONG = {"page", "entry_page", "exit_page", "next", "source", "referrer", "campaign", "city"}


OUTSIDE = """() => [...document.querySelectorAll('body *')]
    .filter((element) => !element.closest('.uplot, .unseen, code, .recent, datalist'))
    .filter((element) => {
        const box = element.getBoundingClientRect();
        return box.right > innerWidth + 1 || box.left < -1;
    })
    .map((element) => element.outerHTML.slice(0, 120))"""


def exaggerated(answer: Any, size: int, text: str, key: str = "") -> Any:
    """An answer with `size` for each count and `text` in place of each name."""
    if isinstance(answer, dict):
        return {name: exaggerated(value, size, text, name) for name, value in answer.items()}
    if isinstance(answer, list):
        return [exaggerated(value, size, text, key) for value in answer]
    if key in LARGE and isinstance(answer, int):
        return size
    return f"{text}{answer}" if key in LONG and text and answer else answer


@pytest.mark.parametrize(
    ("language", "size", "text"), [("de", 0, ""), ("fa", 10_000_000, "/a-very-long-path" * 60)]
)
def test_nothing_is_wider_than_its_window(
    server: Server, chromium: Browser, language: str, size: int, text: str
) -> None:
    context = chromium.new_context(locale=language, reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()

    def answer(route: Route) -> None:
        found = route.fetch()
        route.fulfill(response=found, json=exaggerated(found.json(), size, text))

    page.route(re.compile(r"/api/stats/"), answer)
    for path, ready in (VIEWS["site"], VIEWS["overview"], VIEWS["settings"], VIEWS["server"]):
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            settled(page, server.url + path, ready)
            fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert fits, (path, width, page.evaluate(OUTSIDE))
    page.unroute_all(behavior="wait")
    context.close()


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_a_language_is_chosen_in_the_header_and_stays(server: Server, page: Page, language: str) -> None:
    settled(page, f"{server.url}/operator", ".tiles .value")
    page.click(".menu > button")
    page.click(f".choices button[lang={language}]")
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("h1")).to_have_text({"de": "Server", "fr": "Serveur", "es": "Servidor"}[language])
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", language)


def test_every_page_is_reached_by_keyboard_alone(server: Server, page: Page) -> None:
    settled(page, f"{server.url}/?site={DEMO}", ".headline .value:not(:empty)")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"Tab never came to {selector}")

    tab_to(".menu > button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".popover .choices")
    page.locator(".popover a", has_text="Site settings").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".settings .parts")
    assert page.evaluate("document.activeElement.tagName") == "MAIN", "the keyboard goes on at the page's top"
    page.locator("[role=tab][aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[role=tab][aria-selected=true]")).to_have_text("WordPress")
    expect(page.locator("[role=tabpanel] code")).to_contain_text("add_action('wp_head'")
    page.go_back()
    page.wait_for_selector(".headline .value:not(:empty)")


def test_settings_that_are_saved_hold_for_the_next_event(server: Server, page: Page) -> None:
    settled(page, f"{server.url}/settings?site={DEMO}", ".settings .parts")
    section = page.locator("section", has=page.get_by_role("heading", name="Left out"))
    section.get_by_label("Pages, with * and **").fill("admin")
    section.get_by_role("button", name="Save").click()
    expect(section.get_by_role("alert")).to_contain_text("pages: a path begins with / or *")
    section.get_by_label("Pages, with * and **").fill("/admin/**\n/preview")
    with page.expect_response("**/api/settings") as saved:
        section.get_by_role("button", name="Save").click()
    assert saved.value.status == 200
    public = page.get_by_label("Public: anyone may see them")
    for wanted in (True, False):
        with page.expect_response("**/api/sites/public") as sent:
            public.click()
        assert sent.value.json() == {"site": DEMO, "public": wanted}
        expect(public).to_be_checked(checked=wanted)
    assert server.event(host=DEMO, path="/admin/users").headers["x-statnive-dropped"] == "excluded=1"
    assert "x-statnive-dropped" not in server.event(host=DEMO, path="/").headers
    goals = page.locator("section", has=page.get_by_role("heading", name="Goals"))
    goals.get_by_label("Name of the event").fill("Trial started")
    goals.get_by_label("Worth, if anything").fill("4.5")
    expect(goals.get_by_label("Currency")).to_have_value("EUR")
    goals.get_by_role("button", name="Add", exact=True).click()
    expect(goals.locator("li", has_text="Trial started")).to_contain_text("€4.50")
    goals.get_by_role("button", name="Remove Trial started").click()
    expect(goals.locator("li", has_text="Trial started")).to_have_count(0)


def test_a_first_event_under_an_unknown_hostname_is_explained_and_mended(server: Server, page: Page) -> None:
    assert server.event(host=f"shop.{WAITING}").status_code == 202
    assert server.event(host=WAITING, agent="curl/8.5.0").status_code == 204
    settled(page, f"{server.url}/?site={WAITING}", ".snippets code")
    expect(page.locator(".waiting")).to_contain_text(f"Waiting for the first event from {WAITING}")
    drops = page.locator("#drops")
    expect(drops).to_contain_text("Robots and prefetches, refused at the door")
    drops.get_by_text("The last ones, and why").click()
    expect(drops.locator(".recent")).to_contain_text("user agent")
    host = drops.locator(".host", has_text=f"shop.{WAITING}")
    host.get_by_role("button", name=f"Count it for {WAITING}").click()
    expect(host).to_have_count(0)
    assert server.event(host=f"shop.{WAITING}", path="/now").status_code == 202
    expect(page.locator(".waiting.seen")).to_contain_text("Seen!")
    page.get_by_role("button", name="Show the dashboard").click()
    expect(page.locator(".headline .value").first).to_have_text("1")


def test_a_site_is_added_where_there_is_none_and_several_are_told_apart(tmp_path: Path, page: Page) -> None:
    with Server(tmp_path / "data") as server:
        page.goto(server.url)
        expect(page.get_by_label("Time zone")).not_to_be_empty()
        page.get_by_label("Hostname").fill("https://one.example/")
        page.get_by_role("button", name="Add the site").click()
        expect(page.get_by_role("alert")).to_contain_text("give the bare hostname")
        page.get_by_label("Hostname").fill("one.example")
        page.get_by_role("button", name="Add the site").click()
        expect(page.locator(".waiting")).to_contain_text("one.example")
        assert statnive("site", "add", "two.example", data_dir=server.data_dir).returncode == 0
        server.event(host="two.example")
        page.goto(server.url)
        expect(page.locator(".card")).to_have_count(2)
        page.locator(".card", has_text="one.example").click()
        expect(page).to_have_url(re.compile(r"\?site=one\.example"))
        assert server.stop() == 0
