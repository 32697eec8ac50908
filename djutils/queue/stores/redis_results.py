"""The results of a RedisQueue, many to a hash: setting one is a third of the work of a key with its own life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import Store, looked_up, milliseconds, parts, slices


class RedisResults(Store):
    """Keeps each record in a hash with those of the calls of the same quarter of a second that are kept equally long.

    A call's id begins with when it was made. Redis removes a hash when its life is over, which starts again with each
    record that is added: a record is kept for its time to live at least, and until the last of its hash ends.
    ``run`` runs a script of the queue; it raises ``BackendError``. Values are set in parts of 500 keys or 2 MiB, each of
    which is atomic.
    """

    def __init__(self, name: str, run: Callable[..., Any]) -> None:
        super().__init__(name)
        self._run = run

    def stored_key(self, key: str) -> str:
        return super().stored_key(key).removeprefix(super().stored_key(""))

    def _get(self, keys: list[str]) -> dict[str, bytes]:
        return looked_up(keys, lambda some: self._run("results_get", *some))

    def _set(self, values: dict[str, bytes], ttl: float) -> None:
        for part in parts(values):
            self._run("results_set", milliseconds(ttl), *(word for pair in part.items() for word in pair))

    def _add(self, key: str, value: bytes, ttl: float) -> bool:
        return bool(self._run("results_add", milliseconds(ttl), key, value))

    def _increment(self, key: str, by: int, ttl: float) -> int:
        return int(self._run("results_increment", milliseconds(ttl), key, by))

    def _delete(self, keys: list[str]) -> int:
        return sum(int(self._run("results_delete", *some)) for some in slices(keys))
