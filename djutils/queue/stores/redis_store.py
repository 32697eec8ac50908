"""The store beside a RedisQueue: plain keys of the same server, which removes them when they expire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import Store, looked_up, milliseconds, parts, slices

_SET_AT_ONCE = 50
"""Few, because the client remembers the keys that scripts were called with."""


class RedisStore(Store):
    """Keeps each value as a string of Redis or Valkey; the keys begin with ``prefix``, which has the hash slot.

    ``run`` runs a script on keys, ``call`` a command; both raise ``BackendError``. Values are set in parts of
    50 keys or 2 MiB, each of which is atomic.
    """

    def __init__(self, name: str, prefix: str, run: Callable[..., Any], call: Callable[..., Any]) -> None:
        super().__init__(name)
        self._prefix = prefix
        self._run = run
        self._call = call

    def stored_key(self, key: str) -> str:
        return self._prefix + super().stored_key(key)

    def _get(self, keys: list[str]) -> dict[str, bytes]:
        return looked_up(keys, lambda some: self._call("MGET", *some))

    def _set(self, values: dict[str, bytes], ttl: float) -> None:
        for part in parts(values, _SET_AT_ONCE):
            self._run("store_set", tuple(part), (milliseconds(ttl), *part.values()))

    def _add(self, key: str, value: bytes, ttl: float) -> bool:
        return self._call("SET", key, value, "NX", "PX", milliseconds(ttl)) is not None

    def _increment(self, key: str, by: int, ttl: float) -> int:
        return int(self._run("store_increment", (key,), (by, milliseconds(ttl))))

    def _delete(self, keys: list[str]) -> int:
        return sum(int(self._call("UNLINK", *some)) for some in slices(keys))
