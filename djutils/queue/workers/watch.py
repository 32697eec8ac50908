"""Judging which owners are alive from their counters, counting only time in which the counters were watched."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Watch(Generic[Key]):
    """Measures for how long each counter has not advanced.

    Only watched time counts: of the time between two looks, at most ``longest_gap`` seconds. A process
    that was disconnected or frozen for an hour has not seen any counter stand still for that hour; one that
    is disconnected every few seconds still reaches a verdict.
    """

    def __init__(self, longest_gap: float) -> None:
        self._longest_gap = longest_gap
        self._watched = 0.0
        self._looked_at: float | None = None
        self._seen: dict[Key, tuple[float, float]] = {}

    def look(self, counters: Mapping[Key, float], now: float) -> None:
        """Record the values of the counters, ``now`` by the monotonic clock."""
        if self._looked_at is not None:
            self._watched += min(max(0.0, now - self._looked_at), self._longest_gap)
        self._looked_at = now
        for key, count in counters.items():
            if key not in self._seen or self._seen[key][0] != count:
                self._seen[key] = (count, self._watched)
        for key in self._seen.keys() - counters.keys():
            del self._seen[key]

    def stood_still(self, key: Key) -> float:
        """Return for how many watched seconds the counter of ``key`` has not advanced; 0 if it was never seen."""
        if key not in self._seen:
            return 0.0
        return self._watched - self._seen[key][1]
