"""The lanes of a RedisQueue; each operation is one script."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Any

from djutils.queue.backends.lanes import microseconds, stored_lane, stored_name
from djutils.queue.message import Envelope, Lane, Rejection, Retrial

_MOST_AT_ONCE = 200
"""Most messages to send, or lanes to look at, in one script: all other clients wait meanwhile."""


class RedisLanes:
    """Sends to lanes, settles and sweeps; ``run`` runs a script on the keys of one queue."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self._swept_to = b""

    def send(self, sent: Sequence[tuple[Envelope, Lane]]) -> None:
        """Send in parts: if one fails, those before it were sent."""
        fields = [_fields(envelope, stored_lane(lane)) for envelope, lane in sent]
        for at in range(0, len(fields), _MOST_AT_ONCE):
            self._run("send_lanes", *chain.from_iterable(fields[at : at + _MOST_AT_ONCE]))

    def settle(
        self,
        owner: int,
        done: Collection[str],
        retrials: Sequence[Retrial],
        rejections: Sequence[Rejection],
    ) -> set[str]:
        """Return the ids that were the owner's."""
        fields: Iterator[tuple[object, ...]] = chain(
            (
                ("retry", id, microseconds(delay), charge, _bytes(error))
                for id, delay, error, charge in retrials
            ),
            (("reject", id, 0, charge, _bytes(error)) for id, error, charge in rejections),
        )
        args = [*done, *chain.from_iterable(fields)]
        if not args:
            return set()
        late = self._run("settle_lanes", owner, len(done), *args)
        ids = {*done, *(retrial.id for retrial in retrials), *(rejection.id for rejection in rejections)}
        return ids.difference(map(bytes.decode, late))

    def start(self, owner: int, ids: Collection[str]) -> set[str]:
        """Return which of ``ids`` may start now."""
        return set(map(bytes.decode, self._run("start_lanes", owner, *ids))) if ids else set()

    def admit(self, names: Collection[str]) -> int:
        """Return how many were admitted."""
        return int(self._run("admit", *map(stored_name, names))) if names else 0

    def sweep(self, most: int) -> int:
        """Look at up to ``most`` lanes, some at a time; return how many messages were admitted."""
        admitted = 0
        for _ in range(0, most, _MOST_AT_ONCE):
            self._swept_to, some = self._run("sweep_lanes", self._swept_to, min(most, _MOST_AT_ONCE))
            admitted += some
            if not self._swept_to:
                break
        return admitted


def _fields(envelope: Envelope, lane: Lane) -> tuple[object, ...]:
    id, data, delay, priority = envelope
    return (
        *(id, data, microseconds(delay), priority),
        *(lane.name, lane.width, microseconds(lane.pace), lane.burst, int(lane.ordered)),
    )


def _bytes(error: str) -> bytes:
    return error.encode(errors="backslashreplace")
