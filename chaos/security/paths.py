"""Where a request can be led: files outside of what is served, other hosts, other sites to go on to."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import AGENT, DOORS, Stage

_UP: Final = (
    "../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "..\\", "..%5c", "%c0%ae%c0%ae/", "..;/", "..%00/", "....//",
    "..%ef%bc%8f", "/..//", "./.././",
)  # fmt: skip
_FILES: Final = (
    "etc/passwd", "proc/self/environ", "control.db", "identity.key", "audit.log", "pyproject.toml",
    "statnive/config.py", "index.html.map", ".git/config", "variants.json.gz",
)  # fmt: skip
_TELLTALES: Final = (
    b"root:x:0:",
    b"STATNIVE_",
    b"SQLite format 3",
    b"statnive-ratchet",
    b'"kind":',
    b"[project]",
    b"from __future__",
)
_HOSTS: Final = (
    "evil.example", "localhost@evil.example", "evil.example:80", "evil.example#", "127.0.0.1:evil", "x\ty", "[::1", "",
    "xn--", "a" * 300, "evil.example/..", "évil.example", "evil.example, localhost",
)  # fmt: skip


def traversal(stage: Stage) -> Told:
    """Every way to write "..", at every depth, for files that are there."""
    tried = 0
    starts = ("/", "/assets/", "/tracker.js/", "/api/stats/", "/tracker.", "//", "/C:/", "/file://")
    targets = [
        (start + up * 6 + file).encode()
        for start in starts[: 8 if stage.thorough else 4]
        for up in _UP
        for file in _FILES
    ]
    for door in DOORS:
        raws = (
            b"GET %s HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n"
            % (target, AGENT.encode())
            for target in targets[:: 1 if door == "plain" else 7]
        )
        for raw, said in stage.say_each(door, raws, silence_s=0.2):
            tried += 1
            found = [telltale for telltale in _TELLTALES if telltale in said]
            expect(not found, f"{raw[:120]!r} gave {found}")
    return Told(tried, "nothing but built files, all of them read at the start, was ever answered")


def hosts(stage: Stage) -> Told:
    """Host, X-Forwarded-Host and absolute targets of others: never in an answer, and nothing is let through by them."""
    tried = 0
    lines = [
        line
        for host in _HOSTS
        for path in ("/", "/tracker.js", "/login")[: 3 if stage.thorough else 1]
        for line in _claims(path.encode(), host.encode())
    ]
    for door in DOORS:
        raws = [
            line + b"\r\nUser-Agent: " + AGENT.encode() + b"\r\nConnection: close\r\n\r\n" for line in lines
        ]
        for raw, said in stage.say_each(door, raws, silence_s=0.2):
            tried += 1
            expect(b"evil.example" not in said, f"{raw[:120]!r} came back in the answer")
    return Told(tried, "no answer names a host that a request brought along")


def _claims(path: bytes, host: bytes) -> list[bytes]:
    """Requests for a path that say in every way that this is `host`."""
    return [
        b"GET %s HTTP/1.1\r\nHost: %s" % (path, host),
        b"GET %s HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: %s\r\nForwarded: host=%s" % (path, host, host),
        b"GET http://%s%s HTTP/1.1\r\nHost: x" % (host, path),
    ]


def redirects(stage: Stage) -> Told:
    """Targets that a careless server redirects to another site."""
    tried = 0
    targets = [
        "//evil.example", "//evil.example/..", "/\\evil.example", "/%2f%2fevil.example", "/%5cevil.example",
        "/?next=//evil.example", "/?redirect=https://evil.example", "/login?next=https://evil.example",
        "/logout?to=//evil.example", "/?return_to=javascript:alert(1)", "/%09/evil.example", "/.evil.example",
        "/%0d%0aLocation:%20https://evil.example", "/assets//evil.example/", "/api/stats//evil.example/",
    ]  # fmt: skip
    for door in DOORS:
        with stage.client(door) as client:
            for target in targets:
                for method in ("GET", "POST", "HEAD"):
                    answer = client.request(method, client.base_url.copy_with(raw_path=target.encode()))
                    tried += 1
                    to = urlsplit(answer.headers.get("location", "")).netloc
                    expect("evil" not in answer.headers.get("location", ""), f"{target} leads to {to}")
                    expect(
                        "evil" not in answer.headers.get("refresh", ""), f"{target} refreshes to another site"
                    )
    return Told(tried, "no answer leads to another site")


ATTACKS: Final = (
    Attack("paths/traversal", '".." in every spelling, for files that exist', traversal),
    Attack("paths/hosts", "Host, X-Forwarded-Host, Forwarded and absolute targets of others", hosts),
    Attack("paths/redirects", "targets that lead elsewhere", redirects),
)
