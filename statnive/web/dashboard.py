"""The dashboard's built files: hashed assets for ever, the page itself always asked for anew."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from blake3 import blake3
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from statnive.web.access import ANYONE, Guarded

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_FOREVER = "public, max-age=31536000, immutable"


def routes(folder: Path) -> list[BaseRoute]:
    """Every built file, read once at start: nothing on disk is reachable by a path from outside."""
    files = {
        "/" + str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

    async def page(request: Request) -> Response:
        path = request.url.path
        if path == "/" or path not in files:
            if "." in path.rpartition("/")[2] or path.startswith(("/api/", "/assets/")):
                return PlainTextResponse("not found\n", 404)
            path = "/index.html"
        return _file(request, files, path)

    return [Guarded("/{path:path}", page, access=ANYONE)]


def _file(request: Request, files: dict[str, bytes], path: str) -> Response:
    body = files[path]
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    etag = f'"{blake3(body).hexdigest(16)}"'
    headers = {
        "etag": etag,
        "vary": "accept-encoding",
        "cache-control": _FOREVER if path.startswith("/assets/") else "no-cache",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    accepted = request.headers.get("accept-encoding", "")
    for name, suffix in _ENCODINGS:
        if name in accepted and path + suffix in files:
            headers["content-encoding"] = name
            return Response(files[path + suffix], headers=headers, media_type=kind)
    return Response(body, headers=headers, media_type=kind)
