"""The base script in a real Chromium, on another origin than the collector, as on a real site."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

HIDDEN = """
let hidden = true;
Object.defineProperty(document, "hidden", { get: () => hidden });
window.show = () => {
  hidden = false;
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
};
"""


def test_load_counts_one_page_view_in_the_wire_format(visit) -> None:
    visit.go("/start?utm_source=x")
    [event] = visit.sent()
    assert event == {"n": "pageview", "u": f"{visit.site.origin}/start?utm_source=x", "r": ""}


def test_events_ask_for_no_preflight(visit) -> None:
    visit.go("/start")
    assert len(visit.sent()) == 1
    assert visit.site.headers[0]["content-type"].startswith("text/plain")
    assert visit.site.headers[0]["origin"] == visit.site.origin
    assert ("OPTIONS", "/api/event") not in visit.site.requests


def test_options_of_the_snippet_set_domain_and_endpoint(visit) -> None:
    options = f'data-domain="example.com" data-api="{visit.site.collector}/stats/event"'
    visit.site.page("/", visit.site.snippet.replace("async", f"async {options}"))
    visit.go("/")
    assert visit.sent()[0]["d"] == "example.com"
    assert ("POST", "/stats/event") in visit.site.requests


def test_push_state_counts_each_new_path_once(visit) -> None:
    visit.go("/a")
    visit.run("history.pushState(null, '', '/b')")
    visit.run("history.pushState(null, '', '/c')")
    visit.run("history.pushState(null, '', '/c?page=2')")
    assert visit.paths() == ["/a", "/b", "/c"]


def test_back_and_forward_in_an_app_count(visit) -> None:
    visit.go("/a")
    visit.run("history.pushState(null, '', '/b')")
    visit.back()
    assert visit.paths() == ["/a", "/b", "/a"]


def test_replace_state_without_a_new_path_counts_nothing(visit) -> None:
    visit.go("/a")
    visit.run("history.replaceState({scroll: 1}, '')")
    visit.run("history.replaceState(null, '', '/a?sort=up')")
    visit.run("history.replaceState(null, '', '#part')")
    visit.run("location.hash = 'other'")
    assert visit.paths() == ["/a"]


def test_replace_state_with_a_new_path_counts(visit) -> None:
    visit.go("/a")
    visit.run("history.replaceState(null, '', '/b')")
    assert visit.paths() == ["/a", "/b"]


def test_history_still_works_for_the_page(visit) -> None:
    visit.go("/a")
    assert visit.run("history.pushState({n: 7}, '', '/b'), [history.state.n, location.pathname]") == [7, "/b"]
    assert (
        visit.run("try { history.pushState(0, '', '//other.example/') } catch (e) { e.name }")
        == "SecurityError"
    )
    assert visit.paths() == ["/a", "/b"]


def test_fragment_stays_in_the_browser(visit) -> None:
    visit.go("/a#access_token=secret")
    assert visit.paths() == ["/a"]


def test_fast_bounce_is_counted(visit) -> None:
    visit.site.page(
        "/left",
        f'<script src="{visit.site.collector}/tracker.js"></script><script>location = "/next"</script>',
    )
    visit.site.page("/next", "no snippet here")
    visit.page.goto(visit.site.origin + "/left", wait_until="commit")
    visit.page.wait_for_url("**/next")
    visit.site.wait_for_events(1)
    assert visit.site.paths() == ["/left"]


def test_tab_in_the_background_counts_when_it_is_looked_at(visit) -> None:
    visit.page.add_init_script(HIDDEN)
    visit.go("/a")
    visit.run("history.replaceState(null, '', '/b')")
    assert visit.paths() == []
    visit.run("show()")
    visit.run("show()")
    assert visit.paths() == ["/b"]


def test_tab_left_before_it_was_looked_at_is_counted_by_pagehide(visit) -> None:
    visit.page.add_init_script(HIDDEN)
    visit.site.page("/next", "no snippet here")
    visit.go("/a")
    visit.run("statnive('Ready')")
    assert visit.sent() == []
    visit.page.goto(visit.site.origin + "/next")
    visit.site.wait_for_events(2)
    assert visit.site.paths() == ["/a"]
    assert visit.site.paths("Ready") == ["/a"]


def test_leaving_a_counted_page_adds_nothing(visit) -> None:
    visit.site.page("/next", "no snippet here")
    visit.go("/a")
    visit.page.goto(visit.site.origin + "/next")
    assert visit.paths() == ["/a"]


def test_return_from_the_back_forward_cache_counts(visit) -> None:
    visit.go("/a")
    visit.go("/b")
    visit.site.wait_for_events(2)
    visit.run("setTimeout(() => history.back())")
    visit.site.wait_for_events(3)
    assert visit.site.paths() == ["/a", "/b", "/a"]
    assert visit.site.requests.count(("GET", "/a")) == 1  # so it did come from the cache


def test_calls_made_before_the_script_follow_the_page_view(visit) -> None:
    stub = (
        "window.statnive = window.statnive || function () { (statnive.q = statnive.q || []).push(arguments) }"
    )
    calls = "statnive('Early', {props: {n: 1}}); statnive('Second')"
    visit.site.page("/", f"<script>{stub}; {calls}</script>{visit.site.snippet}")
    visit.go("/")
    visit.run("statnive('Late')")
    assert [event["n"] for event in visit.sent()] == ["pageview", "Early", "Second", "Late"]
    assert visit.sent("Early")[0]["p"] == {"n": 1}


def test_custom_event_carries_its_properties(visit) -> None:
    visit.go("/shop")
    visit.run("statnive('Signup', {props: {plan: 'pro', seats: 3}})")
    visit.run("statnive('Shown', {interactive: false})")
    [signup] = visit.sent("Signup")
    assert signup == {
        "n": "Signup",
        "u": f"{visit.site.origin}/shop",
        "r": "",
        "p": {"plan": "pro", "seats": 3},
    }
    assert visit.sent("Shown")[0]["i"] is False


@pytest.mark.parametrize("beacon", ["undefined", "() => false"], ids=["no sendBeacon", "sendBeacon refuses"])
def test_fetch_sends_what_send_beacon_can_not(visit, beacon: str) -> None:
    visit.page.add_init_script(f"Object.defineProperty(navigator, 'sendBeacon', {{value: {beacon}}})")
    last_words = "<script>addEventListener('pagehide', () => statnive('Bye'))</script>"
    visit.site.page("/left", visit.site.snippet + last_words)
    visit.site.page("/next", "no snippet here")
    visit.go("/left")
    visit.go("/next")
    visit.site.wait_for_events(2)
    assert (visit.site.paths(), visit.site.paths("Bye")) == (["/left"], ["/left"])
    assert visit.site.headers[0]["content-type"].startswith("text/plain")
    assert ("OPTIONS", "/api/event") not in visit.site.requests


def test_fetch_needs_no_permission_in_the_answer(visit) -> None:
    visit.page.add_init_script("Object.defineProperty(navigator, 'sendBeacon', {value: undefined})")
    visit.go("/a")
    with visit.page.expect_event("requestfinished", lambda request: "Custom" in (request.post_data or "")):
        visit.run("statnive('Custom')")
    assert len(visit.sent()) == 2
    assert visit.console == []  # a proxy's bare 502 has no CORS header either


def test_dead_endpoint_leaves_the_page_alone(visit) -> None:
    with socket.socket() as closed:
        # Bound, not listening: connections are refused, and nobody else gets the port.
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/api/event"
        visit.page.add_init_script(
            "window.failed = []; addEventListener('unhandledrejection', (e) => failed.push(`${e.reason}`))"
        )
        snippet = visit.site.snippet.replace("async", f'async data-api="{dead}"')
        visit.site.page("/a", f'{snippet}<a href="/b">b</a>')
        visit.go("/a")
        visit.run("statnive('Beacon')")
        visit.run("Object.defineProperty(navigator, 'sendBeacon', {value: undefined}); statnive('Fetch')")
        with visit.page.expect_event("requestfailed", lambda request: "Fetch" in (request.post_data or "")):
            visit.run("statnive('Fetch')")
        assert visit.run("failed") == []
        visit.page.click("a")
        visit.page.wait_for_url("**/b")
    # The browser itself notes each refused connection, which no script can prevent; the script adds nothing.
    assert [text for text in visit.console if not text.startswith("Failed to load resource: net::")] == []


def test_endpoint_that_never_answers_holds_nothing_up(visit) -> None:
    visit.site.frozen.set()
    visit.site.page("/a", f'{visit.site.snippet}<a href="/b">b</a>')
    visit.site.page("/b", f'{visit.site.snippet}<form action="/c"><button>go</button></form>')
    visit.go("/a")
    visit.page.click("a")
    visit.page.wait_for_url("**/b")
    visit.page.click("button")
    visit.page.wait_for_url("**/c?")
    visit.site.wait_for_events(3)
    assert sorted(visit.site.paths()) == ["/a", "/b", "/c?"]


def test_wrong_use_never_throws_into_the_page(visit) -> None:
    visit.site.page("/", f'<script data-api="http://" src="{visit.site.collector}/tracker.js"></script>')
    visit.go("/")
    visit.run("history.pushState(null, '', '/b'); statnive('x', null); statnive()")
    assert visit.run("location.pathname") == "/b"
    visit.go("/good")
    visit.run("const loop = {}; loop.loop = loop; statnive('Loop', {props: loop}); statnive('Next')")
    assert [event["n"] for event in visit.sent()] == ["pageview", "Next"]


def test_second_copy_of_the_script_counts_nothing_twice(visit) -> None:
    visit.site.page("/a", visit.site.snippet * 2)
    visit.go("/a")
    visit.run("history.pushState(null, '', '/b')")
    assert visit.paths() == ["/a", "/b"]


def test_file_without_a_host_is_not_counted(visit, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html>{visit.site.snippet}")
    visit.page.goto(page.as_uri())
    assert visit.run("typeof statnive.on") == "number"  # the script did run
    assert visit.sent() == []


def test_automation_is_not_counted(site, chromium_under_automation) -> None:
    page = chromium_under_automation.new_page()
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto(site.page("/a"))
    assert page.evaluate("[navigator.webdriver, statnive.on]") == [True, 1]
    page.evaluate("history.pushState(null, '', '/b'); statnive('x')")
    assert posts == []
    page.close()
