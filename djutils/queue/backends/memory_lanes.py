"""The lanes of a MemoryQueue: the readable reference implementation."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count as counter
from math import floor
from typing import ClassVar

from djutils.queue.message import Envelope, Lane, LaneSnapshot, Rejection, Retrial

from .lanes import HORIZON, MOST_COUNTED, MOST_HOLDERS, stored_lane, stored_name
from .leased import LeasedQueue
from .memory_messages import LaneClock, MemoryMessage, SharedQueue


class MemoryLanes(LeasedQueue):
    """The methods of a ``MemoryQueue`` for lanes."""

    supports_lanes = True
    _shared: SharedQueue
    _order: ClassVar[Iterator[int]] = counter()

    def send_in_lanes(self, sent: Sequence[tuple[Envelope, Lane]]) -> None:
        checked = [(envelope, stored_lane(lane)) for envelope, lane in sent]
        with self._shared.changed:
            new = {
                envelope.id: lane
                for envelope, lane in reversed(checked)
                if envelope.id not in self._shared.entries
            }
            self.send([envelope for envelope, _ in checked])
            for id, lane in new.items():
                entry = self._shared.entries[id]
                entry.lane, entry.arrived = lane.name, entry.order
            for _, lane in checked:
                self._shared.lanes.setdefault(lane.name, LaneClock(lane)).rule = lane
            self._admit_all({lane.name for _, lane in checked})

    def settle_in_lanes(
        self,
        owner: int,
        done: Collection[str] = (),
        retrials: Sequence[Retrial] = (),
        rejections: Sequence[Rejection] = (),
    ) -> set[str]:
        with self._shared.changed:
            entries, lanes = self._shared.entries, self._shared.lanes
            retried = self._lent(owner, [retrial.id for retrial in retrials])
            ours = self.ack(owner, done) | self.retry(owner, retrials) | self.reject(owner, rejections)
            for entry in retried:
                if (
                    entry.lane in lanes
                    and not lanes[entry.lane].rule.ordered
                    and entry.envelope.id in entries
                ):
                    entry.admitted = False
            self._admit_all()
            return ours

    def start_in_lanes(self, owner: int, ids: Collection[str]) -> set[str]:
        with self._shared.changed:
            now, starting = time.monotonic(), set[str]()
            for entry in self._lent(owner, ids):
                clock = self._shared.lanes.get(entry.lane)
                if clock is None:
                    starting.add(entry.envelope.id)
                    continue
                rule, base = clock.rule, max(clock.started, now)
                turn = base + (1 - rule.burst) * rule.pace
                if turn <= now:
                    clock.started = base + rule.pace
                    starting.add(entry.envelope.id)
                    continue
                turn += self._put_back(entry.lane) * rule.pace
                if turn - now > HORIZON:
                    # It waits in its lane again, and admission goes on from here: it was ahead of the starts.
                    entry.admitted, clock.admitted, turn = False, clock.started, now
                self._give_back(entry, turn - now)
            return starting

    def _put_back(self, lane: str) -> int:
        """Return how many messages of ``lane`` have been admitted and are to be lent later."""
        now = time.monotonic()
        entries = self._shared.entries.values()
        return sum(one.lane == lane and one.admitted and one.waits and one.due > now for one in entries)

    def admit(self, names: Collection[str]) -> int:
        with self._shared.changed:
            return self._admit_all(set(map(stored_name, names)))

    def sweep_lanes(self, most: int = 1000) -> int:
        with self._shared.changed:
            return self._admit_all()

    def lanes(self, *, after: str = "", count: int = 100) -> list[LaneSnapshot]:
        with self._shared.changed:
            of_lane: dict[str, list[MemoryMessage]] = {}
            for entry in self._shared.entries.values():
                if entry.lane > after and (entry.admitted or entry.waits_in_lane) and not entry.died:
                    of_lane.setdefault(entry.lane, []).append(entry)
            return [self._snapshot(name, of_lane[name]) for name in sorted(of_lane)[: max(count, 0)]]

    def _snapshot(self, name: str, entries: Sequence[MemoryMessage]) -> LaneSnapshot:
        clock = self._shared.lanes[name]
        rule, now = clock.rule, time.monotonic()
        admitted = [entry for entry in entries if entry.admitted]
        wait = clock.admitted + (1 - rule.burst) * rule.pace - HORIZON - now if rule.pace else 0.0
        return LaneSnapshot(
            name,
            rule.width,
            rule.pace,
            rule.burst,
            waiting=min(len(entries) - len(admitted), MOST_COUNTED),
            admitted=min(len(admitted), MOST_COUNTED),
            holders=tuple(entry.envelope.id for entry in admitted[:MOST_HOLDERS]),
            opens=datetime.now(UTC) + timedelta(seconds=wait) if wait > 0 else None,
        )

    def read(self) -> bytes | None:
        with self._shared.changed:
            data = super().read()
            self._admit_all()
            return data

    def _admit_all(self, names: Collection[str] | None = None) -> int:
        return sum(map(self._admit, self._shared.lanes if names is None else names))

    def _admit(self, name: str) -> int:
        """Admit those of one lane that there is room for: urgent ones first, then in the order in which they were sent."""
        if (clock := self._shared.lanes.get(name)) is None:
            return 0
        rule, now = clock.rule, time.monotonic()
        base = max(clock.admitted, now)
        entries = [entry for entry in self._shared.entries.values() if entry.lane == name and not entry.died]
        room = rule.width - sum(entry.admitted for entry in entries)
        if rule.pace:
            room = min(room, rule.burst + floor((now + HORIZON - base) / rule.pace))
        waiting = [entry for entry in entries if entry.waits_in_lane]
        waiting.sort(key=lambda entry: (-entry.envelope.priority, entry.arrived))
        chosen = waiting[: max(room, 0)]
        for number, entry in enumerate(chosen, 1):
            entry.admitted, entry.order = True, next(self._order)
            entry.due = max(now, base + (number - rule.burst) * rule.pace) if rule.pace else now
        if chosen:
            clock.admitted = base + len(chosen) * rule.pace
            self._shared.changed.notify_all()
        return len(chosen)

    def _lent(self, owner: int, ids: Collection[str]) -> list[MemoryMessage]:
        entries = (self._shared.entries.get(id) for id in dict.fromkeys(ids))
        return [entry for entry in entries if entry is not None and entry.owner == owner]

    def _give_back(self, entry: MemoryMessage, delay: float = 0.0) -> None:
        entry.owner, entry.due = None, time.monotonic() + delay
        self._shared.changed.notify_all()
