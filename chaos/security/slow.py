"""Those who take their time: half a head, a body in drips, an answer that is not read, connections that do nothing."""

from __future__ import annotations

import contextlib
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from chaos.security.attack import Attack, NotTried, Told, expect
from chaos.security.stage import AGENT, Stage

HALF: Final = b"POST /api/event HTTP/1.1\r\nHost: x\r\nUser-Agent: " + AGENT.encode() + b"\r\n"
BODY: Final = HALF + b"Content-Length: 100\r\n\r\n"
CHUNKED: Final = HALF + b"Transfer-Encoding: chunked\r\n\r\n"


def _drips(stage: Stage, start: bytes, drip: bytes, door: str, connections: int) -> tuple[int, float]:
    """Connections that send a byte again and again: how many, and the seconds until the last was closed."""
    socks = []
    for _ in range(connections):
        sock = stage.connect(door)
        sock.sendall(start)
        socks.append(sock)
    began = time.monotonic()
    open_ = list(socks)
    while open_:
        expect(time.monotonic() - began < 30, f"{len(open_)} of {connections} are still served after 30 s")
        time.sleep(0.2)
        for sock in list(open_):
            try:
                sock.setblocking(True)
                sock.settimeout(0.001)
                sock.send(drip)
                if sock.recv(65_536) == b"":
                    open_.remove(sock)
            except TimeoutError:
                pass
            except OSError:
                open_.remove(sock)
    took_s = time.monotonic() - began
    for sock in socks:
        sock.close()
    return connections, took_s


def slowloris(stage: Stage) -> Told:
    """A head that never ends, a byte at a time, on both ports."""
    with stage.witness() as witness:
        plain, plain_s = _drips(stage, HALF + b"X: ", b"y", "plain", 150)
        tls, tls_s = _drips(stage, HALF + b"X: ", b"y", "tls", 50)
    return Told(plain + tls, f"all closed after {max(plain_s, tls_s):.0f} s (deadline 3 s); {witness.told()}")


def slow_body(stage: Stage) -> Told:
    """A body a byte at a time, with a length and in chunks."""
    with stage.witness() as witness:
        counts = [
            _drips(stage, BODY, b"y", "plain", 60),
            _drips(stage, CHUNKED, b"1\r\ny\r\n", "plain", 60),
            _drips(stage, BODY, b"y", "tls", 30),
        ]
    longest = max(took for _, took in counts)
    return Told(sum(count for count, _ in counts), f"all closed within {longest:.0f} s; {witness.told()}")


def slow_read(stage: Stage) -> Told:
    """Requests in a row for the largest answers through a tiny receive buffer, and nothing read."""
    asked = b"GET /tracker.js HTTP/1.1\r\nHost: x\r\n\r\n" * 400
    socks = []
    with stage.witness() as witness:
        for _ in range(100):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
            sock.connect(stage.plain)
            sock.settimeout(5)
            with contextlib.suppress(OSError):
                sock.sendall(asked)
            socks.append(sock)
        stage.until(
            lambda: stage.figures()["acceptor_connections"] <= 10, "who reads nothing is still served", 60
        )
    for sock in socks:
        sock.close()
    return Told(len(socks), f"all closed by the answer's deadline (3 s); {witness.told()}")


def idle(stage: Stage) -> Told:
    """More connections than the limit, that say nothing: the limit holds, and all are closed in the end."""
    limit = int(stage.settings["STATNIVE_SERVER_CONNECTIONS_MAX"])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * limit)), hard))
    before = stage.figures()["acceptor_refused_connections_total"]
    socks = []
    try:
        for _ in range(limit + 300):
            socks.append(socket.create_connection(stage.plain, timeout=20))
        stage.until(
            lambda: stage.figures()["acceptor_refused_connections_total"] >= before + 200,
            "no one is turned away",
            20,
        )
        most = stage.figures()["acceptor_connections"]
        expect(most <= limit, f"{most:.0f} connections were let in, {limit} are allowed")
        resident = stage.node.resident_bytes()
        stage.until(
            lambda: stage.figures()["acceptor_connections"] <= 10, "idle connections are still open", 60
        )
    finally:
        for sock in socks:
            sock.close()
    return Told(len(socks), f"{limit} were let in, the others turned away with 503; all closed at their deadline, "
                f"the node at {resident / 2**20:.0f} MiB")  # fmt: skip


def idle_tls(stage: Stage) -> Told:
    """TLS connections that never begin their handshake, beyond the limit."""
    limit = int(stage.settings["STATNIVE_SERVER_TLS_CONNECTIONS_MAX"])
    socks = [socket.create_connection(stage.tls, timeout=20) for _ in range(limit + 100)]
    stage.until(lambda: stage.figures()["tls_refused_connections_total"] >= 50, "no one is turned away", 20)
    expect(stage.figures()["tls_connections"] <= limit, "more TLS connections than allowed")
    stage.until(lambda: stage.figures()["tls_connections"] <= 2, "handshakes that never begin go on", 60)
    for sock in socks:
        sock.close()
    return Told(len(socks), f"{limit} were let in, and closed at the handshake's deadline (3 s)")


def slowhttptest(stage: Stage) -> Told:
    """slowhttptest's four modes (slowloris, slow body, range header, slow read) against both ports."""
    command = shutil.which("slowhttptest")
    if command is None:
        raise NotTried("slowhttptest is not installed (apt-get install slowhttptest)")
    tried = 0
    with stage.witness() as witness, tempfile.TemporaryDirectory() as directory:
        for url in (stage.node.url, "https://{}:{}".format(*stage.tls)):
            for mode in (
                ["-H"],
                ["-B"],
                ["-R"],
                ["-X", "-w", "1", "-y", "1", "-n", "5", "-z", "1", "-k", "3"],
            ):
                options = [
                    "-c",
                    "150",
                    "-r",
                    "150",
                    "-i",
                    "2",
                    "-l",
                    "8",
                    "-u",
                    f"{url}/tracker.js",
                    "-p",
                    "2",
                    "-g",
                ]
                report = Path(directory) / "report"
                subprocess.run(
                    [command, *mode, *options, "-o", str(report)],
                    capture_output=True,
                    timeout=120,
                    check=False,
                )
                tried += 150
        stage.until(
            lambda: stage.figures()["acceptor_connections"] <= 10, "its connections are still open", 60
        )
    return Told(tried, witness.told())


ATTACKS: Final = (
    Attack("slow/slowloris", "heads that never end", slowloris, quick=False),
    Attack("slow/body", "bodies a byte at a time", slow_body, quick=False),
    Attack("slow/read", "answers that are not read", slow_read, quick=False),
    Attack("slow/idle", "more idle connections than the limit", idle, quick=False),
    Attack("slow/idle-handshakes", "TLS handshakes that never begin", idle_tls, quick=False),
    Attack(
        "slow/slowhttptest",
        "slowhttptest: slowloris, slow body, ranges, slow read",
        slowhttptest,
        quick=False,
    ),
)
