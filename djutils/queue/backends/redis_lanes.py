"""The lanes of a RedisQueue; each operation is one script."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any

from djutils.queue.backends.lanes import (
    MOST_COUNTED,
    MOST_HOLDERS,
    microseconds,
    stored_lane,
    stored_name,
)
from djutils.queue.backends.redis_dead import text_of
from djutils.queue.backends.redis_lending import RedisLending, error_bytes
from djutils.queue.backends.redis_looking import moment_of_score
from djutils.queue.message import Envelope, Lane, LaneSnapshot, Rejection, Retrial

_MOST_AT_ONCE = 200
"""Most messages to send, or lanes to look at, in one script: all other clients wait meanwhile."""


class RedisLaning(RedisLending):
    """The methods for lanes."""

    supports_lanes = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._swept_to = b""

    def send_in_lanes(self, sent: Sequence[tuple[Envelope, Lane]]) -> None:
        fields = [_fields(envelope, stored_lane(lane)) for envelope, lane in sent]
        for at in range(0, len(fields), _MOST_AT_ONCE):
            self._run("send_lanes", *chain.from_iterable(fields[at : at + _MOST_AT_ONCE]))

    def settle_in_lanes(
        self,
        owner: int,
        done: Collection[str] = (),
        retrials: Sequence[Retrial] = (),
        rejections: Sequence[Rejection] = (),
    ) -> set[str]:
        fields: Iterator[tuple[object, ...]] = chain(
            (
                ("retry", id, microseconds(delay), charge, error_bytes(error))
                for id, delay, error, charge in retrials
            ),
            (("reject", id, 0, charge, error_bytes(error)) for id, error, charge in rejections),
        )
        args = [*done, *chain.from_iterable(fields)]
        if not args:
            return set()
        late = self._run("settle_lanes", owner, len(done), *args)
        ids = {*done, *(retrial.id for retrial in retrials), *(rejection.id for rejection in rejections)}
        return ids.difference(map(bytes.decode, late))

    def bring_back(self, error: str, count: int = 500) -> int:
        brought, begins = 0, error_bytes(error)
        for key in ("delayed", "later"):
            more, place = True, (b"", 0)
            while more and brought < count:
                args = (key, begins, _MOST_AT_ONCE, count - brought)
                found, more, *place = self._run("bring_back", *args, *place)
                brought += found
        return brought

    def start_in_lanes(self, owner: int, ids: Collection[str]) -> set[str]:
        return set(map(bytes.decode, self._run("start_lanes", owner, *ids))) if ids else set()

    def admit(self, names: Collection[str]) -> int:
        return int(self._run("admit", *map(stored_name, names))) if names else 0

    def sweep_lanes(self, most: int = 1000) -> int:
        admitted = 0
        for _ in range(0, most, _MOST_AT_ONCE):
            self._swept_to, some = self._run("sweep_lanes", self._swept_to, min(most, _MOST_AT_ONCE))
            admitted += some
            if not self._swept_to:
                break
        return admitted

    def lanes(self, *, after: str = "", count: int = 100) -> list[LaneSnapshot]:
        found: list[LaneSnapshot] = []
        while (wanted := min(count - len(found), _MOST_AT_ONCE)) > 0:
            rows = self._run("peek_lanes", after, wanted, MOST_HOLDERS)
            found += map(_lane_snapshot, rows)
            if len(rows) < wanted:
                break
            after = found[-1].name
        return found


def _lane_snapshot(row: list[Any]) -> LaneSnapshot:
    name, width, pace, burst, opens, waiting, admitted, ids = row
    return LaneSnapshot(
        text_of(name),
        width,
        pace / 1e6,
        burst,
        min(waiting, MOST_COUNTED),
        min(admitted, MOST_COUNTED),
        tuple(map(text_of, ids)),
        moment_of_score(opens) if opens else None,
    )


def fields_of(lane: Lane) -> tuple[object, ...]:
    """Return a stored lane as the scripts take it."""
    return lane.name, lane.width, microseconds(lane.pace), lane.burst, int(lane.ordered)


def _fields(envelope: Envelope, lane: Lane) -> tuple[object, ...]:
    id, data, delay, priority = envelope
    return id, data, microseconds(delay), priority, *fields_of(lane)
