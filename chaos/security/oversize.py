"""Too much of everything, and little that unfolds into much."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Final

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import AGENT, DOORS, SITE, Stage

_HEAD: Final = b"Host: x\r\nUser-Agent: " + AGENT.encode() + b"\r\n"
_URL: Final = f"https://{SITE}/"


def json_bombs(stage: Stage) -> Told:
    """Depth, numbers and doubled keys, to every route that reads JSON."""
    deep = [b"[" * 4_000, b'{"n":' * 1_500, b'{"n":"x","u":"%s","p":' % _URL.encode() + b"[" * 4_000]
    numbers = [
        b"1" * 4_000,
        b"1e999999999",
        b"-0",
        b"1e-999999999",
        b"0." + b"0" * 4_000 + b"1",
        b"NaN",
        b"Infinity",
    ]
    wrapped = [
        b'{"n":"pageview","u":"%s","e":%s,"sd":%s}' % (_URL.encode(), number, number) for number in numbers
    ]
    keys = [
        b'{"n":"pageview","u":"%s","n":"engagement","u":"https://foreign.example/"}' % _URL.encode(),
        b'{"n":"pageview","u":"%s","p":{"a":"1","a":"2"}}' % _URL.encode(),
        b'{"n":"pageview","u":"%s","p":{%s}}' % (_URL.encode(), b",".join(b'"k%d":"v"' % n for n in range(500))),
        b'{"__proto__":{"x":1},"constructor":{},"n":"pageview","u":"%s"}' % _URL.encode(),
        b'{"n":"pageview\\u0000\\ud800","u":"%s"}' % _URL.encode(),
        b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"",
    ]  # fmt: skip
    tried = 0
    with stage.client() as client:
        for body in [*deep, *numbers, *wrapped, *keys]:
            for path, headers in (
                ("/api/event", {}),
                (
                    "/api/v2/query",
                    {"authorization": f"Bearer {stage.token}", "content-type": "application/json"},
                ),
            ):
                answer = client.post(path, content=body, headers=headers)
                tried += 1
                expect(answer.status_code < 500, f"{path} {body[:40]!r}: {answer.status_code}")
        for body in (b"\xff\xfe", b'{"domain":"\xa6"}', b"[" * 4_000, b"{}"):
            for path in ("/control/sites", "/control/imports", "/control/imports/1/entries"):
                try:
                    stage.control("POST", path, raw=body)
                except RuntimeError as refused:
                    expect(": 4" in str(refused), f"{path} {body[:20]!r}: {refused}")
                tried += 1
        ambiguous = client.post("/api/event", content=keys[0])
        expect(ambiguous.status_code in (202, 400), f"doubled keys: {ambiguous.status_code}")
    return Told(tried, "every one answered with 2xx or 4xx, none with 5xx")


def decompression(stage: Stage) -> Told:
    """Bodies of megabytes in a few bytes: nothing is ever unpacked."""
    inner = b'{"n":"pageview","u":"%s"}' % _URL.encode()
    bombs = {
        "gzip": gzip.compress(inner + b" " * 10_000_000),
        "deflate": zlib.compress(b"[" + inner + b" " * 10_000_000 + b"]"),
        "gzip, gzip": gzip.compress(gzip.compress(b" " * 50_000_000)),
        "br": b"\x00" * 100,
        "zstd": b"\x28\xb5\x2f\xfd" + b"\x00" * 100,
    }
    rows, tried = stage.figures()["wal_rows_total"], 0
    for door in DOORS:
        with stage.client(door) as client:
            for coding, body in bombs.items():
                for path in ("/api/event", "/api/v2/query"):
                    answer = client.post(path, content=body, headers={"content-encoding": coding})
                    tried += 1
                    expect(400 <= answer.status_code < 500, f"{coding} at {path}: {answer.status_code}")
    expect(stage.figures()["wal_rows_total"] == rows, "a packed event was unpacked")
    return Told(tried, "each refused as it came, nothing unpacked")


def heads(stage: Stage) -> Told:
    """Targets, headers and cookies of up to a megabyte, and thousands of headers."""
    vectors = [
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + _HEAD + b"\r\n",
        b"GET /?" + b"a=b&" * 250_000 + b" HTTP/1.1\r\n" + _HEAD + b"\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"X" * 1_000_000 + b": y\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"Cookie: " + b"a=b; " * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + _HEAD + b"Authorization: Bearer " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"POST /api/event HTTP/1.1\r\n" + _HEAD + b"X-Forwarded-For: " + b"1.2.3.4, " * 100_000 + b"\r\n\r\n",
        b"A" * 1_000_000,
        b"GET / HTTP/1.1\r\n" * 60_000,
        b"\r\n" * 500_000,
    ]
    for door in DOORS:
        for vector, said in stage.say_each(door, vectors, silence_s=0.3):
            expect(not said or said[9:10] in (b"4", b""), f"{vector[:30]!r} on {door}: {said[:60]!r}")
    return Told(len(DOORS) * len(vectors), "each refused with 4xx or closed")


def bodies(stage: Stage) -> Told:
    """Bodies of megabytes, with a length and in chunks, to routes that read them and to routes that do not."""
    tried = 0
    piece = b"1000\r\n" + b"x" * 4_096 + b"\r\n"
    paths = (
        b"/api/event",
        b"/api/v2/query",
        b"/",
        b"/api/stats/pages",
        b"/api/stats/refresh",
        b"/tracker.js",
    )
    lines = [b"%s %s HTTP/1.1\r\n" % (method, path) for path in paths for method in (b"POST", b"GET", b"PUT")]
    framed = (
        b"Content-Length: 4000000\r\n\r\n" + b"x" * 4_000_000,
        b"Transfer-Encoding: chunked\r\n\r\n" + piece * 1_000 + b"0\r\n\r\n",
    )
    for door in DOORS:
        raws = (line + _HEAD + body for line in lines for body in framed)
        for raw, said in stage.say_each(door, raws, silence_s=0.2):
            line = raw.partition(b"\r")[0]
            tried += 1
            expect(b" 500 " not in said[:15], f"{line!r}: {said[:60]!r}")
            expect(not (line.startswith(b"POST") and b" 202 " in said[:15]), f"{line!r} took 4 MB")
    return Told(tried, "no body over the limit was taken, none kept in memory")


def values(stage: Stage) -> Told:
    """Every field of an event, a thousand times too long: refused by name or cut to its limit."""
    tried = 0
    rows = stage.figures()["wal_rows_total"]
    with stage.client() as client:
        for field in ("n", "u", "d", "r", "p", "$", "i", "sd", "e", "h", "v"):
            for value in (
                "x" * 7_500,
                "ü" * 3_700,
                "https://" + "a" * 7_400,
                {"k" * 3_000: "v" * 4_000},
                ["x"] * 1_800,
            ):
                answer = stage.event(client, **{field: value})
                tried += 1
                expect(
                    answer.status_code in (202, 204, 400), f"{field}={str(value)[:20]}: {answer.status_code}"
                )
        many = json.dumps([{"n": "pageview", "u": _URL}] * 11)
        expect(
            client.post("/api/event", content=many).status_code == 400, "11 events in a request were taken"
        )
    longest = max(len(str(row.get("page", ""))) for row in stage.stats("pages"))
    expect(longest <= 2_000, f"a path of {longest} characters was kept")
    taken = stage.figures()["wal_rows_total"] - rows
    return Told(tried, f"refused by name or cut; {taken:.0f} kept, the longest path {longest} characters")


ATTACKS: Final = (
    Attack("oversize/json", "deep nesting, huge numbers, doubled keys, broken encodings", json_bombs),
    Attack("oversize/decompression", "gzip, deflate, br and zstd bodies that unfold", decompression),
    Attack("oversize/heads", "targets, headers and cookies of a megabyte", heads),
    Attack("oversize/bodies", "bodies of 4 MB to every kind of route", bodies),
    Attack("oversize/values", "every field of an event far over its limit", values),
)
