"""Hostnames that look like another, in events and in names of sites."""

from __future__ import annotations

from typing import Final

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import FOREIGN, SITE, Stage

# Look like SITE, or turn into it when folded carelessly; none of them is it.
LOOKALIKES: Final = (
    "еxample.com", "exаmple.com", "example.сom", "ехамрle.com", "exɑmple.com", "examp1e.com", "example.com.evil.example",
    "evil.example/example.com", "example.com@evil.example", "example.com%00.evil.example", "example.com\x00.evil.example",
    "example.com%2eevil.example", "example.com\\.evil.example", "example.com\u202emoc.live",
    "xn--xample-9uf.com", "xn--exmple-4nf.com", "example.co", "example.comm", "xexample.com",
    "foo.example.com", "[::ffff:example.com]", "example.com:80@evil.example", "evil.example#example.com",
    "evil.example?example.com", "e\u0301xample.com", "xn--example.com", "xn--", "xn--a-ecp.ru", "a" * 64 + ".com",
)  # fmt: skip
# The same host in other words: one site, never two.
SAME: Final = (
    "EXAMPLE.com",
    "example.com.",
    "example.com:443",
    "EXAMPLE.COM",
    "ｅｘａｍｐｌｅ．ｃｏｍ",
    "example。com",
)


def lookalikes(stage: Stage) -> Told:
    """Events of hosts that look like a site: none is counted for it."""
    with stage.client() as client:
        before = stage.figures()["wal_rows_total"]
        for host in LOOKALIKES:
            answer = stage.event(client, u=f"https://{host}/lookalike")
            expect(answer.status_code in (202, 400), f"{host!r}: {answer.status_code}")
        kept = stage.figures()["wal_rows_total"] - before
        expect(kept == 0, f"{kept:.0f} events of look-alikes were counted for a site")
    return Told(len(LOOKALIKES), "all refused or unknown, none counted")


def spellings(stage: Stage) -> Told:
    """Other spellings of a site's own host: counted for it or refused, and shown in one spelling."""
    with stage.client() as client:
        for host in SAME:
            answer = stage.event(client, u=f"https://{host}/spelling")
            expect(answer.status_code in (202, 400), f"{host!r}: {answer.status_code}")
    hosts = {row["hostname"] for row in stage.stats("hostnames")}
    expect(hosts <= {SITE}, f"the site is shown under {sorted(hosts)}")
    return Told(len(SAME), f"all shown as {SITE}, or not at all")


def names_of_sites(stage: Stage) -> Told:
    """Sites whose name is no hostname, or another's in another spelling: refused."""
    tried = 0
    bad = [*LOOKALIKES[7:15], *SAME, "", " ", "a b.com", "http://example.com", "example.com/x", "*.example.com",
           "<script>.com", "'; DROP TABLE sites; --", "127.0.0.1\r\nX: y", "a." * 200 + "com", FOREIGN.upper()]  # fmt: skip
    before = {site["domain"] for site in stage.control("GET", "/control/sites")["sites"]}
    for name in bad:
        try:
            stage.control("POST", "/control/sites", {"domain": name, "timezone": "UTC"})
        except RuntimeError as refused:
            expect(" 4" in str(refused), f"{name!r}: {refused}")
        tried += 1
    after = {site["domain"] for site in stage.control("GET", "/control/sites")["sites"]}
    for added in after - before:
        expect(added.isascii() and added == added.lower() and "/" not in added, f"a site is called {added!r}")
    expect(sum(domain == SITE for domain in after) == 1, "a site is there twice")
    return Told(tried, f"refused, or brought into one ASCII spelling ({len(after - before)})")


ATTACKS: Final = (
    Attack("hostnames/lookalikes", "Cyrillic, invisible and bent letters, user-info, NULs", lookalikes),
    Attack("hostnames/spellings", "full-width, upper case, trailing dot, port", spellings),
    Attack("hostnames/sites", "site names that are no hostname", names_of_sites),
)
