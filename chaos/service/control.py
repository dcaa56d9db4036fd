"""A control port: JSON over HTTP, so that a scenario (or curl) can switch a running process's faults."""

from __future__ import annotations

import http.client
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from chaos.service.httpd import Handler, Request, Response

DEADLINE_S: Final = 60

# Takes the request's JSON (None without a body) and gives the answer's. A ValueError or TypeError is the
# caller's: 400.
Action = Callable[[Any], Awaitable[Any]]


class ControlError(Exception):
    """The process refused or could not be asked."""


def control_handler(actions: Mapping[tuple[str, str], Action]) -> Handler:
    """The handler of a control port whose `actions` go by method and path."""

    async def handle(request: Request) -> Response:
        action = actions.get((request.method, request.path))
        if action is None:
            known = ", ".join(f"{method} {path}" for method, path in sorted(actions))
            return _json(404, {"error": f"there is no {request.method} {request.path}, but {known}"})
        try:
            return _json(200, await action(json.loads(request.body) if request.body else None))
        except (ValueError, TypeError) as error:
            return _json(400, {"error": str(error)})

    return handle


class Control:
    """The other end, blocking: `control.call("PUT", "/faults", [...])`."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, port

    def call(self, method: str, path: str, value: Any = None, *, deadline_s: float = DEADLINE_S) -> Any:
        """The answer's JSON. Raises ControlError: not reached, no answer within `deadline_s`, or refused."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=deadline_s)
        try:
            body = None if value is None else json.dumps(value)
            connection.request(method, path, body=body)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(f"{method} {path}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise ControlError(f"{method} {path}: {answer['error']}")
        return answer


def _json(status: int, value: Any) -> Response:
    return Response(status, (("Content-Type", "application/json"),), json.dumps(value).encode() + b"\n")
