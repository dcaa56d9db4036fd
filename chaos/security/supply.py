"""What statnive is made of: licences, and what is known of the pinned versions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from chaos.security.attack import Attack, NotTried, Told, expect
from chaos.security.stage import Stage

ROOT: Final = Path(__file__).parents[2]
NODE_PARTS: Final = ("dashboard", "tracker", "geo")
COPYLEFT: Final = re.compile(
    r"(?<!L)\b(?:AGPL|GPL|SSPL|EUPL)|GNU (?:AFFERO )?GENERAL PUBLIC|BUSL|COMMONS CLAUSE", re.IGNORECASE
)
# Said by their own licence files, where their metadata says nothing.
KNOWN: Final = {"crawler-user-agents": "MIT", "ua-parser-builtins": "Apache-2.0", "chdb-core": "Apache-2.0"}


def pinned(lock: str) -> list[str]:
    """The names of the packages that a lock file pins."""
    return re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.MULTILINE)


def licence_of(name: str) -> str:
    """What an installed package says its licence is; "" = nothing, or it is not installed here."""
    try:
        told: Any = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return KNOWN.get(name, "")
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in told.get_all("Classifier") or []
        if line.startswith("License ::")
    ]
    text = (
        told.get("License-Expression") or "; ".join(classifiers) or (told.get("License") or "").strip()[:80]
    )
    return text or KNOWN.get(name, "")


def node_licences(part: str) -> Iterator[tuple[str, str]]:
    """Every package of a package-lock.json with its licence."""
    packages: dict[str, Any] = json.loads((ROOT / part / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if path:
            yield path.removeprefix("node_modules/"), str(package.get("license", ""))


def licences(stage: Stage | None = None) -> Told:
    """Every pinned package: a licence is known, and it is no GPL or AGPL."""
    looked = 0
    for name in sorted({*pinned("requirements.lock"), *pinned("requirements-dev.lock")}):
        licence = licence_of(name)
        if not licence:
            expect(_is_for_other_systems(name), f"{name}: no licence is known")
            continue
        expect(not COPYLEFT.search(licence), f"{name} is under {licence}")
        looked += 1
    for part in NODE_PARTS:
        for name, licence in node_licences(part):
            expect(bool(licence), f"{part}: {name}: no licence is known")
            expect(not COPYLEFT.search(licence), f"{part}: {name} is under {licence}")
            looked += 1
    return Told(looked, "every licence is known, none is GPL or AGPL")


def _is_for_other_systems(name: str) -> bool:
    """Pinned for another platform or Python, so not installed here."""
    texts = [(ROOT / lock).read_text() for lock in ("requirements.lock", "requirements-dev.lock")]
    return any(re.search(rf"^{re.escape(name)}==\S+ ; ", text, re.MULTILINE) for text in texts)


def python_packages(stage: Stage) -> Told:
    """pip-audit over the lock file, in an environment of its own."""
    lock = ROOT / "requirements.lock"
    with tempfile.TemporaryDirectory() as directory:
        python = Path(directory) / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", directory], check=True, timeout=300)
        got = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "pip-audit"],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if got.returncode:
            raise NotTried(f"pip-audit can't be installed here: {_last(got.stderr)}")
        command = [
            str(python),
            "-m",
            "pip_audit",
            "--disable-pip",
            "--require-hashes",
            "-r",
            str(lock),
            "-f",
            "json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise NotTried(f"the advisories can't be asked for here: {_last(done.stderr)}") from None
    bad = [
        f"{entry['name']} {entry['version']}: {entry['vulns'][0]['id']}"
        for entry in found
        if entry.get("vulns")
    ]
    expect(not bad, f"known to be vulnerable: {', '.join(bad)}")
    return Told(len(found), "no advisory for any pinned version")


def node_packages(stage: Stage) -> Told:
    """npm audit over what the dashboard, the tracker and the address data are built from."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotTried("npm is not installed")
    looked = 0
    for part in NODE_PARTS:
        command = [npm, "audit", "--json", "--prefix", str(ROOT / part), "--package-lock-only"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        try:
            found = json.loads(done.stdout)
            counts = found["metadata"]["vulnerabilities"]
        except (ValueError, KeyError):
            raise NotTried(
                f"{part}: the registry does not answer: {_last(done.stdout + done.stderr)}"
            ) from None
        expect(not counts["high"] + counts["critical"], f"{part}: {sorted(found.get('vulnerabilities', {}))}")
        looked += found["metadata"]["dependencies"]["total"]
    return Told(looked, "no advisory of high or critical severity")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip(" {}")]
    return lines[-1][:160] if lines else "no answer"


ATTACKS: Final = (
    Attack("supply/licences", "the licence of every pinned package", licences, offline=True),
    Attack(
        "supply/pip-audit",
        "advisories for the pinned Python packages",
        python_packages,
        quick=False,
        offline=True,
    ),
    Attack(
        "supply/npm-audit", "advisories for the pinned npm packages", node_packages, quick=False, offline=True
    ),
)
