"""The fault proxy as a process of its own, and what every process of chaos/ has in common."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path as FilePath

import pytest

from chaos.proxy import Faults, Path, ProxyProcess
from chaos.rig.watch import until
from chaos.service.control import Control, ControlError
from chaos.service.process import REPOSITORY, Child, ChildError


@pytest.fixture
def echo():
    """An echo server's address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def serve(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, suppress(ConnectionError):
            while data := connection.recv(4096):
                connection.sendall(data)


def round_trip(port, deadline_s=60.0):
    with socket.create_connection(("127.0.0.1", port), timeout=deadline_s) as connection:
        connection.sendall(b"x")
        return connection.recv(1)


def read_to_end(connection):
    while connection.recv(100):
        pass


def test_a_scenario_breaks_and_restores_it(tmp_path, echo):
    with ProxyProcess(tmp_path, echo, seed=1) as proxy:
        proxy.start()
        assert round_trip(proxy.port) == b"x"
        proxy.set(Faults(down=Path(hold=True)))
        with pytest.raises(TimeoutError):
            round_trip(proxy.port, 0.1)
        proxy.restore()
        proxy.restore()
        assert proxy.faults() == Faults()
        assert round_trip(proxy.port) == b"x"
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
            connection.sendall(b"x")
            connection.recv(1)
            until(lambda: proxy.counters()["open"] == 1, 60)  # the ends of the others have come through
            assert proxy.reset(during="answer") == 1
            connection.sendall(b"y" * 100)
            with pytest.raises(ConnectionResetError):
                read_to_end(connection)
        with pytest.raises(ControlError, match="0 to 1"):
            proxy.reset(share=2)
        with pytest.raises(ControlError, match="client"):
            proxy.vanish("nobody")
        counters = proxy.counters()
        assert (counters["accepted"], counters["resets"]) == (4, 1)

        port = proxy.port
        proxy.close()
        with pytest.raises(ConnectionRefusedError):
            round_trip(port)
        proxy.restore()
        assert proxy.port == port
        assert round_trip(port) == b"x"
        assert proxy.child.terminate() == 0


def test_what_a_crashed_run_left_behind_is_killed_by_the_next_start(tmp_path, echo):
    with ProxyProcess(tmp_path, echo) as first:
        first.start()
        first.child.stop()  # a stopped process notices no end of its parent
        left_behind = first.child.pid
        second = ProxyProcess(tmp_path, echo, port=first.port)
        with second:
            second.start()
            assert second.child.pid != left_behind
            assert first.child.wait(60) == -signal.SIGKILL
            assert round_trip(second.port) == b"x"


def test_it_ends_with_its_parent(tmp_path):
    """Here the parent is a Python that starts it and is killed."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom chaos.proxy import ProxyProcess\n"
        f"proxy = ProxyProcess(Path({str(tmp_path)!r}), ('127.0.0.1', 9))\n"
        "proxy.start()\nprint(proxy.port, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE) as parent:
        port = int(parent.stdout.readline())
        socket.create_connection(("127.0.0.1", port)).close()
        parent.kill()
        parent.wait()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionError:
            break
    else:
        pytest.fail("it is still there")


def test_one_that_does_not_get_ready_says_why(tmp_path, echo):
    with ProxyProcess(tmp_path, ("127.0.0.1", 9), port=echo[1]) as proxy:
        with pytest.raises(ChildError, match="Address already in use"):
            proxy.start()
        assert not proxy.child.running


def test_a_wrapper_runs_it_and_signals_reach_it_all_the_same(tmp_path, echo):
    child = Child(
        "proxy", "chaos.proxy", tmp_path, wrapper=["env", "PROXY_TEST=1", "nice"], env={"OTHER": "2"}
    )
    with child:
        ready = child.start(["--to", "127.0.0.1:9"])
        environment = FilePath(f"/proc/{child.pid}/environ").read_bytes().split(b"\0")
        assert {b"PROXY_TEST=1", b"OTHER=2"} <= set(environment)
        with pytest.raises(ControlError, match="there is no GET /nothing"):
            Control(ready["control_port"]).call("GET", "/nothing")
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
