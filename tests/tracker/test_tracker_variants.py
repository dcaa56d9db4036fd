"""The build variants in a real Chromium: what each adds, and that none of them holds a navigation up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

# Time that passes when the test says so: engaged time is read from this clock only.
CLOCK = (
    "{ const now = performance.now.bind(performance); window.skip = 0; performance.now = () => now() + skip }"
)
TALL = "<div style='height: 3000px'></div>"


@pytest.fixture(scope="module")
def scripts(tracker_build) -> dict[str, object]:
    return {f"/{name}": file for name, file in tracker_build("base", "most", "all", "all+plausible").items()}


@pytest.fixture
def site(scripts, site_of) -> Iterator[object]:
    yield from site_of(scripts)


@pytest.fixture
def most(site) -> str:
    return f'<script async src="{site.collector}/tracker.most.js"></script>'


def test_outbound_click_is_sent_and_followed(visit, most) -> None:
    visit.site.page("/a", f'{most}<a href="{visit.site.collector}/out?x=1#y"><b>out</b></a>')
    visit.go("/a")
    visit.page.click("b")
    visit.page.wait_for_url("**/out?x=1#y")
    visit.site.wait(lambda: visit.site.paths("Outbound Link: Click") == ["/a"])
    [event] = [event for event in visit.site.events if event["n"] == "Outbound Link: Click"]
    assert event["p"] == {"url": f"{visit.site.collector}/out?x=1#y"}


def test_middle_click_and_shadow_trees_count_and_inner_links_do_not(visit, most) -> None:
    visit.site.page("/a", f'{most}<a id="in" href="#in">in</a><div id="host"></div>')
    visit.go("/a")
    visit.run(
        "host.attachShadow({mode: 'open'}).innerHTML = '<a href=\"http://other.example/\"><i>out</i></a>';"
        "addEventListener('auxclick', (event) => event.preventDefault())"
    )
    visit.page.click("i", button="middle")
    visit.page.click("i", button="right")
    visit.page.click("#in")
    assert [event["p"]["url"] for event in visit.sent("Outbound Link: Click")] == ["http://other.example/"]


def test_download_is_one_event_without_its_query(visit, most) -> None:
    visit.site.page("/a", f'{most}<a href="{visit.site.collector}/report.pdf?token=1">pdf</a>')
    visit.go("/a")
    visit.run("document.querySelector('a').addEventListener('click', (event) => event.preventDefault())")
    visit.page.click("a")
    assert [event["n"] for event in visit.sent()][1:] == ["File Download"]
    assert visit.sent("File Download")[0]["p"] == {"url": f"{visit.site.collector}/report.pdf"}


def test_form_submission_is_sent_and_not_held_up(visit, most) -> None:
    visit.site.frozen.set()
    visit.site.page(
        "/form", f'{most}<form action="/thanks"><input name="q" required><button>go</button></form>'
    )
    visit.go("/form")
    visit.page.click("button")  # the browser refuses the empty field: no submission
    visit.page.fill("input", "x")
    visit.page.click("button")
    visit.page.wait_for_url("**/thanks?q=x")
    visit.site.wait(lambda: visit.site.paths("Form: Submission") != [])
    assert visit.site.paths("Form: Submission") == ["/form"]


def test_tagged_elements_send_their_name_properties_and_revenue(visit, most) -> None:
    classes = "statnive-event-name=Sign+Up statnive-event-plan=pro plausible-event-size--big"
    classes += " statnive-revenue-amount=9.90 statnive-revenue-currency=EUR"
    visit.site.page("/a", f'{most}<button class="{classes}"><b>go</b></button>')
    visit.go("/a")
    visit.page.click("b")
    [event] = visit.sent("Sign Up")
    assert event["p"] == {"plan": "pro", "size": "big"}
    assert event["$"] == {"amount": "9.90", "currency": "EUR"}


def test_revenue_of_a_custom_event_is_sent(visit, most) -> None:
    visit.site.page("/a", most)
    visit.go("/a")
    visit.run("statnive('Purchase', {revenue: {currency: 'EUR', amount: 12.5}})")
    assert visit.sent("Purchase")[0]["$"] == {"currency": "EUR", "amount": 12.5}


def test_page_that_does_not_exist_is_an_event(visit, most) -> None:
    visit.site.page("/gone", most, status=404)
    visit.site.page("/here", most)
    visit.go("/gone")
    visit.site.wait(lambda: visit.site.paths("404") != [])
    visit.go("/here")
    visit.site.wait(lambda: "/here" in visit.site.paths())
    assert visit.site.paths("404") == ["/gone"]


def test_hash_routes_are_pages(visit) -> None:
    visit.site.page("/app", f'<script async src="{visit.site.collector}/tracker.all.js"></script>')
    visit.page.goto(visit.site.origin + "/app#/inbox")
    visit.run("new Promise((done) => { onhashchange = () => setTimeout(done); location.hash = '/sent' })")
    visit.back()
    assert visit.paths() == ["/app#/inbox", "/app#/sent", "/app#/inbox"]
    assert {event["h"] for event in visit.sent()} == {1}


def test_engagement_is_sent_when_the_page_is_left(visit, most) -> None:
    visit.page.add_init_script(CLOCK)
    visit.site.page("/long", most + TALL)
    visit.site.page("/next", "no snippet here")
    visit.go("/long")
    height = visit.run("document.documentElement.scrollHeight")
    visit.run(
        "new Promise((done) => { addEventListener('scroll', () => setTimeout(done)); scrollTo(0, 900) })"
    )
    depth = visit.run("Math.round((900 + innerHeight) / document.documentElement.scrollHeight * 100)")
    visit.run("scrollTo(0, 0); skip += 7000")
    visit.page.goto(visit.site.origin + "/next")
    visit.site.wait(lambda: visit.site.paths("engagement") != [])
    [event] = [event for event in visit.site.events if event["n"] == "engagement"]
    assert height > 3000
    assert (event["u"], event["sd"]) == (f"{visit.site.origin}/long", depth)
    assert 7000 <= event["e"] < 7000 + 20_000


def test_engagement_is_sent_on_blur_and_on_navigation_in_an_app(visit, most) -> None:
    visit.page.add_init_script(CLOCK)
    visit.site.page("/a", most)
    visit.go("/a")
    visit.run("skip += 4000; dispatchEvent(new Event('blur'))")
    visit.run("dispatchEvent(new Event('blur'))")  # nothing new: nothing sent
    visit.run("skip += 5000; history.pushState(null, '', '/b')")
    first, second = visit.sent("engagement")
    assert [first["sd"], second["sd"]] == [100, 100]
    assert 4000 <= first["e"] < 9000 <= second["e"] + 4000
    assert visit.paths("engagement") == ["/a", "/a"]
    assert visit.paths() == ["/a", "/b"]


def test_plausible_variant_takes_over_its_global(visit) -> None:
    stub = "window.plausible = function () { (plausible.q = plausible.q || []).push(arguments) }"
    script = f'<script async src="{visit.site.collector}/tracker.all.plausible.js"></script>'
    visit.site.page("/", f"<script>{stub}; plausible('Early')</script>{script}")
    visit.go("/")
    assert visit.run("new Promise((done) => plausible('Late', {callback: () => done('called')}))") == "called"
    assert [event["n"] for event in visit.sent()] == ["pageview", "Early", "Late"]


def test_base_script_does_none_of_it(visit) -> None:
    visit.site.page(
        "/a", f'{visit.site.snippet}<a href="#x" class="statnive-event-name=X">x</a>{TALL}', status=404
    )
    visit.go("/a")
    visit.page.click("a")
    visit.run("scrollTo(0, 900); dispatchEvent(new Event('blur'))")
    assert [event["n"] for event in visit.sent()] == ["pageview"]
