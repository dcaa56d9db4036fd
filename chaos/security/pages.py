"""Markup in every field that a page shows, rendered in a real Chromium."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

from playwright.sync_api import Dialog, Page, sync_playwright

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import SITE, Stage

CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--ignore-certificate-errors",
]  # fmt: skip
MARKUP: Final = (
    "<img src=x onerror=window.__hit=1>",
    "<script>window.__hit=1</script>",
    '"><svg onload=window.__hit=1>',
    "'-window.__hit=1-'",
    "javascript:window.__hit=1",
    "</title><script>window.__hit=1</script>",
    "<iframe srcdoc='<script>parent.__hit=1</script>'>",
    "<a href='javascript:window.__hit=1'>x</a>",
    "<style>*{background:url(//evil.example)}</style>",
    "{{constructor.constructor('window.__hit=1')()}}",
    "<math><mtext></p><style><img src=x onerror=window.__hit=1>",
)
_LOOK: Final = """() => ({
  hit: window.__hit,
  inline: [...document.querySelectorAll('script:not([src])')].length,
  foreign: [...document.querySelectorAll('img[src="x"],iframe,math,object,embed,svg[onload]')].length,
  handlers: [...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name))).length,
  links: [...document.querySelectorAll('a[href]')].map((a) => a.protocol).filter((p) => !/^https?:$/.test(p)),
  text: document.body.innerText,
})"""


def plant(stage: Stage) -> int:
    """Events with markup in each field."""
    planted = 0
    with stage.client() as client:
        for text in MARKUP:
            told = quote(text, safe="")
            stage.event(
                client, u=f"https://{SITE}/{told}?utm_source={told}&utm_medium={told}&utm_campaign={told}"
            )
            stage.event(client, u=f"https://{SITE}/{text}", r=f"https://news.example/{text}")
            stage.event(client, n=text, u=f"https://{SITE}/", p={text: text, "plain": text})
            stage.event(client, u=f"https://{SITE}/", r=text)
            stage.event(client, u=f"https://{text}/", d=text)
            client.post("/api/event", json={"n": "pageview", "u": f"https://{SITE}/"}, headers={
                "user-agent": f"Mozilla/5.0 (X11; Linux) {text} Chrome/141.0.0.0"})  # fmt: skip
            planted += 6
        stage.control("POST", "/control/goals", {"site": SITE, "kind": "event", "target": MARKUP[0]})
        segment = {"site": SITE, "name": MARKUP[0][:30], "filters": [["is", "event:page", [MARKUP[0]]]]}
        stage.control("POST", "/control/segments", segment)
    stage.settle()
    return planted + 2


def dashboard(stage: Stage) -> Told:
    """Every panel of the dashboard with markup for data: shown as text, nothing run, nothing asked of other hosts."""
    planted = plant(stage)
    looked = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            context = browser.new_context()
            stage.sign_in(context)
            page = context.new_page()
            foreign: list[str] = []
            dialogs: list[str] = []
            own = stage.node.url
            page.on(
                "request",
                lambda request: foreign.append(request.url) if not _is_own(request.url, own) else None,
            )
            page.on("dialog", lambda dialog: _dismiss(dialog, dialogs))
            searched = quote(json.dumps([["is", "event:page", [f"/{MARKUP[0]}"]]]))
            shown = f"site={SITE}&period=day"
            for target in (
                f"/?{shown}",
                f"/?{shown}&filters={searched}#{quote(MARKUP[0])}",
                f"/settings?{shown}",
                "/operator",
            ):
                page.goto(own + target)
                # Not wait_for_function: it evaluates text, which the page's own policy forbids.
                stage.until(lambda: len(page.evaluate("document.body.innerText")) > 50, "the page is empty")
                page.wait_for_load_state("networkidle")
                looked += _look(page)
                for tab in page.locator("[role=tab], main button[aria-pressed]").all()[:30]:
                    if tab.is_visible() and tab.is_enabled():
                        tab.click()
                        page.wait_for_load_state("networkidle")
                        looked += _look(page)
            expect(not foreign, f"the page asked for {foreign[:3]}")
            expect(not dialogs, f"a dialog opened: {dialogs[:3]}")
            seen = page.evaluate("document.documentElement.outerHTML")
            expect("&lt;" in seen or "%3C" in seen, "no page shows what was planted: the attack has missed")
            for path in ("/api/stats/pages", "/api/stats/events", "/api/operator/drops"):
                answer = page.request.get(f"{own}{path}?site={SITE}&period=day")
                expect("json" in answer.headers.get("content-type", ""), f"{path} is not JSON")
                expect(answer.headers.get("x-content-type-options") == "nosniff", f"{path} lacks nosniff")
        finally:
            browser.close()
    return Told(planted, f"looked at {looked} views: shown as text, nothing ran, no other host was asked")


def _dismiss(dialog: Dialog, seen: list[str]) -> None:
    seen.append(dialog.message)
    dialog.dismiss()


def _look(page: Page) -> int:
    found: dict[str, Any] = page.evaluate(_LOOK)
    expect(found["hit"] is None, "markup ran as a script")
    for what in ("inline", "foreign", "handlers"):
        expect(found[what] == 0, f"{found[what]} {what} elements came out of data")
    expect(not found["links"], f"links with {found['links'][:3]}")
    return 1


def _is_own(url: str, own: str) -> bool:
    return url.startswith((own, "data:", "blob:", "about:"))


ATTACKS: Final = (
    Attack(
        "injection/html",
        "markup in every field of an event, in names of goals and segments, in Chromium",
        dashboard,
    ),
)
