"""Identity: who is the same visitor today, and nothing that lasts longer.

visitor = BLAKE3-128(daily_salt || address || user agent); daily_salt = HMAC-SHA256(key_of_date, site || date).
key_of_date is a one-way ratchet: each date's key is derived from the day before's, so that once a key is erased
nobody, the operator with the disk included, can compute that day's hashes again.
"""

from __future__ import annotations

import hmac
from datetime import date, timedelta

from blake3 import blake3

KEY_BYTES = 32
VISITOR_BYTES = 16
_EPOCH = date(1970, 1, 1)
_RATCHET_CONTEXT = "statnive 2026 daily ratchet of the master secret"


def next_key(key: bytes) -> bytes:
    """The key of the following date. One-way (BLAKE3 in its key-derivation mode)."""
    assert len(key) == KEY_BYTES
    return blake3(key, derive_key_context=_RATCHET_CONTEXT).digest(KEY_BYTES)


def daily_salt(key: bytes, site_id: int, day: int) -> bytes:
    """The salt of a site on one of its local dates; `day` counts from 1970-01-01. Never persisted."""
    text = f"{site_id}|{(_EPOCH + timedelta(days=day)).isoformat()}"
    return hmac.digest(key, text.encode("ascii"), "sha256")


def visitor_hash(salt: bytes, network: bytes, user_agent: bytes) -> bytes:
    """16 bytes; `network` is the packed address (IPv6: its /64)."""
    return blake3(salt + network + user_agent).digest(VISITOR_BYTES)
