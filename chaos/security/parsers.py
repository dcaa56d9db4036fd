"""Every parser of what comes from outside, fuzzed: it answers or refuses in its own words, nothing else.

The inputs of a parser start from its corpus, `corpus/<name>.json`: a list of texts, each character a byte. They are
spliced, cut and bent. What broke a parser is printed, and belongs into its corpus once the parser is mended.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import msgspec

from chaos.fuzz.target import Target
from chaos.security.attack import Attack, GaveWay, Told
from chaos.security.stage import AGENT, Stage
from statnive import config
from statnive.certificates import make_context
from statnive.control import passkey_check
from statnive.control.hosts import canonical_host
from statnive.control.passkey_check import Place, to_base64
from statnive.control.passkeys import Passkey
from statnive.control.snapshot import Site
from statnive.control.timezones import canonical_timezone
from statnive.control.tokens import digest_of
from statnive.errors import StatniveError
from statnive.importer.combined_log import parse_line
from statnive.ingest.client_address import ClientAddress, canonical
from statnive.ingest.client_hints import client_hints
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser
from statnive.query import given, plausible_v1, plausible_v2
from statnive.query.filters import no_segments, parse_filters
from statnive.query.funnels import parse_steps
from statnive.wal.frame import Frame, FrameFault, decode_frame
from statnive.web.imports import Entry

CORPUS: Final = Path(__file__).parent / "corpus"
WHOLE_S: Final = 6.0
QUICK_INPUTS: Final = 400
INPUT_BYTES_MAX: Final = 20_000
SLOW_S: Final = 5.0  # for one input: no parser may take so long
HOSTS: Final = frozenset({"example.com"})
SITE: Final = Site(1, "example.com", "Europe/Berlin", HOSTS)
NOW: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
_PIECES: Final = [
    b"\x00", b"\r\n", b"\n", b"\xff", b"\xed\xa0\x80", b"%00", b"%", b'"', b"'", b"\\", b"[", b"]", b"{", b"}", b"<", b"=", b"|",
    b";", b",", b":", b"/", b"..", b"-1", b"0", b"9" * 40, b"1e999", b"NaN", b"null", b"true", b"\xe2\x80\xae", b"\xf0\x9f\x98\x80",
    b"a" * 300, b"*" * 20, b"(" * 200, b"[" * 2_000, b"2026-02-30", b"9999-12-31", b"0001-01-01", b"\xc0\x80", b"::", b"[::1%25x]",
]  # fmt: skip


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class Parsers:
    """Each by its corpus's name. A parser raises what refuses an input, or returns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._target = Target()
        self._agents, self._sources = AgentParser(100), SourceClassifier(cache_entries=100)
        self._addresses = ClientAddress(("127.0.0.0/8", "::1/128"))
        self.every: dict[str, Callable[[bytes], object]] = {
            "event": self._event,
            "head": self._head,
            "address": self._address,
            "agent": lambda data: self._agents(_text(data)),
            "hints": lambda data: client_hints({b"sec-ch-ua": data, b"sec-ch-ua-platform": data[:40]}),
            "referrer": lambda data: self._sources.classify(_text(data), _text(data[::-1]), HOSTS),
            "host": lambda data: canonical_host("domain", _text(data)),
            "timezone": lambda data: canonical_timezone("timezone", _text(data)),
            "token": lambda data: digest_of(_text(data)),
            "log_line": parse_line,
            "filters": lambda data: parse_filters(_text(data)),
            "steps": lambda data: parse_steps(_text(data)),
            "v1_filter": lambda data: plausible_v1.parse_filter(_text(data)),
            "v1_query": self._v1,
            "v2_query": self._v2,
            "report_query": self._report,
            "frame": self._frame,
            "import": lambda data: msgspec.msgpack.decode(data, type=list[Entry]),
            "settings": self._settings,
            "certificate": self._certificate,
            "passkey": self._passkey,
        }

    def _event(self, data: bytes) -> None:
        head = b"POST /api/event HTTP/1.1\r\nHost: x\r\nUser-Agent: " + AGENT.encode() + b"\r\n\r\n"
        self._target.send(head, data)

    def _head(self, data: bytes) -> None:
        head = data.partition(b"\r\n\r\n")[0]  # the lanes hand over a head with its blank line, and no more
        self._target.send(head + b"\r\n\r\n", b'{"n":"pageview","u":"https://example.com/"}')

    def _address(self, data: bytes) -> None:
        found = self._addresses.of("127.0.0.1", data)
        assert canonical(found) == found, f"{found!r} is no canonical address"

    def _v1(self, data: bytes) -> None:
        asked = dict(parse_qsl(_text(data), keep_blank_values=True))
        for kind in ("aggregate", "timeseries", "breakdown"):
            try:
                plausible_v1.parse(kind, asked, SITE, NOW)
            except StatniveError:
                continue

    def _v2(self, data: bytes) -> None:
        body = msgspec.json.decode(data)
        if isinstance(body, dict):
            plausible_v2.parse(body, SITE, NOW)

    def _report(self, data: bytes) -> None:
        asked = dict(parse_qsl(_text(data), keep_blank_values=True))
        given.parse_options(asked, ZoneInfo("Europe/Berlin"), NOW, no_segments, is_list=True)

    def _frame(self, data: bytes) -> None:
        found = decode_frame(data)
        assert isinstance(found, Frame | FrameFault)
        if isinstance(found, Frame):
            list(found.rows())

    def _settings(self, data: bytes) -> None:
        file = self._directory / "statnive.toml"
        file.write_bytes(data)
        file.chmod(0o600)
        config.load(file, {}, {})
        config.load(None, {"STATNIVE_WAL_COMMIT_ROWS": _text(data[:20])}, {})

    def _certificate(self, data: bytes) -> None:
        certificate, key = self._directory / "fuzz.crt", self._directory / "fuzz.key"
        certificate.write_bytes(data)
        key.write_bytes(data)
        key.chmod(0o600)
        make_context(certificate, key)

    def _passkey(self, data: bytes) -> None:
        """As what an authenticator says when it signs, and when a passkey is made."""
        challenge, place = bytes(56), Place("https://example.com", "example.com")
        passkey = Passkey(1, 1, data[:32], data[-80:], bytes(32), place.host, "x", 0, 0, None)

        def credential(kind: str) -> dict[str, object]:
            client = {"type": kind, "challenge": to_base64(challenge), "origin": place.origin}
            told = {
                "clientDataJSON": msgspec.json.encode(client),
                "userHandle": bytes(32),
                "signature": data[-70:],
            }
            response = {**told, "attestationObject": data, "authenticatorData": data}
            name = to_base64(data[:32])
            said = {key: to_base64(value) for key, value in response.items()}
            return {"id": name, "rawId": name, "type": "public-key", "response": said}

        with suppress(StatniveError):
            passkey_check.signed(credential("webauthn.get"), challenge, place, passkey)
        made = credential("webauthn.create")
        passkey_check.told(made)
        passkey_check.registered(made, challenge, place)


# What refuses an input: our own errors, and those of msgspec, which every caller turns into one of ours.
_REFUSALS: Final = (StatniveError, msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def corpus(name: str) -> list[bytes]:
    """The inputs kept for a parser."""
    return [text.encode("latin-1") for text in json.loads((CORPUS / f"{name}.json").read_text())]


def bent(seeds: list[bytes], chance: random.Random) -> bytes:
    """A new input: one or two of the seeds, cut, spliced and with pieces put in."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at:at] = chance.choice(_PIECES)
            case 1:
                del data[at : at + chance.randrange(1, 20)]
            case 2 if data:
                data[min(at, len(data) - 1)] = chance.randrange(256)
            case 3:
                other = chance.choice(seeds)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case 4:
                data[at:at] = data[: chance.randrange(1, 60)] * chance.randrange(1, 5)
            case _:
                data[at : at + chance.randrange(1, 8)] = chance.choice(_PIECES)
    return bytes(data[:INPUT_BYTES_MAX])


def fuzz(
    name: str, parser: Callable[[bytes], object], seed: int, seconds: float, inputs_max: float
) -> tuple[int, int]:
    """Inputs tried and refused. Raises GaveWay with the seed and the input that broke the parser."""
    chance, seeds = random.Random(seed), corpus(name)
    tried = refused = 0
    until = time.monotonic() + seconds
    while tried < len(seeds) or (tried < inputs_max and time.monotonic() < until):
        data = seeds[tried] if tried < len(seeds) else bent(seeds, chance)
        tried += 1
        began = time.monotonic()
        try:
            parser(data)
        except _REFUSALS:
            refused += 1
        except Exception as error:
            raise GaveWay(
                f"{name}, seed {seed}: {type(error).__name__}: {error} for {data[:300]!r}"
            ) from error
        took_s = time.monotonic() - began
        if took_s > SLOW_S:
            raise GaveWay(f"{name}, seed {seed}: {took_s:.1f} s for {data[:300]!r}")
    return tried, refused


@lru_cache(1)
def _parsers(directory: Path) -> Parsers:
    """Their tables take a while to read."""
    return Parsers(directory)


def _attack(name: str) -> Callable[[Stage], Told]:
    def attack(stage: Stage) -> Told:
        parser = _parsers(stage.directory).every[name]
        # The kept ones and the same bent ones each time; then new ones, of a seed that is told.
        tried, refused = fuzz(name, parser, 8, WHOLE_S, QUICK_INPUTS)
        if stage.thorough:
            more = fuzz(name, parser, secrets.randbits(32), WHOLE_S, float("inf"))
            tried, refused = tried + more[0], refused + more[1]
        return Told(tried, f"{refused:,} refused, {tried - refused:,} read")

    return attack


NAMES: Final = sorted(file.stem for file in CORPUS.glob("*.json"))
ATTACKS: Final = tuple(
    Attack(f"parsers/{name}", f"bent inputs of {len(corpus(name))} kept ones", _attack(name), offline=True)
    for name in NAMES
)
