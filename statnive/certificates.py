"""The TLS certificate and its key: read, checked, and read again while the node runs.

Owns:       the SSLContext of the pair that was read last and fits.
Inputs:     two PEM files: the certificate with its chain, and the private key (0600, or 0640 for a group's).
Outputs:    `context`, for each new connection. TLS 1.2 and 1.3, forward secrecy and AEAD only, ALPN h2 and http/1.1.
Invariants: I1 a pair that can't be used leaves the old one in use; I2 a key that others can read is never used.
Failure:    BrokenInput that names the file and what is wrong with it, at first load and from `reload`.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

from statnive.errors import BrokenInput
from statnive.secret_files import refuse_if_open

ALPN: Final = ("h2", "http/1.1")
# TLS 1.2 as Mozilla's "intermediate" has it: ECDHE, and AES-GCM or ChaCha20. Those of TLS 1.3 are all good.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Certificate:
    """See the module's contract."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._seen = self.stamps()
        self.context = make_context(certificate, key)

    def stamps(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What tells one state of the files from another."""
        return _stamp(self._certificate), _stamp(self._key)

    def changed(self) -> bool:
        """Whether a file differs from what was last read or tried."""
        return self.stamps() != self._seen

    def reload(self) -> None:
        """Read the pair again, for connections that come from now on. Raises BrokenInput (keeps I1)."""
        self._seen = self.stamps()
        self.context = make_context(self._certificate, self._key)


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context. Raises BrokenInput: a file is missing, no PEM, encrypted, open to others, or no pair."""
    refuse_if_open(key, group_may_read=True)  # keeps I2
    for name, file in (("certificate", certificate), ("key", key)):
        try:
            text = file.read_bytes()
        except OSError as error:
            raise BrokenInput(f"TLS {name} {file} can't be read: {error.strerror}") from None
        if b"-----BEGIN " not in text:
            raise BrokenInput(f"TLS {name} {file} is not PEM (it begins with -----BEGIN …)")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(list(ALPN))
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _Encrypted:
        raise BrokenInput(f"TLS key {key} is encrypted; give one without a passphrase (0600)") from None
    except ssl.SSLError as error:
        wrong = f"TLS certificate {certificate} and key {key} can't be used"
        if error.reason == "KEY_VALUES_MISMATCH":
            wrong = f"TLS key {key} does not belong to the certificate {certificate}"
        raise BrokenInput(f"{wrong} ({error.reason or error.strerror})") from None
    return context


class _Encrypted(Exception):  # noqa: N818 - what OpenSSL asks for, not what went wrong
    """OpenSSL asked for a passphrase."""


def _no_password() -> str:
    raise _Encrypted


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = os.stat(path)  # follows links: certbot's "live" files are links that it turns round
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
