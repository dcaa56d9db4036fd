"""What is sent as data and must stay data: in statements, spreadsheets, log lines and headers."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Final

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import AGENT, DOORS, FOREIGN, SITE, Stage

SQL: Final = (
    "' OR 1=1 --", "' OR '1'='1", "'; DROP TABLE events_raw; --", "\\'; SELECT 1; --", "') UNION ALL SELECT 1 --",
    "1) OR (1=1", "{site:UInt32}", "{x:Identifier}", "%(site)s", "{{7*7}}", "${7*7}", "/**/", "\\", "`", '"', "%'", "?", ":x",
    "' || sleep(3) || '", "system.tables", "1e1) FORMAT CSV --", "file('/etc/passwd')", "url('http://127.0.0.1:1/')",
)  # fmt: skip
FORMULAS: Final = (
    "=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://evil.example")', "\t=1", "\r=1", " =1", "|calc", "＝1", "'=1",
    '";=1', "=cmd|' /C calc'!A0", "\n=1",
)  # fmt: skip


def sql(stage: Stage) -> Told:
    """Statements in every parameter of the reading APIs and in every field of an event."""
    tried = 0
    marker = "/sql-injection"
    texts = SQL if stage.thorough else SQL[:5]
    with stage.client() as client:
        for text in texts:
            for field in ("n", "r", "d"):
                stage.event(client, **{field: text, "u": f"https://{SITE}{marker}"})
            stage.event(client, n="Signup", u=f"https://{SITE}{marker}?utm_source={text}", p={text: text})
            tried += 4
        bearer = {"authorization": f"Bearer {stage.token}"}
        for text in texts:
            filters = [["is", "event:page", [text]], ["contains", "visit:source", [text]], ["matches", "event:page", [text]],
                       ["is", f"event:props:{text}", [text]], ["is", text, ["x"]], [text, "event:page", ["x"]]]  # fmt: skip
            for found in filters:
                body = {"site_id": SITE, "metrics": ["visitors"], "date_range": "day", "filters": [found]}
                answer = client.post("/api/v2/query", json=body, headers=bearer)
                tried += 1
                expect(
                    answer.status_code in (200, 400),
                    f"filter {found}: {answer.status_code} {answer.text[:200]}",
                )
            bent: list[dict[str, Any]] = [
                {"site_id": text}, {"metrics": [text]}, {"date_range": text}, {"date_range": [text, text]},
                {"dimensions": [text]}, {"order_by": [[text, "desc"]]}, {"order_by": [["visitors", text]]},
                {"pagination": {"limit": text}}, {"dimensions": [f"event:props:{text}"]},
            ]  # fmt: skip
            for more in bent:
                body = {"site_id": SITE, "metrics": ["visitors"], "date_range": "day", **more}
                answer = client.post("/api/v2/query", json=body, headers=bearer)
                tried += 1
                expect(
                    answer.status_code in (200, 400, 401), f"{more}: {answer.status_code} {answer.text[:200]}"
                )
            for name in (
                "site_id",
                "period",
                "date",
                "metrics",
                "filters",
                "property",
                "interval",
                "limit",
                "page",
            ):
                given = {"site_id": SITE, "period": "day", "property": "event:page", name: text}
                answer = client.get("/api/v1/stats/breakdown", params=given, headers=bearer)
                tried += 1
                expect(answer.status_code in (200, 400, 401), f"{name}={text}: {answer.status_code}")
    for text in texts[: 12 if stage.thorough else 3]:
        for name in ("site", "period", "from", "to", "filters", "metrics", "sort", "search", "tag", "format"):
            try:
                asked: dict[str, Any] = {"site": SITE, "period": "day", name: text}
                stage.control("GET", "/api/stats/pages", **asked)
            except RuntimeError as refused:
                expect(": 4" in str(refused), f"{name}={text}: {refused}")
            tried += 1
    expect(stage.control("POST", "/control/verify", {"repair": False})["is_right"], "the books no longer fit")
    foreign = stage.control("GET", "/api/stats/pages", None, site=FOREIGN, period="day")
    expect(not foreign["rows"], "an event reached a site that it was not sent to")
    return Told(tried, "each bound as a value or refused with 400; every row and rollup as before")


def spreadsheets(stage: Stage) -> Told:
    """Formulas as pages, sources, names and properties, into every CSV."""
    tried = 0
    with stage.client() as client:
        for number, text in enumerate(FORMULAS):
            tagged = f"https://{SITE}/csv{number}?utm_source={text}&utm_campaign={text}"
            stage.event(client, u=tagged, r="https://news.example/")
            stage.event(client, n=text.strip() or "x", u=f"https://{SITE}/{text}", p={text: text})
            tried += 2
    stage.settle()
    cells = 0
    for report in ("pages", "sources", "campaigns", "events", "properties", "referrers", "entry-pages"):
        stage._asked += 1
        limit = str(500 + stage._asked)
        text = stage.control(
            "GET", f"/api/stats/{report}", None, site=SITE, period="day", format="csv", limit=limit
        )
        for row in csv.reader(io.StringIO(str(text), newline="")):
            for cell in row:
                cells += 1
                opened = cell.lstrip(" ")[:1]
                is_number = cell.replace(".", "", 1).lstrip("-").isdigit()
                expect(
                    opened not in "=+-@|\t\r\n" or not opened or is_number,
                    f"{report}: a cell begins {cell[:20]!r}",
                )
    return Told(tried, f"{cells:,} cells read, none begins a formula")


def log_lines(stage: Stage) -> Told:
    """Line breaks, terminal codes and JSON in what is logged and reported."""
    nasty = [
        'x\r\n{"time":"2026","kind":"login","account":1}', "x\n2026-01-01 00:00:00 ERROR forged: line", "\x1b[2J\x1b[31m",
        "\u2028forged", "a\x00b", "\u202eforged", "x" * 5_000, "%s%n%x", "${jndi:ldap://127.0.0.1/x}",
    ]  # fmt: skip
    before = len(stage.node.output)
    tried = 0
    with stage.client() as client:
        for text in nasty:
            for kind in ("goals", "segments", "sites", "tokens"):
                body = {"site": text, "kind": "event", "target": text, "domain": text, "name": text, "scopes": [text],
                        "sites": None, "filters": [["is", "event:page", [text]]]}  # fmt: skip
                try:
                    stage.control("POST", f"/control/{kind}", body)
                except RuntimeError as refused:
                    expect(": 4" in str(refused), f"{kind}: {refused}")
                tried += 1
            wish = {"name": text[:60], "scopes": ["stats:read"], "sites": [SITE]}
            try:
                made = stage.control("POST", "/control/tokens", wish)
                stage.control("POST", f"/control/tokens/{made['id']}/revoke", {})
            except RuntimeError as refused:
                expect(": 4" in str(refused), f"a token's name: {refused}")
            stage.event(client, u=f"https://{SITE}/", d="nobody.example", n=text)
            tried += 2
        for text in ("%0d%0aforged", "%00", "%1b%5b31m"):
            client.get(f"/{text}")
            client.get("/", headers={"x-forwarded-for": "198.18.0.1, " + "forged " * 50 + "x"})
            tried += 2
    file = stage.node.data_dir / "audit.log"
    lines = file.read_bytes().split(b"\n")[:-1]
    for line in lines:
        found = json.loads(line)
        expect(line.isascii() and b"\x1b" not in line, f"a line of audit.log holds {line[:80]!r}")
        expect(found["kind"] not in ("login", "forged"), f"a line of audit.log is forged: {line[:120]!r}")
    for said in stage.node.output[before:]:
        expect("\x1b" not in said and not said.startswith(("{", "forged")), f"stderr: {said[:80]!r}")
        expect("ERROR forged: line" not in said[:60], f"a forged line on stderr: {said[:80]!r}")
    return Told(tried, f"{len(lines):,} lines of audit.log, each one JSON object of ours")


def headers(stage: Stage) -> Told:
    """CR, LF and NUL in everything that could come back in a header of an answer."""
    tried = 0
    codes = (
        "%0d%0aX-Injected:%201",
        "%0aX-Injected:1",
        "\r\nX-Injected: 1",
        "%E5%98%8A%E5%98%8DX-Injected:1",
        "\nX-Injected: 1",
    )
    targets = [
        target
        for code in codes
        for target in (
            f"/{code}",
            f"/?x={code}",
            f"/tracker.js?{code}",
            f"/api/event?{code}",
            f"/api/stats/pages?site={code}",
        )
    ]
    end = f" HTTP/1.1\r\nHost: x\r\nUser-Agent: {AGENT}\r\nConnection: close\r\n\r\n"
    for door in DOORS:
        raws = [f"GET {target}{end}".encode("latin-1") for target in targets]
        for raw, said in stage.say_each(door, raws, silence_s=0.2):
            head = said.partition(b"\r\n\r\n")[0].lower()
            expect(b"\nx-injected" not in head, f"{raw[:80]!r} wrote a header")
            tried += 1
    with stage.client() as client:
        for code in ("\r\nX-Injected: 1", "\x00", "é"):
            answer = stage.event(client, n=code, d=code, u=f"https://{SITE}/{code}")
            expect("x-injected" not in answer.headers, "a field of an event wrote a header")
            tried += 1
    return Told(tried, "no header of ours holds a byte of theirs")


ATTACKS: Final = (
    Attack("injection/sql", "statements in events, filters, ranges and names", sql),
    Attack("injection/csv", "formulas in pages, tags, names and properties", spreadsheets),
    Attack("injection/log", "line breaks, terminal codes, forged JSON", log_lines),
    Attack("injection/headers", "CR, LF and NUL in targets and fields", headers),
)
