"""Checks what an authenticator signed (WebAuthn Level 2, §7.1 and §7.2), by the library `webauthn`. Pure.

Owns:       nothing. Inputs: the JSON of a credential as a browser made it; what it has to be for. Outputs: NewKey, or a
            new counter.
Invariants: I1 an answer counts only for the challenge, the origin and the host that it was asked for, and only when the
            person was verified (a finger, a face, a PIN); I2 a counter that did not go up is refused, where the
            authenticator counts; I3 the library and the cryptography below it are loaded with the first check and not
            before: a node without passkeys does not carry them.
Failure:    Rejected, whatever the library says: the bytes come from outside.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs
import msgspec

from statnive.control.passkeys import NewKey, Passkey
from statnive.errors import Rejected

T = TypeVar("T")
# EdDSA, ES256, RS256: what every authenticator of today has one of.
ALGORITHMS: Final = (-8, -7, -257)


@attrs.frozen
class Place:
    """Where a key is made and used: the page's origin, and its host (the RP id)."""

    origin: str
    host: str


class _ClientData(msgspec.Struct):
    challenge: str
    crossOrigin: bool = False  # noqa: N815 - WebAuthn's name


def told(credential: dict[str, Any]) -> tuple[bytes, bytes]:
    """(credential id, challenge) as the browser says them; nothing is checked yet. Raises Rejected."""
    try:
        data = msgspec.json.decode(from_base64(credential["response"]["clientDataJSON"]), type=_ClientData)
        found = from_base64(credential["rawId"]), from_base64(data.challenge)
    except (KeyError, TypeError, ValueError, RecursionError):  # DecodeError is a ValueError
        raise _unfit() from None
    if data.crossOrigin:  # a frame in another site's page
        raise _unfit()
    return found


def registered(credential: dict[str, Any], challenge: bytes, place: Place) -> NewKey:
    """The key that was made for `place`. Raises Rejected."""

    def check() -> NewKey:
        from webauthn import verify_registration_response  # keeps I3

        found = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            require_user_verification=True,
        )
        return NewKey(found.credential_id, found.credential_public_key, found.sign_count)

    return _checked(check)


def signed(credential: dict[str, Any], challenge: bytes, place: Place, passkey: Passkey) -> int:
    """The counter of an answer that `passkey` signed at `place`. Raises Rejected."""

    def check() -> int:
        from webauthn import verify_authentication_response  # keeps I3

        found = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=place.host,
            expected_origin=place.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
        return found.new_sign_count

    if passkey.host != place.host or from_base64(credential["response"].get("userHandle")) != passkey.handle:
        raise _unfit()
    return _checked(check)


def to_base64(raw: bytes) -> str:
    """Bytes as WebAuthn's JSON has them: base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64(text: object) -> bytes:
    """The bytes of to_base64's text. Raises Rejected."""
    if not isinstance(text, str):
        raise _unfit()
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unfit() from None


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except Exception as error:  # of the library or of what it is built on: there is no list of them
        is_told = type(error).__module__.startswith("webauthn")
        raise _unfit(str(error)[:200] if is_told else "") from error


def _unfit(why: str = "") -> Rejected:
    return Rejected("passkey", f"does not fit{f' ({why})' if why else ''}; try again")
