"""System commands, with errors that say what was tried."""

from __future__ import annotations

import subprocess
from typing import Final

DEADLINE_S: Final = 60.0


class RigError(Exception):
    """Something of the rig could not be set up, broken or put right: no verdict about the product."""


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Raises RigError when it fails, unless `check` is off, or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    except FileNotFoundError:
        raise RigError(f"{command[0]} is not installed") from None
    if check and done.returncode:
        raise RigError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done


def output(*command: str) -> str:
    """What a command says."""
    return run(*command).stdout
