"""A store in one of Django's caches. A cache may forget: it is for what can be done again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.base import BaseCache

from djutils.queue.exceptions import BackendUnavailable, ConfigurationError, QueueException

from .base import Store, as_bytes

_TRIES = 10


class CacheStore(Store):
    """Keeps values in the cache ``alias`` of ``CACHES``.

    **A cache may forget**: it drops keys when it is full, when it restarts, and when ``cache.clear()`` is called. Then
    ``get`` finds nothing, ``add`` adds again, and a counter starts at 0. Use it for what may be lost.

    A time to live is rounded up to whole seconds, because some caches know no others. ``add`` is as atomic as the
    cache: Redis, Memcached, the database and local memory are, files and the dummy cache are not. ``increment``
    needs a cache that counts by itself (Redis, Memcached, local memory), and raises ``ConfigurationError`` for
    others. Memcached has no counters below 0.
    """

    def __init__(self, name: str, alias: str = "default") -> None:
        super().__init__(name)
        self.alias = alias

    def stored_key(self, key: str) -> str:
        # Memcached takes neither blanks nor long keys.
        return f"djutils:{hashlib.sha256(super().stored_key(key).encode()).hexdigest()}"

    def _get(self, keys: list[str]) -> dict[str, bytes]:
        with self._cache() as cache:
            return {key: as_bytes(value) for key, value in cache.get_many(keys).items()}

    def _set(self, values: dict[str, bytes], ttl: float) -> None:
        with self._cache() as cache:
            failed = cache.set_many(values, math.ceil(ttl))
        if failed:
            raise BackendUnavailable(
                f"The cache '{self.alias}' did not take {len(failed)} of {len(values)} values. Is its server up, and "
                f"does it take values of this size?"
            )

    def _add(self, key: str, value: bytes, ttl: float) -> bool:
        with self._cache() as cache:
            return bool(cache.add(key, value, math.ceil(ttl)))

    def _increment(self, key: str, by: int, ttl: float) -> int:
        with self._cache() as cache:
            if type(cache).incr is BaseCache.incr:
                raise ConfigurationError(
                    f"The cache '{self.alias}' ({type(cache).__name__}) cannot count atomically; nothing was "
                    f"changed. Use one in Redis, Memcached or local memory."
                )
            for _ in range(_TRIES):
                cache.add(key, 0, math.ceil(ttl))
                try:
                    return int(cache.incr(key, by))
                except ValueError:  # it has just expired
                    continue
        raise BackendUnavailable(
            f"The cache '{self.alias}' drops a counter as soon as it is made. Is it full?"
        )

    def _delete(self, keys: list[str]) -> int:
        with self._cache() as cache:
            return sum(bool(cache.delete(key)) for key in keys)

    @contextmanager
    def _cache(self) -> Iterator[BaseCache]:
        """Return the calling thread's cache, as a context that translates the errors of its driver."""
        try:
            yield caches[self.alias]
        except InvalidCacheBackendError as error:
            raise ConfigurationError(f"The cache '{self.alias}' is not one of CACHES: {error}") from error
        except QueueException:
            raise
        except Exception as error:
            # Django passes on whatever the driver raises, and none of it says what is an outage.
            raise BackendUnavailable(
                f"The cache '{self.alias}' failed with {type(error).__name__}: {error}. Is its server up?"
            ) from error
