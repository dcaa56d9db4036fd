"""Content-Encoding, both ways: what ClickHouse accepts and offers, as far as this environment has it."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from chaos.clickhouse_node.errors import DBError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

try:
    import lz4.frame as lz4  # type: ignore[import-untyped]
except ImportError:  # a dependency of clickhouse-connect's, before Python 3.14 only
    lz4 = None

# In the order in which ClickHouse prefers them.
_COMPRESS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "zstd": lambda body: zstd.compress(body, 1),
    **({"lz4": lz4.compress} if lz4 else {}),
    "gzip": lambda body: gzip.compress(body, 3),
    "deflate": lambda body: zlib.compress(body, 3),
}


class _Decompressor(Protocol):
    """What zlib's, lz4's and zstd's decompressors have in common."""

    eof: bool
    unused_data: bytes | None

    def decompress(self, data: Any, max_length: int = ..., /) -> bytes: ...


_DECOMPRESS: Final[dict[str, Callable[[], Any]]] = {
    "zstd": zstd.ZstdDecompressor,
    **({"lz4": lz4.LZ4FrameDecompressor} if lz4 else {}),
    "gzip": lambda: zlib.decompressobj(31),
    "deflate": zlib.decompressobj,
}


def choose(accept: str) -> str:
    """The encoding for an Accept-Encoding, "" for none: as ClickHouse, without regard to q-values."""
    return next((name for name in _COMPRESS if name in accept), "")


def compress(body: bytes, encoding: str) -> bytes:
    return _COMPRESS[encoding](body) if encoding else body


def decompress(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body that was sent with a Content-Encoding, which may be several frames. Raises DBError."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _DECOMPRESS:
        raise DBError(48, f"Unknown compression method '{encoding}'")
    output = bytearray()
    rest: bytes | None = body
    try:
        while rest:
            decompressor: _Decompressor = _DECOMPRESS[encoding]()
            output += decompressor.decompress(rest, bytes_max + 1)
            if len(output) > bytes_max:
                raise DBError(271, f"Cannot decompress: more than {bytes_max} bytes")
            if not decompressor.eof:
                raise DBError(271, f"Cannot decompress: the {encoding} data is cut")
            rest = decompressor.unused_data
    except (RuntimeError, zlib.error, zstd.ZstdError) as error:
        raise DBError(271, f"Cannot decompress: {error}") from error
    return bytes(output)
