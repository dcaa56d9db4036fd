"""What the same requests cost elsewhere: servers that answer 202 and do nothing, to hold our figures against.

`python -m chaos.bench.baselines hypercorn|httptools PORT`: bare hypercorn on trio with the smallest ASGI app, or a
trio task for each connection around an httptools parser. Neither parses an event, writes a log or knows a visitor.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import httptools
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\nok"


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def hypercorn(port: int) -> None:
    """Bare hypercorn, its defaults but for the log."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.backlog = 2_048
    config.errorlog = None
    config.accesslog = None
    await serve(_app, config)  # type: ignore[arg-type]


class _Request:
    """Counts whole requests; takes in every header, as a server that needs some of them does."""

    def __init__(self) -> None:
        self.done = 0
        self.headers: dict[bytes, bytes] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_message_complete(self) -> None:
        self.done += 1


async def _connection(stream: trio.SocketStream) -> None:
    request = _Request()
    parser = httptools.HttpRequestParser(request)
    async with stream:
        try:
            while data := await stream.receive_some(65_536):
                parser.feed_data(data)
                if request.done:
                    await stream.send_all(_ANSWER * request.done)
                    request.done = 0
        except (trio.BrokenResourceError, httptools.HttpParserError):
            return


async def trio_httptools(port: int) -> None:
    """A trio task for each connection."""
    await trio.serve_tcp(_connection, port, host="127.0.0.1", backlog=2_048)


def main() -> None:
    """Serve until killed."""
    kind, port = sys.argv[1], int(sys.argv[2])
    trio.run(partial({"hypercorn": hypercorn, "httptools": trio_httptools}[kind], port))


if __name__ == "__main__":
    main()
