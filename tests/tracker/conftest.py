"""A site and a collector on one loopback server, and a real Chromium to visit them with."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, Request, sync_playwright

TRACKER = Path(__file__).resolve().parents[2] / "tracker"
WAIT_S = 60.0
CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Hides the automation from the page (navigator.webdriver), as the tracker counts none.
UNSEEN = "--disable-blink-features=AutomationControlled"
SNIPPET = '<script async src="{collector}/tracker.js"></script>'


def chromium_path() -> str:
    """Where Chromium is installed."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "these tests need Chromium: apt-get install chromium"
    return path


class Site:
    """Serves pages on `origin`, the script and the endpoint on `collector`, another origin; records requests.

    A page that was not set with `page()` holds the snippet and nothing else. With `frozen` set the endpoint
    takes events and never answers.
    """

    def __init__(self, scripts: Mapping[str, Path]) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.requests: list[tuple[str, str]] = []
        self.frozen = threading.Event()
        self._scripts = scripts
        self._pages: dict[str, tuple[int, str]] = {}
        self._gates: dict[str, threading.Event] = {}
        self._changed = threading.Condition()
        self._end = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        self.collector = f"http://localhost:{self.port}"
        self.snippet = SNIPPET.format(collector=self.collector)

    def page(self, path: str, body: str | None = None, *, status: int = 200) -> str:
        """Sets what `path` holds (the snippet, if nothing else is told) and gives its address."""
        self._pages[path] = (status, body if body is not None else self.snippet)
        return self.origin + path

    def gate(self, path: str) -> threading.Event:
        """`path` answers only after this is set."""
        return self._gates.setdefault(path, threading.Event())

    def wait(self, ready: Callable[[], bool]) -> None:
        """Waits until `ready()`; fails with what was received."""
        with self._changed:
            assert self._changed.wait_for(ready, WAIT_S), f"received only {self.events}, {self.requests}"

    def wait_for_events(self, count: int) -> None:
        self.wait(lambda: len(self.events) >= count)

    def paths(self, name: str = "pageview") -> list[str]:
        """Where events of this name happened, in order of arrival."""
        return [event["u"].removeprefix(self.origin) for event in self.events if event["n"] == name]

    def close(self) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_S)

    def _answer(self, handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        self._note("GET", path)
        if path in self._gates:
            self._gates[path].wait(WAIT_S)
        if path in self._scripts:
            return self._answer(handler, 200, self._scripts[path].read_bytes(), "text/javascript")
        if path == "/favicon.ico":
            return self._answer(handler, 204, b"", "text/plain")
        status, body = self._pages.get(path, (200, self.snippet))
        if path.endswith(".js"):
            return self._answer(handler, status, body.encode(), "text/javascript")
        html = f"<!doctype html><meta charset=utf-8><title>{path}</title>{body}".encode()
        return self._answer(handler, status, html, "text/html")

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self._changed:
            self.requests.append(("POST", handler.path))
            if handler.path.endswith("/event"):
                self.events.append(json.loads(body))
                self.headers.append({key.lower(): value for key, value in handler.headers.items()})
            self._changed.notify_all()
        if self.frozen.is_set():
            self._end.wait(WAIT_S)
        self._answer(handler, 202, b"ok", "text/plain")

    def _note(self, method: str, path: str) -> None:
        with self._changed:
            self.requests.append((method, path))
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                site._get(self)

            def do_POST(self) -> None:
                site._post(self)

            def do_OPTIONS(self) -> None:
                site._note("OPTIONS", self.path)
                site._answer(self, 204, b"", "text/plain")

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a browser that leaves in the middle of an answer is what some of these tests are about


class Visit:
    """One tab, with what its scripts sent in the order in which they sent it, and what went wrong in it."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self.site = site
        self.errors: list[str] = []
        self.console: list[str] = []
        self._posts: list[Request] = []
        self._context = browser.new_context()
        self._context.set_default_timeout(WAIT_S * 1_000)
        self._context.on("request", self._request)
        self.page: Page = self._context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.console.append(message.text))

    def go(self, path: str) -> None:
        self.page.goto(self.site.origin + path)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def back(self) -> None:
        """Back in a single-page app: returns after the page's own popstate listeners."""
        self.run(
            "new Promise((done) => { addEventListener('popstate', () => setTimeout(done)); history.back() })"
        )

    def sent(self, name: str | None = None) -> list[dict[str, Any]]:
        """All events (of this name) that the browser has sent until now; every one of them has arrived."""
        self.run("1")  # what the page sent before this answer is known here now
        self.site.wait_for_events(len(self._posts))
        assert len(self.site.events) == len(self._posts)
        events = [json.loads(request.post_data or "") for request in self._posts]
        assert sorted(map(json.dumps, events)) == sorted(map(json.dumps, self.site.events))
        return [event for event in events if name in (None, event["n"])]

    def paths(self, name: str = "pageview") -> list[str]:
        return [event["u"].removeprefix(self.site.origin) for event in self.sent(name)]

    def close(self) -> None:
        self._context.close()

    def _request(self, request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/event"):
            self._posts.append(request)


@pytest.fixture(scope="session")
def tracker_tools() -> Path:
    """tracker/ with its locked build tool installed."""
    lock = json.loads((TRACKER / "package-lock.json").read_text())
    wanted = lock["packages"]["node_modules/terser"]["version"]
    installed = TRACKER / "node_modules" / "terser" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted:
        subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=TRACKER, check=True, capture_output=True)
    return TRACKER


@pytest.fixture(scope="session")
def tracker_build(
    tracker_tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Path]]:
    """Builds combinations of features into a directory of their own: file name -> file."""

    def build(*combinations: str) -> dict[str, Path]:
        out = tmp_path_factory.mktemp("tracker")
        subprocess.run(["node", "build.mjs", "--out", str(out), *combinations], cwd=tracker_tools, check=True)
        return {file.name: file for file in out.iterdir()}

    return build


@pytest.fixture
def site_of() -> Callable[[Mapping[str, Path]], Iterator[Site]]:
    """A site with these scripts, closed when the iterator ends."""

    def serve(scripts: Mapping[str, Path]) -> Iterator[Site]:
        served = Site(scripts)
        yield served
        served.close()

    return serve


@pytest.fixture
def site(site_of: Callable[[Mapping[str, Path]], Iterator[Site]]) -> Iterator[Site]:
    """The site with the committed base script."""
    yield from site_of({"/tracker.js": TRACKER / "dist" / "tracker.js"})


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # For a module, not for the session: while it runs no other test can start one.
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser that shows no sign of automation and keeps a back/forward cache."""
    browser = playwright.chromium.launch(
        executable_path=chromium_path(),
        args=[*CHROMIUM_ARGS, UNSEEN],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


@pytest.fixture
def chromium_under_automation(playwright: Playwright) -> Iterator[Browser]:
    """A browser that says that it is driven (navigator.webdriver)."""
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGS)
    yield browser
    browser.close()


@pytest.fixture
def visit(chromium: Browser, site: Site) -> Iterator[Visit]:
    """A tab that ends without an error of the page."""
    tab = Visit(chromium, site)
    yield tab
    tab.close()
    assert tab.errors == []


@pytest.fixture
def chromium_alone(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Opens an address in a Chromium that nothing drives: a page with a debugger at it doesn't prerender."""
    running: list[subprocess.Popen[bytes]] = []

    def open_address(address: str) -> None:
        command = [chromium_path(), *CHROMIUM_ARGS, UNSEEN, f"--user-data-dir={tmp_path}", address]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    yield open_address
    for process in running:
        process.terminate()
        process.wait(WAIT_S)
