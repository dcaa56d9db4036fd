"""The page that `make vitals` loads, the server that serves it, and a server that takes connections and says nothing.

An article as sites have them: style sheet, a large picture on top, two more below, a script of its own that builds a
table of contents and answers clicks, a link to a next page and a form. The same bytes in every run.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

PARAGRAPHS: Final = 60
WORDS: Final = [
    "the",
    "a",
    "of",
    "visit",
    "page",
    "source",
    "campaign",
    "reader",
    "month",
    "article",
    "shows",
    "how",
    "many",
    "people",
    "came",
    "from",
    "where",
]

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/style.css">
{snippet}
<script defer src="/app.js"></script>
</head>
<body>
<header><button id="menu" aria-expanded="false">Menu</button> <a id="next" href="/next">Next article</a></header>
<nav id="contents" hidden></nav>
<main>
<h1>{title}</h1>
<img id="hero" src="/hero.png" width="960" height="480" alt="">
<form id="letter" action="/thanks"><label>Your name <input id="name" name="name" autocomplete="off"></label>
<button id="send">Subscribe</button></form>
{text}
</main>
</body>
</html>
"""

STYLE: Final = """
body { margin: 0 auto; max-width: 60rem; font: 1.125rem/1.6 Georgia, serif; color: #222; }
header { display: flex; gap: 1rem; padding: 1rem; border-bottom: 1px solid #ddd; }
img { max-width: 100%; height: auto; display: block; background: #eee; }
nav a { display: block; padding: .25rem 1rem; }
h2 { margin-top: 2em; }
form { padding: 1rem; background: #f6f6f6; }
"""

APP: Final = """
const contents = document.querySelector("#contents");
const build = () => {
  contents.replaceChildren(...[...document.querySelectorAll("h2")].map((heading, i) => {
    heading.id = "part-" + i;
    const link = document.createElement("a");
    link.href = "#" + heading.id;
    link.textContent = heading.textContent;
    return link;
  }));
};
build();
document.querySelector("#menu").addEventListener("click", (event) => {
  build();
  contents.hidden = !contents.hidden;
  event.currentTarget.setAttribute("aria-expanded", String(!contents.hidden));
});
performance.mark("app");
"""

# Runs before every script of every page: what Chromium measures, and when a click or a submission left the page.
OBSERVE: Final = """
(() => {
  const seen = (window.vitals = { lcp: 0, cls: 0, inp: 0 });
  const observe = (type, take, more) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true, ...more });
  observe("largest-contentful-paint", (entry) => { seen.lcp = entry.startTime; });
  observe("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.cls += entry.value; });
  observe("event", (entry) => {
    if (entry.interactionId) seen.inp = Math.max(seen.inp, entry.duration);
  }, { durationThreshold: 16 });
  const leave = (event) => sessionStorage.setItem("left", performance.timeOrigin + event.timeStamp);
  addEventListener("click", (event) => { if (event.target.id == "next") leave(event); }, true);
  addEventListener("submit", leave, true);
})();
"""


def text() -> str:
    """Headings, paragraphs and two pictures, always the same."""
    chance = random.Random(5)
    parts = []
    for number in range(PARAGRAPHS):
        if number % 6 == 0:
            parts.append(f"<h2>Part {number // 6 + 1}</h2>")
        parts.append(f"<p>{' '.join(chance.choices(WORDS, k=90)).capitalize()}.</p>")
        if number in (12, 30):
            parts.append(f'<img src="/picture-{number}.png" width="960" height="320" alt="">')
    return "\n".join(parts)


@cache
def picture(width: int, height: int, seed: int) -> bytes:
    """A PNG that hardly compresses, as photographs don't: about a byte for each 16 pixels."""
    chance = random.Random(seed)
    rows = b"".join(b"\x00" + chance.randbytes(width // 16).ljust(width // 8, b"\x55") for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)  # one bit a pixel
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


class PageServer:
    """Serves the pages; `snippet` stands in their heads. `files` are served beside them (path -> script)."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.snippet = ""
        self._text = text()
        self._files: dict[str, tuple[str, bytes]] = {
            "/style.css": ("text/css", STYLE.encode()),
            "/app.js": ("text/javascript", APP.encode()),
            "/hero.png": ("image/png", picture(960, 480, 1)),
            "/picture-12.png": ("image/png", picture(960, 320, 2)),
            "/picture-30.png": ("image/png", picture(960, 320, 3)),
            **{path: ("text/javascript", body) for path, body in files.items()},
        }
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port = self._server.server_port

    def answer(self, path: str) -> tuple[str, bytes]:
        """Type and body of what is at a path."""
        path = path.partition("?")[0]
        if path in self._files:
            return self._files[path]
        page = PAGE.format(title=f"An article at {path}", snippet=self.snippet, text=self._text)
        return "text/html; charset=utf-8", page.encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer: Callable[[str], tuple[str, bytes]] = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                kind, body = answer(self.path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header(
                    "Cache-Control", "no-store" if kind.startswith("text/html") else "max-age=600"
                )
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a browser that leaves in the middle of an answer


@contextmanager
def hanging_server() -> Iterator[int]:
    """The port of a server whose system takes every connection and whose program never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    taken: list[socket.socket] = []

    def take() -> None:
        while True:
            try:
                taken.append(listener.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        for connection in taken:
            connection.close()


def refusing_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
