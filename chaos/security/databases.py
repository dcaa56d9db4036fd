"""Address databases that are bombs: as the file of a start, and put in place under a running node."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from typing import Final

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import Stage
from chaos.statnive_node import statnive
from statnive.config import GeoConfig
from statnive.geo_files import country_file

_MARKER: Final = b"\xab\xcd\xefMaxMind.com"
MUTANTS: Final = 150


def _text(text: str) -> bytes:
    return bytes([0x40 | len(text)]) + text.encode()


def _map(entries: int) -> bytes:
    return bytes([0xE0 | entries])


def _metadata(nodes: int, record_bits: int = 24, version: int = 4) -> bytes:
    """The metadata of a database, as the format's description lays it out."""
    number = b"\xc4" + struct.pack(">I", nodes)  # uint32
    return (
        _MARKER + _map(9) + _text("build_epoch") + b"\x04\x02j\xb1;\x80" + _text("description") + _map(1) + _text("en") + _text("x") + _text("node_count") + number + _text("record_size") + bytes((0xA1, record_bits))
        + _text("ip_version") + bytes((0xA1, version)) + _text("database_type") + _text("bomb")
        + _text("languages") + b"\x01\x04" + _text("en") + _text("binary_format_major_version") + b"\xa1\x02"
        + _text("binary_format_minor_version") + b"\xa0"
    )  # fmt: skip


def _database(data: bytes, *, nodes: int = 1, tree: bytes | None = None) -> bytes:
    """One node whose both records lead to the data section's beginning."""
    leads = struct.pack(">I", nodes + 16)[1:]
    return (tree if tree is not None else leads * 2 * nodes) + bytes(16) + data + _metadata(nodes)


def bombs() -> dict[str, bytes]:
    """Databases that are small and want much, or never end."""
    pointer_to_0 = b"\x20\x00"
    country = _map(1) + _text("country") + _map(1) + _text("iso_code") + _text("DE")
    return {
        "empty": b"",
        "no metadata": bytes(4_096),
        "metadata only": _metadata(0),
        "four billion nodes": _database(country, nodes=1)[: -len(_metadata(1))] + _metadata(0xFFFFFFFF),
        "pointer to itself": _database(pointer_to_0),
        "maps within maps": _database(b"".join(_map(1) + _text("k") for _ in range(5_000)) + country),
        "an array of itself": _database(b"\x1f\x04\xff\xff\xff" + pointer_to_0 * 64),
        "a map of sixteen million": _database(b"\xff\xff\xff\xff" + _text("k") * 10),
        "a text of sixteen million": _database(b"\x5f\xff\xff\xff" + b"x" * 100),
        "billions of laughs": _database(b"".join(
            b"\x0a\x04" + b"".join(b"\x28" + struct.pack(">H", 22 * (level + 1)) for _ in range(6)) + b"\xa0\xa0"
            for level in range(40)) + country),
        "a tree of loops": _database(country, nodes=4, tree=bytes(24)),
        "records into nowhere": _database(country, nodes=2, tree=b"\xff" * 12),
        "marker again and again": _MARKER * 10_000,
        "broken text": _database(_map(1) + _text("country") + _map(1) + _text("iso_code") + b"\x42\xff\xfe"),
        "a name of control characters": _database(
            _map(2) + _text("country") + _map(1) + _text("iso_code") + _text("DE")
            + _text("city") + _map(1) + _text("names") + _map(1) + _text("en") + _text("\x1b[2J\r\n<script>")),
    }  # fmt: skip


def mutants(count: int, seed: int) -> list[bytes]:
    """The database that statnive brings along, cut to a size that is quick to read and bent at random."""
    chance = random.Random(seed)
    path = country_file(GeoConfig()).path
    whole = path.read_bytes() if path else _database(b"\xe0")
    tail = whole[whole.rfind(_MARKER) :]
    made = []
    for _ in range(count):
        if chance.random() < 0.5:
            bent = bytearray(
                _database(_map(1) + _text("country") + _map(1) + _text("iso_code") + _text("DE"))
            )
        else:
            bent = bytearray(whole[: chance.randrange(1, 60_000)] + tail)
        for _ in range(chance.randrange(1, 4)):
            bent[chance.randrange(len(bent))] = chance.randrange(256)
        made.append(bytes(bent))
    return made


def files(stage: Stage) -> Told:
    """Read each in this process: BrokenInput or answers of the right shape, in bounded time and memory."""
    directory = stage.directory / "bombs"
    directory.mkdir(exist_ok=True)
    every = [*bombs().values(), *mutants(MUTANTS, seed=8)]
    script = (
        "import resource, sys; from pathlib import Path; from statnive.errors import BrokenInput\n"
        "from statnive.ingest.geo import Geo\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n"
        "refused = 0\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        geo = Geo(Path(name), None)\n"
        "        for a in ('0.0.0.0', '203.0.113.9', '255.255.255.255', '::1', '2001:db8::1', 'x'):\n"
        "            place = geo.place(a); assert len(place.country) in (0, 2), place; assert place.city.isprintable(), place\n"
        "    except BrokenInput: refused += 1\n"
        "print(refused)\n"
    )
    names = []
    for number, content in enumerate(every):
        file = directory / f"{number}.mmdb"
        file.write_bytes(content)
        names.append(str(file))
    done = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, timeout=300, check=False
    )
    expect(
        done.returncode == 0, f"a process that read them ended with {done.returncode}: {done.stderr[-600:]}"
    )
    refused = int(done.stdout)
    return Told(len(every), f"{refused} refused by name, the others answered within shape, 2 GiB and 60 s")


def starts(stage: Stage) -> Told:
    """A start with a bomb: refused by name with exit code 5."""
    tried = 0
    for name in ("billions of laughs", "pointer to itself"):
        file = stage.directory / f"start-{tried}.mmdb"
        file.write_bytes(bombs()[name])
        settings = {"STATNIVE_GEO_CITY_DATABASE": str(file)}
        done = statnive(
            "serve", "--listen", "127.0.0.1:0", data_dir=stage.directory / f"bomb{tried}", settings=settings
        )
        expect(
            done.returncode == 5 and str(file) in done.stderr,
            f"{name}: {done.returncode} {done.stderr[-300:]}",
        )
        tried += 1
    return Told(tried, "refused by name, exit code 5")


ATTACKS: Final = (
    Attack(
        "databases/bombs",
        "MMDB files with loops, depth, billions of nodes, and bent ones",
        files,
        offline=True,
    ),
    Attack("databases/start", "a start with such a file", starts, quick=False, offline=True),
)
