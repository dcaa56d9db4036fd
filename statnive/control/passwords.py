"""Passwords and one-time codes: argon2id hashes, TOTP (RFC 6238) and recovery codes. Pure; hashing takes its time.

Owns: nothing. Inputs: what a person types. Outputs: what is kept of it, and whether the two fit.
Invariants: I1 no password is kept, only its argon2id hash with a salt of its own; I2 a check against no account costs
what one against an account costs; I3 a TOTP code is good once: its step must be later than the last one taken.
Failure: Rejected naming `password`. Shutdown: nothing to do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import os
from typing import Final
from urllib.parse import quote

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from statnive.errors import Rejected

PASSWORD_CHARS_MIN: Final = 10
PASSWORD_CHARS_MAX: Final = 200  # no more: a longer one costs more to hash than it adds
SECRET_BYTES: Final = 32
TOTP_SECRET_BYTES: Final = 20
TOTP_STEP_S: Final = 30
TOTP_DIGITS: Final = 6
TOTP_STEPS_BESIDE: Final = 1  # a clock may be half a minute off either way
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10


class Hasher:
    """argon2id with given costs. Blocks for about 100 ms with the defaults of [auth]: call it in a thread."""

    def __init__(self, *, memory_kib: int, passes: int) -> None:
        self._argon2 = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        salt, tag = _base64(os.urandom(16)), _base64(os.urandom(32))
        self._nobodys = f"$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${tag}"  # keeps I2

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        return self._argon2.hash(password)

    def fits(self, kept: str, password: str) -> bool:
        """Whether the password is the one kept; "" fits none and takes as long to say so."""
        try:
            found = self._argon2.verify(kept or self._nobodys, password[: PASSWORD_CHARS_MAX + 1])
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False
        return bool(kept) and found

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made at other costs than today's."""
        return self._argon2.check_needs_rehash(kept)


def check_new_password(password: str, email: str = "") -> None:
    """Raises Rejected for one that is too short, too long, of one character, or the e-mail itself."""
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise Rejected("password", f"has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")
    if len(set(password)) < 4:
        raise Rejected("password", "has at least 4 different characters")
    if email and password.casefold() == email.casefold():
        raise Rejected("password", "must not be the e-mail address")


def new_secret() -> str:
    """256 random bits as text: a session's id, a setup link, a shared link."""
    return _base64(os.urandom(SECRET_BYTES), url=True)


def digest_of(secret: str) -> bytes:
    """What is kept of a secret: random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def csrf_token(secret: str) -> str:
    """The token that a page sends along with a change: derived from the session's id, which scripts can't read."""
    return hmac.new(secret.encode(), b"statnive csrf", hashlib.sha256).hexdigest()[:32]


def totp_code(secret: bytes, step: int) -> str:
    """The code of a step. Source: RFC 4226 §5.3, RFC 6238 §4."""
    mac = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**TOTP_DIGITS:0{TOTP_DIGITS}d}"


def totp_step(secret: bytes, code: str, now_s: float, last_step: int) -> int | None:
    """The step whose code this is, None when it is of none that is allowed now, or was used before (I3)."""
    typed = code.replace(" ", "")
    now = int(now_s) // TOTP_STEP_S
    found = None
    for step in range(now - TOTP_STEPS_BESIDE, now + TOTP_STEPS_BESIDE + 1):
        if hmac.compare_digest(totp_code(secret, step).encode(), typed.encode("utf-8", "replace")):
            found = step
    return found if found is not None and found > last_step else None


def totp_uri(secret: bytes, email: str, issuer: str = "statnive") -> str:
    """What an authenticator app reads, as text or as a QR code."""
    label = quote(f"{issuer}:{email}")
    return f"otpauth://totp/{label}?secret={base32(secret)}&issuer={quote(issuer)}"


def totp_qr(uri: str) -> str:
    """The QR code of totp_uri's text, as SVG: dark on light whatever the page is, so that cameras find it."""
    from segno import make  # takes 30 ms to load, for the few who set up codes

    out = io.BytesIO()
    make(uri, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, border=4, dark="#000", light="#fff", omitsize=True
    )
    return out.getvalue().decode()


def base32(secret: bytes) -> str:
    """A secret as people type it."""
    return base64.b32encode(secret).decode().rstrip("=")


def new_recovery_codes() -> list[str]:
    """Ten codes of 80 bits, in groups of four."""
    codes = [base64.b32encode(os.urandom(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


def recovery_digest(code: str) -> bytes:
    """What is kept of a recovery code, however it is spaced."""
    return digest_of("".join(c for c in code.lower() if c.isalnum()))


def _base64(raw: bytes, *, url: bool = False) -> str:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return encode(raw).decode().rstrip("=")
