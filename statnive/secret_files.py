"""Files whose content is a secret: nobody but their owner may read them, or the start is refused."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from statnive.errors import BrokenInput

_OF_OTHERS = 0o077


def refuse_if_open(file: Path, *, group_may_read: bool = False) -> None:
    """Raises BrokenInput when others can read or change the file; a file that is missing is not open.

    `group_may_read`: a key that the system hands to a group of services (ssl-cert, systemd credentials).
    """
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BrokenInput(f"{file} can't be looked at: {error.strerror}") from None
    forbidden = _OF_OTHERS & ~0o040 if group_may_read else _OF_OTHERS
    if mode & forbidden:
        wanted = "640" if group_may_read else "600"
        raise BrokenInput(
            f"{file} has mode {mode:03o}: others could read or change a secret; run: chmod {wanted} {file}"
        )


def load_or_create_key(file: Path, key_bytes: int) -> bytes:
    """The random key of a file (0600), made at the first call. Raises BrokenInput: open to others, damaged."""
    refuse_if_open(file)
    try:
        if not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(secrets.token_bytes(key_bytes))
                out.flush()
                os.fsync(out.fileno())
        key = file.read_bytes()
    except OSError as error:
        raise BrokenInput(f"{file} can't be used: {error.strerror}") from None
    if len(key) != key_bytes:
        raise BrokenInput(
            f"{file} has {len(key)} bytes and must have {key_bytes}; move it away and start again"
        )
    return key
