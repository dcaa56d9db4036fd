"""The unit and the container file say what docs/security.md promises of them."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

import click

from statnive.cli import cli

DEPLOY = Path(__file__).parents[1] / "deploy"
UNIT = DEPLOY / "statnive.service"
EXPOSURE_MAX = 20  # in tenths, of systemd-analyze; an unhardened service has 96


def unit() -> dict[str, list[str]]:
    """The settings of [Service]; each may be given several times."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            name, given, value = line.partition("=")
            assert given, line
            found[name].append(value)
    return found


def test_the_unit_takes_away_what_statnive_does_not_need() -> None:
    settings = unit()
    wanted = {
        "User": "statnive",
        "UMask": "0077",
        "StateDirectoryMode": "0700",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "ProtectKernelTunables": "yes",
        "ProtectKernelModules": "yes",
        "ProtectControlGroups": "yes",
        "RestrictNamespaces": "yes",
        "RestrictSUIDSGID": "yes",
        "LockPersonality": "yes",
        "SystemCallArchitectures": "native",
        "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE",
    }
    assert {name: settings[name] for name in wanted} == {name: [value] for name, value in wanted.items()}
    assert set(settings["RestrictAddressFamilies"][0].split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}


def test_systemd_itself_finds_little_that_the_service_may_do() -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr
    assert "Overall exposure level" in done.stdout


def test_the_commands_of_unit_and_container_are_ones_that_statnive_knows() -> None:
    entry = instructions()["ENTRYPOINT"][-1] + instructions()["CMD"][-1]
    for line in (unit()["ExecStart"][0], " ".join(re.findall(r'"([^"]+)"', entry))):
        binary, command, *options = shlex.split(line)
        assert binary.endswith("/statnive")
        known = cli.commands[command]
        assert isinstance(known, click.Command)
        names = {name for parameter in known.params for name in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= names


def instructions() -> dict[str, list[str]]:
    """The instructions of the last stage, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    found: dict[str, list[str]] = defaultdict(list)
    for line in lines[last:]:
        name, _, value = line.partition(" ")
        found[name].append(value)
    return found


def test_the_container_runs_as_a_user_without_rights_and_holds_no_build_tools() -> None:
    told = instructions()
    assert told["USER"] == ["10001:10001"]
    assert not [line for line in told["RUN"] if re.search(r"apt|curl|wget|sudo|chmod [0-7]*7", line)]
    assert "COPY" in told
    assert all("--from=build" in line for line in told["COPY"])  # nothing of this checkout but the wheel
    assert "ADD" not in told
    assert "PYTHONDONTWRITEBYTECODE=1" in told["ENV"][0]  # nothing to write beside the data directory
    assert "HEALTHCHECK" in told
    assert not re.search(r"(?i)password|secret|token", (DEPLOY / "Containerfile").read_text())
    assert ":latest" not in (DEPLOY / "Containerfile").read_text()
    assert "--require-hashes" in (DEPLOY / "Containerfile").read_text()


def test_compose_keeps_the_root_file_system_read_only_and_drops_every_capability() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    for line in ("read_only: true", 'user: "10001:10001"', "- no-new-privileges:true", "pids_limit: 1024"):
        assert re.search(rf"^\s+{re.escape(line)}$", text, re.MULTILINE), line
    assert re.search(r"cap_drop:\n\s+- ALL\n", text)
    assert "privileged" not in text.replace("no-new-privileges", "")
    assert '- "127.0.0.1:8080:8080"' in text  # a reverse proxy, or a decision, comes before the world
