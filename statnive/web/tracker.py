"""The browser's script and its variants: /tracker.js, /tracker.outbound-links.revenue.js, /tracker.most.js …

Every combination of features was built beforehand (tracker/build.mjs), so that a name is all it takes to have one.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final

import msgspec
from blake3 import blake3

from statnive.ingest import answers
from statnive.ingest.answers import Answer

VARIANTS_FILE: Final = "variants.json.gz"
PATH_BYTES_MAX: Final = 300
_CACHE: Final = b"public, max-age=3600, stale-while-revalidate=86400"


class TrackerAnswers:
    """One script, plain and gzipped, and its 304; the ETag is its content's hash."""

    def __init__(self, body: bytes) -> None:
        etag = b'"%s"' % blake3(body).hexdigest(16).encode()
        shared = (
            *answers.CORS,
            (b"cache-control", _CACHE),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"etag", etag),
            (b"vary", b"accept-encoding"),
            (b"x-content-type-options", b"nosniff"),
        )
        kind = (b"content-type", b"text/javascript; charset=utf-8")
        self.etag = etag
        self.plain = Answer(200, (kind, *shared), body)
        self.gzipped = Answer(
            200, (kind, (b"content-encoding", b"gzip"), *shared), gzip.compress(body, 9, mtime=0)
        )
        self.unchanged = Answer(304, shared)

    def choose(self, if_none_match: bytes, accept_encoding: bytes) -> Answer:
        if if_none_match and (self.etag in if_none_match or if_none_match.strip() == b"*"):
            return self.unchanged
        return self.gzipped if b"gzip" in accept_encoding else self.plain


class _Variants(msgspec.Struct):
    """What tracker/build.mjs writes: sets of features by name, scripts by their features, sorted, joined by "."."""

    features: list[str]
    sets: dict[str, list[str]]
    scripts: dict[str, str]


class TrackerScripts:
    """The scripts by path. `paths` are those of the base script; a variant's has its features before the ending.

    Answers are made when first asked for and kept: as many as there are combinations, 512, at most.
    """

    def __init__(self, directory: Path, paths: tuple[str, ...]) -> None:
        """Raises OSError or msgspec.DecodeError when the directory doesn't hold what the build made."""
        packed = (directory / VARIANTS_FILE).read_bytes()
        variants = msgspec.json.decode(gzip.decompress(packed), type=_Variants)
        self._scripts = variants.scripts
        named = {name: [name] for name in variants.features} | variants.sets
        self._features = {name.encode(): features for name, features in named.items()}
        self._answers: dict[str, TrackerAnswers] = {}
        self._stems = []
        self._base = {}
        base = self._of("")
        for path in paths:
            stem, ending = (path[:-3], b".js") if path.endswith(".js") else (path, b"")
            self._stems.append((stem.encode() + b".", ending))
            self._base[path.encode()] = base

    def find(self, path: bytes) -> TrackerAnswers | None:
        """The script of a path, None when it is no script's."""
        found = self._base.get(path)
        if found is not None or len(path) > PATH_BYTES_MAX:
            return found
        for stem, ending in self._stems:
            if path.startswith(stem) and path.endswith(ending):
                found = self._variant(path[len(stem) : len(path) - len(ending)])
                if found is not None:
                    return found
        return None

    def _variant(self, names: bytes) -> TrackerAnswers | None:
        wanted: set[str] = set()
        for name in names.split(b"."):
            features = self._features.get(name)
            if features is None:
                return None
            wanted.update(features)
        return self._of(".".join(sorted(wanted)))

    def _of(self, features: str) -> TrackerAnswers:
        found = self._answers.get(features)
        if found is None:
            found = self._answers[features] = TrackerAnswers(self._scripts[features].encode())
        return found
