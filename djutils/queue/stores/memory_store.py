"""The store beside a MemoryQueue: within one process, for tests."""

from __future__ import annotations

import threading
import time

from .base import Store, counted


class MemoryStore(Store):
    """Keeps values in this object; another object of the same name has others."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._lock = threading.RLock()
        self._kept: dict[str, tuple[bytes, float]] = {}
        """The value of each key, and when it expires, by the monotonic clock."""

    def clear(self) -> None:
        """Delete every key."""
        with self._lock:
            self._kept.clear()

    def _get(self, keys: list[str]) -> dict[str, bytes]:
        with self._lock:
            now = time.monotonic()
            kept = {key: self._kept[key] for key in keys if key in self._kept}
            return {key: value for key, (value, expires) in kept.items() if expires > now}

    def _set(self, values: dict[str, bytes], ttl: float) -> None:
        with self._lock:
            expires = time.monotonic() + ttl
            self._kept |= {key: (value, expires) for key, value in values.items()}

    def _add(self, key: str, value: bytes, ttl: float) -> bool:
        with self._lock:
            if new := not self._get([key]):
                self._set({key: value}, ttl)
            return new

    def _increment(self, key: str, by: int, ttl: float) -> int:
        with self._lock:
            self._add(key, b"0", ttl)
            value, expires = self._kept[key]
            count = counted(value, by)
            self._kept[key] = b"%d" % count, expires
            return count

    def _delete(self, keys: list[str]) -> int:
        with self._lock:
            there = self._get(keys)
            for key in there:
                del self._kept[key]
            return len(there)

    def remove_expired(self, count: int) -> int:
        with self._lock:
            now = time.monotonic()
            expired = [key for key, (_, expires) in self._kept.items() if expires <= now][:count]
            for key in expired:
                del self._kept[key]
            return len(expired)
