"""Certificates for tests and attacks, made by the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """A self-signed certificate for localhost and 127.0.0.1, and its key (0600)."""

    certificate: Path
    key: Path

    def settings(self, listen: str = "127.0.0.1:0") -> dict[str, str]:
        """What a node is told to serve TLS with it."""
        return {
            "STATNIVE_SERVER_TLS_LISTEN": listen,
            "STATNIVE_SERVER_TLS_CERTIFICATE": str(self.certificate),
            "STATNIVE_SERVER_TLS_KEY": str(self.key),
        }

    def client(self, *alpn: str) -> ssl.SSLContext:
        """A context that trusts this certificate alone."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def make_pair(directory: Path, name: str = "tls", *, passphrase: str = "") -> Pair:
    """Write `name`.crt and `name`.key into the directory."""
    pair = Pair(directory / f"{name}.crt", directory / f"{name}.key")
    secret = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *secret,
        "-keyout", str(pair.key), "-out", str(pair.certificate), "-days", "3650", "-subj", f"/CN={name}",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    pair.key.chmod(0o600)
    return pair
