"""The CLI's way to the data: a running node's control socket, or the data directory itself when no node runs.

Both ways speak HTTP to the same ASGI app, so both give the same result.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import trio

from statnive.config import Config
from statnive.errors import BrokenInput, Busy, Rejected, Retryable

CONTROL_SOCKET = "control.sock"
# The socket speaks no TLS: without this httpx reads all certificates of the world's authorities first, 25 ms.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# An import's last step waits for ClickHouse: that may take minutes and is no fault.
READ_DEADLINE_S = 3_600.0


class ControlClient:
    """Requests to the control app; its errors come back as the errors they were."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get_json(self, path: str, **query: str) -> Any:
        return self._result(await self._request("GET", f"{path}?{urlencode(query)}" if query else path, None))

    async def post_json(self, path: str, body: object) -> Any:
        return self._result(await self._request("POST", path, msgspec.json.encode(body)))

    async def post_msgpack(self, path: str, body: object) -> Any:
        return self._result(await self._request("POST", path, msgspec.msgpack.encode(body)))

    async def _request(self, method: str, path: str, content: bytes | None) -> httpx.Response:
        try:
            return await self._http.request(method, path, content=content)
        except httpx.HTTPError as error:
            raise Retryable(f"the node did not answer: {error or type(error).__name__}") from None

    @staticmethod
    def _result(response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        try:
            error = response.json()["error"]
            field, message = error["field"], error["message"]
        except (ValueError, KeyError, TypeError):
            raise Retryable(f"the node answered {response.status_code}") from None
        if field and response.status_code < 500:
            raise Rejected(field, message)
        raise Retryable(message)


@asynccontextmanager
async def control(config: Config) -> AsyncIterator[ControlClient]:
    """A client of the node on `config.data_dir`; without one, of a node that listens nowhere and ends with us."""
    socket_path = config.data_dir / CONTROL_SOCKET
    with _reachable(config.data_dir) as path:
        if path and await _answers(path):
            async with _http(httpx.AsyncHTTPTransport(uds=path, verify=_NO_TLS)) as http:
                yield ControlClient(http)
            return
    from statnive.node import Node  # the engine takes a while to import

    try:
        node = Node(config, listen=False)
    except Busy as busy:
        raise Busy(f"{busy}, which does not answer on {socket_path}; is it starting or stopping?") from None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(node.run)
            async with _http(httpx.ASGITransport(node.control_app)) as http:
                yield ControlClient(http)
            node.stop()
    finally:
        node.close()


def _http(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    timeout = httpx.Timeout(10.0, read=READ_DEADLINE_S)
    return httpx.AsyncClient(transport=transport, base_url="http://control", timeout=timeout, trust_env=False)


@contextmanager
def _reachable(data_dir: Path) -> Iterator[str]:
    """The socket's path by way of its directory's descriptor: a Unix socket's path is limited to 107 bytes."""
    try:
        directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield ""
        return
    try:
        yield f"/proc/self/fd/{directory}/{CONTROL_SOCKET}"
    finally:
        os.close(directory)


async def _answers(path: str) -> bool:
    """Whether a node listens on the socket; a socket that a killed node left behind does not answer."""
    try:
        stream = await trio.open_unix_socket(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError as error:
        raise BrokenInput(f"{path} can't be used: {error.strerror}") from None
    await stream.aclose()
    return True
