"""Clients in network namespaces of their own, on a bridge of this machine: links that can be cut or made lossy.

All rules are iptables' of the client's namespace: the machine's own tables are never touched, and a namespace that
is gone takes its rules along. The addresses are RFC 2544's, for benchmarks: nobody's.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chaos.rig.home import Home
from chaos.rig.shell import RigError, output, run

SUBNETS: Final = range(1, 255)  # of 198.19.0.0/16
_CLONE_NEWNET: Final = 0x40000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One group of clients, `address` on the bridge."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and what it starts meanwhile, is in the namespace; sockets stay where they were made."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        other = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(other)
            try:
                yield
            finally:
                _enter(own)
        finally:
            os.close(own)
            os.close(other)

    def lose(self, share: float) -> None:
        """Drop this share of the packets, each way, from now on; 1: all of them."""
        self.heal()
        chance = () if share >= 1 else ("-m", "statistic", "--mode", "random", "--probability", str(share))
        for chain in ("INPUT", "OUTPUT"):
            self._iptables("-A", chain, *chance, "-j", "DROP")

    def heal(self) -> None:
        """Drop nothing any more; also when nothing was dropped."""
        self._iptables("-F")

    def lossy(self) -> bool:
        """Whether a rule is there."""
        return "DROP" in self._iptables("-S")

    def _iptables(self, *arguments: str) -> str:
        return output(*_into(self.name), "iptables", "-w", "60", *arguments)


class Network:
    """A bridge with a /24 and its namespaces. `address` is this machine's on it."""

    def __init__(self, home: Home, groups: tuple[str, ...]) -> None:
        """Make them. Raises RigError, without root or without iproute2 and iptables too."""
        if os.geteuid() != 0:
            raise RigError("network namespaces need root")
        bridge = home.name("br")
        run("ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0")
        with _alone():
            subnet = _free_subnet()
            self.network, self.address = f"{subnet}.0/24", f"{subnet}.1"
            run("ip", "addr", "add", f"{self.address}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        self.groups: dict[str, Namespace] = {}
        for number, group in enumerate(groups):
            name = home.name(f"n{number}")
            namespace = self.groups[group] = Namespace(name, f"{subnet}.{10 + number}")
            here, there = home.name(f"v{number}"), "eth0"
            run("ip", "netns", "add", name)
            run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
            run("ip", "link", "set", here, "master", bridge, "up")
            for command in (
                ("ip", "addr", "add", f"{namespace.address}/24", "dev", there),
                ("ip", "link", "set", there, "up"),
                ("ip", "link", "set", "lo", "up"),
            ):
                run(*_into(name), *command)
            namespace.heal()  # iptables works, or says now that it does not

    def heal(self) -> None:
        """Every link as new."""
        for namespace in self.groups.values():
            namespace.heal()


def _into(name: str) -> tuple[str, ...]:
    """Goes before a command. Not `ip netns exec`: that gives it mounts of its own, which keep a disk of the rig, or of
    another one, alive while it is checked and mounted again (seen: a file system that went back in time).
    """
    return ("nsenter", f"--net=/run/netns/{name}")


@contextmanager
def _alone() -> Iterator[None]:
    """No other rig of this machine takes a subnet meanwhile: it would take the same one."""
    descriptor = os.open("/run", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _free_subnet() -> str:
    """The first /24 that no device of this machine has an address in."""
    taken = output("ip", "-4", "-o", "addr")
    for number in SUBNETS:
        if f" 198.19.{number}." not in taken:
            return f"198.19.{number}"
    raise RigError("no subnet of 198.19.0.0/16 is free")


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise RigError(f"setns: {os.strerror(ctypes.get_errno())}")


def namespaces() -> set[str]:
    """Names of all network namespaces of this machine."""
    directory = Path("/run/netns")
    return set(os.listdir(directory)) if directory.is_dir() else set()
