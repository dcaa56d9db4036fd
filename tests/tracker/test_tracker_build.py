"""What is committed in tracker/dist: built from this source, small, free of what a tracker must not touch."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

TRACKER = Path(__file__).resolve().parents[2] / "tracker"
DIST = TRACKER / "dist"
SCRIPTS = sorted(DIST.glob("*.js"))
FORBIDDEN = (
    "XMLHttpRequest",
    "localStorage",
    "sessionStorage",
    "indexedDB",
    "document.cookie",
    "cookie",
    "://",
    "import",
)
BASE_BYTES_MAX = 1_500
BASE_GZIP_BYTES_MAX = 700
BASE_GZIP_BYTES_GOAL = 600
ALL_GZIP_BYTES_MAX = 1_800


def gzip_bytes(file: Path) -> int:
    return len(subprocess.run(["gzip", "-9", "-c", str(file)], check=True, capture_output=True).stdout)


def content(file: Path) -> bytes:
    """Two versions of zlib pack the same scripts in different bytes."""
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def test_committed_scripts_are_what_the_source_builds(tracker_build) -> None:
    built = {name: content(file) for name, file in tracker_build().items()}
    assert built == {file.name: content(file) for file in DIST.iterdir()}


def test_every_combination_of_features_is_there_for_the_server() -> None:
    variants = json.loads(content(DIST / "variants.json.gz"))
    assert len(variants["scripts"]) == 2 ** len(variants["features"]) == 512
    for name, file in (("", "tracker.js"), (".".join(variants["sets"]["all"]), "tracker.all.js")):
        assert variants["scripts"][name] == (DIST / file).read_text()
    largest = max(len(gzip.compress(script.encode(), 9)) for script in variants["scripts"].values())
    assert largest <= ALL_GZIP_BYTES_MAX


def test_base_script_keeps_its_budget() -> None:
    base = DIST / "tracker.js"
    assert base.stat().st_size <= BASE_BYTES_MAX
    assert gzip_bytes(base) <= BASE_GZIP_BYTES_MAX
    assert gzip_bytes(base) <= BASE_GZIP_BYTES_GOAL  # the goal is met: giving it up is a decision, made here


def test_everything_on_keeps_its_budget(tracker_build) -> None:
    assert gzip_bytes(DIST / "tracker.all.js") <= ALL_GZIP_BYTES_MAX
    assert gzip_bytes(tracker_build("all+plausible")["tracker.all.plausible.js"]) <= ALL_GZIP_BYTES_MAX


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_stores_nothing_and_names_no_address(script: Path) -> None:
    text = script.read_text().lower()
    assert [token for token in FORBIDDEN if token.lower() in text] == []


def test_base_script_holds_nothing_of_the_variants() -> None:
    text = (DIST / "tracker.js").read_text()
    variants = (
        "click",
        "submit",
        "scroll",
        "engagement",
        "hashchange",
        "revenue",
        "responseStatus",
        "plausible",
        "$",
    )
    assert [token for token in variants if token in text] == []


def test_manifest_names_every_script_and_its_bytes() -> None:
    files = json.loads((DIST / "manifest.json").read_text())["files"]
    assert set(files) == {script.name for script in SCRIPTS}
    for script in SCRIPTS:
        content = script.read_bytes()
        assert files[script.name]["bytes"] == len(content)
        assert files[script.name]["sha256"] == hashlib.sha256(content).hexdigest()


def test_lock_pins_every_package_and_names_no_registry() -> None:
    lock = json.loads((TRACKER / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in entry and entry["integrity"] for entry in packages.values())


def test_unknown_feature_is_named(tracker_tools: Path) -> None:
    run = subprocess.run(
        ["node", "build.mjs", "hash+hsah"], cwd=tracker_tools, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert 'unknown feature "hsah"; allowed: base' in run.stderr


def test_the_tests_in_node_pass(tracker_tools: Path) -> None:
    run = subprocess.run(["npm", "test", "--silent"], cwd=tracker_tools, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
