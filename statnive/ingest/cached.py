"""What the metrics tell of the bounded caches in front of costly answers."""

from __future__ import annotations

from functools import _lru_cache_wrapper
from typing import Any


class Cached:
    """Hits and misses of the caches that the class put into `_caches`, since they were last emptied."""

    _caches: tuple[_lru_cache_wrapper[Any], ...]

    @property
    def hits(self) -> int:
        """Answers from a cache."""
        return sum(cache.cache_info().hits for cache in self._caches)

    @property
    def misses(self) -> int:
        """Answers that had to be worked out."""
        return sum(cache.cache_info().misses for cache in self._caches)
