"""Which script a path gives: the base one, or the variant that its name asks for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from statnive.web.tracker import TrackerScripts

DIST = Path(__file__).parents[2] / "tracker" / "dist"


@pytest.fixture(scope="module")
def scripts() -> TrackerScripts:
    return TrackerScripts(DIST, ("/tracker.js", "/s", "/stats/x.js"))


def body(scripts: TrackerScripts, path: str) -> bytes | None:
    found = scripts.find(path.encode())
    return None if found is None else found.plain.body


@pytest.mark.parametrize("path", ["/tracker.js", "/s", "/stats/x.js"])
def test_each_configured_path_gives_the_base_script(scripts, path) -> None:
    assert body(scripts, path) == (DIST / "tracker.js").read_bytes()


@pytest.mark.parametrize("path", ["/tracker.most.js", "/s.most", "/stats/x.most.js"])
def test_each_configured_path_has_its_variants(scripts, path) -> None:
    assert body(scripts, path) == (DIST / "tracker.most.js").read_bytes()


def test_features_come_in_any_order_and_once(scripts) -> None:
    one = scripts.find(b"/tracker.revenue.outbound-links.js")
    assert one is not None
    assert one is scripts.find(b"/tracker.outbound-links.revenue.js")
    assert one is scripts.find(b"/tracker.outbound-links.revenue.revenue.js")
    variants = json.loads(gzip.decompress((DIST / "variants.json.gz").read_bytes()))
    assert one.plain.body.decode() == variants["scripts"]["outbound-links.revenue"]
    assert gzip.decompress(one.gzipped.body) == one.plain.body


def test_variants_have_their_own_etags(scripts) -> None:
    base, other = scripts.find(b"/tracker.js"), scripts.find(b"/tracker.hash.js")
    assert base is not None
    assert other is not None
    assert base.etag != other.etag
    assert other.choose(other.etag, b"") is other.unchanged
    assert other.choose(base.etag, b"gzip") is other.gzipped


@pytest.mark.parametrize(
    "path",
    ["/", "/tracker", "/tracker..js", "/tracker.hsah.js", "/tracker.hash", "/tracker.hash.js.map", "/trackerxjs",
     "/tracker.hash..js", "/tracker.\xff.js", "/tracker." + "hash." * 100 + "js"],
)  # fmt: skip
def test_other_paths_are_no_scripts(scripts, path) -> None:
    assert scripts.find(path.encode("latin-1")) is None
