"""A server that does nothing but answer 202, to see how fast the generator itself is.

Command: `python -m chaos.load.sink --help`.

It takes each piece it receives for one request, so it is of no use with pipelining or requests over 64 KiB.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Final

import click

ANSWER: Final = (
    b"HTTP/1.1 202 Accepted\r\naccess-control-allow-origin: *\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 2\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nok"
)
RECV_BYTES: Final = 65_536


def serve(listener: socket.socket) -> None:
    """Answer until the process is ended."""
    listener.setblocking(False)
    epoll, connections = select.epoll(), dict[int, socket.socket]()
    epoll.register(listener.fileno(), select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll(-1, 512):
            connection = connections.get(fd)
            if connection is None:
                for accepted in _accept_all(listener):
                    connections[accepted.fileno()] = accepted
                    epoll.register(accepted.fileno(), select.EPOLLIN)
            elif not _answer(connection):
                del connections[fd]
                connection.close()


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    accepted: list[socket.socket] = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return accepted
        connection.setblocking(False)
        accepted.append(connection)


def _answer(connection: socket.socket) -> bool:
    """False when the connection is over."""
    try:
        data = connection.recv(RECV_BYTES)
        if data:
            connection.send(ANSWER)
    except OSError:
        return False
    return bool(data) and b"\r\nConnection: close\r\n" not in data


@click.command()
@click.option("--port", type=int, default=0, help="Of 127.0.0.1; 0 = any. It is printed.")
@click.option("--cpu", type=int, help="Core to stay on.")
def main(port: int, cpu: int | None) -> None:
    """Answer 202 to everything, to measure a load generator by."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    with socket.create_server(("127.0.0.1", port), backlog=4_096) as listener:
        click.echo(listener.getsockname()[1])
        serve(listener)


if __name__ == "__main__":
    main(prog_name="python -m chaos.load.sink")
