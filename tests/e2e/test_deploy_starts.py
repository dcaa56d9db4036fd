"""The commands of deploy/ as they stand, run as systemd and a container run them: their user, rights and paths.

No container is built here, and no systemd runs: a mount and a network namespace of their own stand for both.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.statnive_node import environment, statnive
from tests.e2e.server import BROWSER, NOON_ZONE
from tests.test_deploy import instructions, unit

NOBODY = 65_534
DEADLINE_S = 120.0
# /opt/statnive is this environment, /etc/statnive and /var/lib/statnive are the test's; nothing else can be written.
HOUSE = r"""
set -e
base=$1; venv=$2; user=$3; caps=$4; shift 4
mount --make-rprivate /
ip link set lo up
mount --bind "$venv" "$base/venv"
mount --bind "$base/data" "$base/data"
cp -a /etc/. "$base/etc"
mount --bind "$base/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/statnive
mount --bind "$base/venv" /opt/statnive
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir /var/lib/statnive
mount --bind "$base/data" /var/lib/statnive
awk '{print $2}' /proc/mounts | grep -vE '^/(proc|sys|dev)(/|$)' | while read -r point; do
  case "$point" in "$base/data"|/var/lib/statnive) ;; *) mount -o remount,bind,ro "$point" 2>/dev/null || : ;; esac
done
if touch /root-is-writable 2>/dev/null; then rm /root-is-writable; echo "the root is not read-only"; exit 9; fi
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
  --bounding-set="$caps" --inh-caps="$caps" --ambient-caps="$caps" "$@"
"""
NO_RIGHTS = "-all"
LOW_PORTS = "-all,+net_bind_service"


class Housed:
    """A command of deploy/ in its house, once it is ready."""

    def __init__(self, base: Path, user: int, rights: str, command: list[str]) -> None:
        self.data = base / "data"
        self.output: list[str] = []
        outside = [
            "unshare",
            "--mount",
            "--net",
            "sh",
            "-c",
            HOUSE,
            "house",
            str(base),
            sys.prefix,
            str(user),
            rights,
        ]
        self.process = subprocess.Popen(
            [*outside, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            # The engine makes a directory for temporary files; deploy/ gives it a /tmp of its own.
            env=environment({"TMPDIR": "/var/lib/statnive"}),
        )  # fmt: skip
        self.ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self.ready.wait(DEADLINE_S), "".join(self.output)
        assert self.process.poll() is None, "".join(self.output)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.output.append(line)
                if "is ready on" in line:
                    self.ready.set()
        self.ready.set()

    def inside(self, *command: str) -> str:
        """What a command says that runs in the house's network."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.process.pid), "-n", *command],
            capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + "".join(self.output)
        return done.stdout

    def event(self, address: str) -> int:
        """The status of an event that is sent to the node."""
        body = json.dumps({"n": "pageview", "u": "https://example.com/"})
        wanted = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-A", BROWSER, "-d", body]
        return int(self.inside("curl", *wanted, f"http://{address}/api/event"))

    def left_the_machine(self) -> int:
        """Attempts to reach another address than loopback, which is all that this network has."""
        return refused_routes(self.inside("cat", "/proc/net/snmp", "/proc/net/snmp6"))

    def status(self) -> dict[str, str]:
        """/proc/PID/status by name."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}

    def stop(self, signal_name: str) -> int:
        """End it as its file says; the exit code."""
        subprocess.run(["kill", f"-{signal_name}", str(self.process.pid)], check=True)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended and all that it said was read."""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code


def refused_routes(text: str) -> int:
    """What the kernel has counted in /proc/net/snmp and snmp6: packets and connections for which there was no way."""
    names, values = (line.split() for line in text.splitlines() if line.startswith("Ip:"))
    v6 = re.search(r"^Ip6OutNoRoutes\s+(\d+)", text, re.MULTILINE)
    assert v6 is not None
    return int(values[names.index("OutNoRoutes")]) + int(v6[1])


@contextmanager
def housed(user: int, rights: str, command: list[str], settings: str = "") -> Iterator[Housed]:
    base = Path(tempfile.mkdtemp(prefix="statnive-housed-", dir="/var/tmp"))
    try:
        base.chmod(0o755)
        for name in ("venv", "data", "etc"):
            (base / name).mkdir()
        (base / "etc" / "statnive").mkdir()
        (base / "etc" / "statnive" / "statnive.toml").write_text(settings)
        os.chown(base / "data", user, user)
        node = Housed(base, user, rights, command)
        try:
            yield node
        finally:
            node.process.kill()
            node.wait()
        owners = {path.stat().st_uid for path in node.data.rglob("*") if not path.is_symlink()}
        assert owners <= {user, 0}
    finally:
        shutil.rmtree(base)


LEAVING = """
import socket
for family, address in ((socket.AF_INET, "203.0.113.1"), (socket.AF_INET6, "2001:db8::1")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        socket.socket(family, kind).connect_ex((address, 53))
print(open("/proc/net/snmp").read() + open("/proc/net/snmp6").read())
"""


def test_the_kernel_counts_attempts_to_leave_the_machine() -> None:
    command = [
        "unshare",
        "--net",
        "sh",
        "-c",
        'ip link set lo up; exec "$0" -c "$1"',
        sys.executable,
        LEAVING,
    ]
    said = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout
    assert refused_routes(said) == 4


@pytest.fixture(scope="module")
def readable() -> bool:
    """Whether others may read this checkout; where not, the user is root without a capability, one like others."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in Path(__file__).parents)


def test_the_unit_s_command_runs_on_a_low_port_with_that_right_and_no_other(readable: bool) -> None:
    service = unit()
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]
    settings = '[server]\nlisten = "127.0.0.1:80"\n'
    user = NOBODY if readable else 0
    with housed(user, LOW_PORTS, shlex.split(service["ExecStart"][0]), settings) as node:
        status = node.status()
        assert status["Uid"].split() == [str(user)] * 4
        assert int(status["CapEff"], 16) == 1 << 10  # CAP_NET_BIND_SERVICE
        assert status["NoNewPrivs"] == "1"
        added = statnive("site", "add", "example.com", "--timezone", NOON_ZONE, data_dir=node.data)
        assert added.returncode == 0, added.stderr
        assert node.event("127.0.0.1:80") == 202
        reload = service["ExecReload"][0].replace("$MAINPID", str(node.process.pid))
        subprocess.run(shlex.split(reload), check=True)
        assert node.event("127.0.0.1:80") == 202, "a reload interrupts nothing"
        assert node.left_the_machine() == 0
        assert node.stop(service["KillSignal"][0]) == 0, "".join(node.output)
    assert any("every event is in ClickHouse" in line for line in node.output), "".join(node.output)


def test_the_container_s_command_runs_without_any_right_and_its_health_check_finds_it(readable: bool) -> None:
    told = instructions()
    user = int(told["USER"][0].partition(":")[0]) if readable else 0
    command = [*json.loads(told["ENTRYPOINT"][0]), *json.loads(told["CMD"][0])]
    with housed(user, NO_RIGHTS, command) as node:
        status = node.status()
        assert status["Uid"].split() == [str(user)] * 4
        assert (int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"]) == (0, 0, "1")
        check = re.search(r"CMD (\[.*\])", told["HEALTHCHECK"][0])
        assert check is not None
        _, *arguments = json.loads(check[1])
        node.inside(sys.executable, *arguments)
        assert node.event("127.0.0.1:8080") == 202
        assert node.left_the_machine() == 0
        assert node.stop(told["STOPSIGNAL"][0].removeprefix("SIG")) == 0, "".join(node.output)
