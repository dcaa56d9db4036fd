"""An authenticator in software, for tests: makes passkeys and signs with them as WebAuthn Level 2 says, or as told."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import attrs
import cbor2
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from statnive.control.passkey_check import from_base64, to_base64

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@attrs.define
class Authenticator:
    """One key on one device. `counter` None = it does not count, as those of phones and laptops."""

    origin: str
    host: str
    counter: int | None = None
    credential: bytes = attrs.field(factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = attrs.field(factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: bytes = b""

    def create(
        self, options: dict[str, Any], *, flags: int = PRESENT | VERIFIED, **changed: Any
    ) -> dict[str, Any]:
        """The credential that `navigator.credentials.create` gives. `changed`: other client data than it should be."""
        self.handle = from_base64(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential + cbor2.dumps(cose)
        data = self._data(flags | ATTESTED) + attested
        client = self._client("webauthn.create", options["challenge"], changed)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._json({"clientDataJSON": client, "attestationObject": attestation})

    def get(
        self, options: dict[str, Any], *, flags: int = PRESENT | VERIFIED, **changed: Any
    ) -> dict[str, Any]:
        """The credential that `navigator.credentials.get` gives."""
        if self.counter is not None:
            self.counter += 1
        data = self._data(flags)
        client = self._client("webauthn.get", options["challenge"], changed)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._json(
            {
                "clientDataJSON": client,
                "authenticatorData": data,
                "signature": signature,
                "userHandle": self.handle,
            }
        )

    def _data(self, flags: int) -> bytes:
        return (
            hashlib.sha256(self.host.encode()).digest()
            + bytes([flags])
            + (self.counter or 0).to_bytes(4, "big")
        )

    def _client(self, kind: str, challenge: str, changed: dict[str, Any]) -> bytes:
        return msgspec.json.encode({"type": kind, "challenge": challenge, "origin": self.origin, **changed})

    def _json(self, response: dict[str, bytes]) -> dict[str, Any]:
        return {
            "id": to_base64(self.credential),
            "rawId": to_base64(self.credential),
            "type": "public-key",
            "response": {name: to_base64(value) for name, value in response.items()},
        }
