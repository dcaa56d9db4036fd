"""Screenshots of the dashboard's main views, from made-up data: `make screenshots` puts them into docs/screenshots/.

A node of its own with a demo site (`statnive demo`), each view in both themes, on a desktop and on a phone. Small WebP
files, so that they can be committed. The pictures are for looking at: nothing here is a test.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from chaos.statnive_node import StatniveNode, statnive

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
)
BYTES_MAX = 150_000
SITE = "demo.example"
DEVICES: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 860},
    "phone": {"width": 390, "height": 844},
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LONGEST_PX = {"desktop": 2_600, "phone": 4_200}
# What is there when a view is complete.
VIEWS = {
    "site": (f"/?site={SITE}", ".headline .value:not(:empty)"),
    "sites": ("/", ".card .sparkline"),
    "settings": (f"/settings?site={SITE}", ".settings .parts"),
    "access": (f"/account?site={SITE}", ".accounts .rows li"),
    "server": ("/operator", ".tiles div:first-child .value:not(:text-is('–'))"),
    "first-event": ("/?site=new.example", ".snippets code"),
}


@contextmanager
def demo_node(zone: str) -> Iterator[StatniveNode]:
    """A node with the demo site, a smaller one, one that waits for its first event, and a hostname that no site has."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        for options in ((), ("--site", "blog.example", "--visits", "120", "--seed", "5")):
            done = statnive("demo", "--timezone", zone, *options, data_dir=data_dir)
            assert done.returncode == 0, done.stderr
        for domain in ("new.example", "a-rather-long-hostname-of-a-company.example.org"):
            assert statnive("site", "add", domain, "--timezone", zone, data_dir=data_dir).returncode == 0
        with StatniveNode(data_dir) as node:
            yield node
            node.stop()


def zone_at(hour: int, now: datetime) -> str:
    """A time zone whose clock shows `hour` now."""
    ahead = (hour - now.hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}"


def stray_events(node: StatniveNode) -> None:
    """What an operator finds under "Not counted"."""
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    bodies = ['{"n":"pageview","u":"https://shop.new.example/"}'] * 3 + ["not json"]
    for body in bodies:
        httpx.post(f"{node.url}/api/event", content=body, headers={"user-agent": agent})
    httpx.post(f"{node.url}/api/event", content=bodies[0], headers={"user-agent": "curl/8.5.0"})
    good = f'{{"n":"pageview","u":"https://{SITE}/pricing"}}'
    for _ in range(20):
        httpx.post(f"{node.url}/api/event", content=good, headers={"user-agent": agent})


def shared_things(node: StatniveNode) -> None:
    """Who may see the site, beside its operator."""
    wishes = (
        ("people", {"email": "ann@example.com", "role": "owner"}),
        ("people", {"email": "press@example.com", "role": "viewer"}),
        ("links", {"name": "Board"}),
        ("links", {"name": "Newsletter", "password": "open sesame", "days": 30}),
        ("tokens", {"name": "grafana", "scopes": ["stats:read"]}),
    )
    for path, wish in wishes:
        answer = httpx.post(
            f"{node.url}/api/{path}", json={"site": SITE, **wish}, headers={"origin": node.url}
        )
        assert answer.is_success, answer.text


def shoot(page: Page, file: Path, longest_px: int) -> int:
    """Write the page as WebP; its size in bytes. Quality goes down until the picture is small enough."""
    session = page.context.new_cdp_session(page)
    height = page.evaluate("document.documentElement.scrollHeight")
    size = page.viewport_size
    assert size is not None
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(height, longest_px), "scale": 1}
    for quality in (80, 60, 40, 25):
        answer = session.send(
            "Page.captureScreenshot",
            {"format": "webp", "quality": quality, "clip": clip, "captureBeyondViewport": True},
        )
        data = base64.b64decode(answer["data"])
        if len(data) <= BYTES_MAX:
            break
    assert len(data) <= BYTES_MAX, f"{file.name} has {len(data)} bytes"
    file.write_bytes(data)
    return len(data)


def open_view(
    browser: Browser,
    url: str,
    ready: str,
    *,
    device: str,
    theme: Literal["light", "dark"],
    language: str = "en",
) -> Page:
    """The page when it has settled."""
    phone = device == "phone"
    context = browser.new_context(
        viewport=DEVICES[device], color_scheme=theme, locale=language, is_mobile=phone, has_touch=phone,
        reduced_motion="reduce",
    )  # fmt: skip
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(ready)
    page.wait_for_load_state("networkidle")
    expect(page.locator(".skeleton, [aria-busy=true]")).to_have_count(0, timeout=30_000)
    return page


def run(target: Path, only: str = "") -> None:
    """Every view, theme and device into `target`."""
    target.mkdir(parents=True, exist_ok=True)
    # Late in its day: today is no empty end of the curve.
    with demo_node(zone_at(19, datetime.now(UTC))) as node, sync_playwright() as playwright:
        stray_events(node)
        shared_things(node)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for name, (path, ready) in VIEWS.items():
            for device in DEVICES:
                for theme in THEMES:
                    if only and only not in name:
                        continue
                    page = open_view(browser, node.url + path, ready, device=device, theme=theme)
                    file = target / f"{name}-{device}-{theme}.webp"
                    print(f"{file}  {shoot(page, file, LONGEST_PX[device]):,} bytes")
                    page.context.close()
        page = open_view(
            browser,
            node.url + VIEWS["site"][0],
            ".headline .value:not(:empty)",
            device="desktop",
            theme="light",
            language="fa",
        )
        file = target / "site-desktop-persian.webp"
        print(f"{file}  {shoot(page, file, LONGEST_PX['desktop']):,} bytes")
        browser.close()


if __name__ == "__main__":
    run(
        Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots"),
        sys.argv[2] if len(sys.argv) > 2 else "",
    )
