"""A page that Chromium really prerenders (speculation rules) counts when it is shown, and only then."""

from __future__ import annotations

RULES = (
    '<script type=speculationrules>{"prerender": [{"urls": ["/target"], "eagerness": "immediate"}]}</script>'
)
GO_WHEN_TOLD = '<script>fetch("/prerendered").then(() => { location.href = "/target" })</script>'
# Deferred scripts run in their order: the site's own one calls `statnive` only where the tracker is there.
IN_ORDER = ("<script async ", "<script defer ")
TELL = '<script defer src="/inside.js"></script>'
INSIDE = 'navigator.sendBeacon(`/ran/${document.prerendering}`, ""); statnive("Ready")'


def test_prerendered_page_counts_when_it_is_shown(site, chromium_alone) -> None:
    gate = site.gate("/prerendered")
    site.page("/inside.js", INSIDE)
    site.page("/target", site.snippet.replace(*IN_ORDER) + TELL)
    chromium_alone(site.page("/start", site.snippet + RULES + GO_WHEN_TOLD))

    site.wait(lambda: ("POST", "/ran/true") in site.requests and len(site.events) == 1)
    assert site.paths() == [
        "/start"
    ]  # the target's scripts ran, after the tracker, and it is not counted yet
    gate.set()
    site.wait_for_events(3)
    assert site.paths() == ["/start", "/target"]
    assert site.paths("Ready") == ["/target"]
    assert site.requests.count(("GET", "/target")) == 1  # it was shown out of the prerender, not loaded again
    assert all(
        "sec-purpose" not in headers for headers in site.headers
    )  # the server would refuse it as a prefetch


def test_prerendered_page_that_is_never_shown_is_not_counted(site, chromium_alone) -> None:
    gate = site.gate("/prerendered")
    site.page("/inside.js", INSIDE)
    site.page("/target", site.snippet.replace(*IN_ORDER) + TELL)
    site.page("/other", site.snippet)
    elsewhere = GO_WHEN_TOLD.replace("/target", "/other")
    chromium_alone(site.page("/start", site.snippet + RULES + elsewhere))

    site.wait(lambda: ("POST", "/ran/true") in site.requests)
    gate.set()
    site.wait_for_events(2)
    site.wait(lambda: "/other" in site.paths())
    assert sorted(site.paths()) == ["/other", "/start"]
