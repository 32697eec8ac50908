"""MemoryQueue: within one process, for tests; the readable reference implementation of leases."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import wraps
from operator import attrgetter
from typing import Any, ClassVar

from djutils.queue.exceptions import OwnerLost
from djutils.queue.message import (
    Batch,
    Crashes,
    DeadLetter,
    Delivery,
    Envelope,
    Lane,
    Placement,
    Rejection,
    Retrial,
    Snapshot,
    StateName,
    Stats,
    Until,
)
from djutils.queue.stores.memory_store import MemoryStore

from .lanes import told_name
from .leased import PUT_ASIDE_FOR
from .looking import Place, lane_turn, refuse_lane
from .memory_lanes import MemoryLanes
from .memory_messages import MemoryMessage, SharedQueue

_MARK = "_empties_djutils"


def _be_empty_before_each_test() -> None:
    """Make Django's test classes, where they are in use, start with every MemoryQueue empty."""
    # Not imported: a process that runs no tests does not need them.
    testcases = sys.modules.get("django.test.testcases")
    if testcases is None or getattr(testcases.SimpleTestCase, _MARK, False):
        return
    pre_setup = testcases.SimpleTestCase._pre_setup.__func__

    @wraps(pre_setup)
    def emptying(cls: type) -> None:
        MemoryQueue.forget_all()
        pre_setup(cls)

    # Django has no hook for this, and a project's setUp need not call super(). This is the method in which Django
    # empties the mail outbox, and which pytest-django calls for its own tests.
    testcases.SimpleTestCase._pre_setup = classmethod(emptying)
    setattr(testcases.SimpleTestCase, _MARK, True)


class MemoryQueue(MemoryLanes):
    """Keeps messages in this process; they are gone when it ends, and before the next test.

    Django's test classes empty every queue as they empty the mail outbox: at the start of each test. For
    tests that are plain functions the pytest plugin of djutils does it.
    """

    blocking = True
    put_aside_for = PUT_ASIDE_FOR
    supports_peek = True
    supports_unique = True
    _by_name: ClassVar[dict[tuple[str, str], SharedQueue]] = {}

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._shared = self._by_name.setdefault((connection, name), SharedQueue())

    @property
    def store(self) -> MemoryStore:
        _be_empty_before_each_test()
        return self._shared.store

    @classmethod
    def forget_all(cls) -> None:
        """Delete every message of every queue, whatever its state, and every value of their stores."""
        for shared in list(cls._by_name.values()):
            with shared.changed:
                for kept in (shared.entries, shared.lanes, shared.store, shared.once, shared.keys):
                    kept.clear()

    def send(self, envelopes: Sequence[Envelope]) -> None:
        _be_empty_before_each_test()
        with self._shared.changed:
            for envelope in envelopes:
                entry = MemoryMessage(envelope, next(self._order), time.monotonic() + envelope.delay)
                self._shared.entries.setdefault(envelope.id, entry)
            self._shared.changed.notify_all()

    def send_once(self, key: str, envelope: Envelope) -> bool:
        with self._shared.changed:
            if new := self._shared.once.add(key, b"", 24 * 3600):
                self.send([envelope])
            return new

    def send_unique(
        self,
        envelope: Envelope,
        key: str,
        until: Until,
        replace: Callable[[str], bytes] | None = None,
        lane: Lane | None = None,
    ) -> Placement:
        with self._shared.changed:
            if replace is not None and (entry := self._shared.waiting(key)) is not None:
                if entry.state == "delayed":
                    entry.due = time.monotonic() + envelope.delay
                entry.envelope = entry.envelope._replace(data=replace(entry.envelope.id))
                entry.forget()
                self._shared.changed.notify_all()
                return Placement(entry.envelope.id, "replaced")
            if replace is None and (holder := self._shared.holder(key, until)):
                return Placement(holder, "sent" if holder == envelope.id else "held")
            seconds = until if isinstance(until, float | int) else 0.0
            self._shared.keys[key] = envelope.id, time.monotonic() + seconds
            if lane is None:
                self.send([envelope])
            else:
                self.send_in_lanes([(envelope, lane)])
            return Placement(envelope.id, "sent")

    def enroll(self, owner: int) -> None:
        with self._shared.changed:
            self._shared.beats.setdefault(owner, 0)

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        with self._shared.changed:
            if owner not in self._shared.beats:
                raise OwnerLost
            late = frozenset(done) - self.ack(owner, done)
            lent = self._lend(owner, count)
            if wait and not lent and self._shared.changed.wait(wait):
                lent = self._lend(owner, count)
            return Batch(lent, late)

    def _lend(self, owner: int, count: int) -> list[Delivery]:
        ready = [entry for entry in self._shared.entries.values() if entry.is_ready]
        ready.sort(key=_turn)
        first = count - self.turns.by_age(count)
        oldest = sorted(ready[first:], key=attrgetter("order"))[: count - first]
        chosen = [*ready[:first], *sorted(oldest, key=_turn)]
        for entry in chosen:
            entry.owner = owner
        self.turns.lent(len(chosen))
        return [entry.delivery() for entry in chosen]

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        with self._shared.changed:
            entries = self._lent(owner, ids)
            for entry in entries:
                del self._shared.entries[entry.envelope.id]
            return {entry.envelope.id for entry in entries}

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        with self._shared.changed:
            entries = self._lent(owner, ids)
            for entry in entries:
                self._give_back(entry, delay)
            return {entry.envelope.id for entry in entries}

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        with self._shared.changed:
            settled = set()
            for id, delay, error, charge in retrials:
                for entry in self._lent(owner, [id]):
                    entry.attempts += max(charge, 0)
                    entry.offers += not charge
                    entry.error = error
                    self._give_back(entry, delay)
                    settled.add(id)
            return settled

    def bring_back(self, error: str, count: int = 500) -> int:
        with self._shared.changed:
            now = time.monotonic()
            aside = [one for one in self._shared.entries.values() if one.waits and one.due > now]
            aside = sorted(
                [one for one in aside if one.error.startswith(error)], key=attrgetter("due", "order")
            )
            for entry in aside[:count]:
                entry.due = now
            self._admit_all()
            self._shared.changed.notify_all()
            return len(aside[:count])

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        with self._shared.changed:
            settled = set()
            for id, error, charge in rejections:
                for entry in self._lent(owner, [id]):
                    entry.owner, entry.died, entry.error = None, datetime.now(UTC), error
                    entry.attempts += charge
                    settled.add(id)
            return settled

    def remove(self, ids: Collection[str]) -> set[str]:
        with self._shared.changed:
            waiting = {id for id in ids if id in self._shared.entries and self._shared.entries[id].waits}
            for id in waiting:
                del self._shared.entries[id]
            self._admit_all()
            return waiting

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        with self._shared.changed:
            unheard = [id for id in self._shared.entries if id not in known]
            return [entry.delivery() for entry in self._lent(owner, unheard)]

    def beat(self, owners: Collection[int]) -> set[int]:
        with self._shared.changed:
            enrolled = self._shared.beats.keys() & set(owners)
            for owner in enrolled:
                self._shared.beats[owner] += 1
            return enrolled

    def owners(self) -> dict[int, int]:
        with self._shared.changed:
            return dict(self._shared.beats)

    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int:
        with self._shared.changed:
            if beats is not None and self._shared.beats.get(owner) != beats:
                return 0
            self._shared.beats.pop(owner, None)
            entries = self._lent(owner, self._shared.entries)
            for entry in entries:
                if running is None:
                    entry.redeliveries += 1
                elif entry.envelope.id in running:
                    entry.crashes += 1
                    entry.error = running[entry.envelope.id]
                self._give_back(entry)
            return len(entries)

    def flush(self) -> None:
        with self._shared.changed:
            entries = self._shared.entries
            kept = {id: entry for id, entry in entries.items() if entry.lane and entry.owner is not None}
            entries.clear()
            entries.update(kept)

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        with self._shared.changed:
            entries = sorted(self._dead(ids), key=attrgetter("died", "order"), reverse=True)[:count]
            return [
                DeadLetter(
                    id=entry.envelope.id,
                    data=entry.envelope.data,
                    error=entry.error,
                    died=entry.died or datetime.now(UTC),
                    attempts=entry.attempts,
                    crashes=entry.crashes,
                    redeliveries=entry.redeliveries,
                )
                for entry in entries
            ]

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        with self._shared.changed:
            entries = sorted(self._dead(None), key=attrgetter("died", "order"), reverse=True)
            return [e.envelope.id for e in entries if e.envelope.id.startswith(prefix)][:count]

    def _dead(self, ids: Collection[str] | None) -> list[MemoryMessage]:
        entries = self._shared.entries.values()
        return [e for e in entries if e.died and (ids is None or e.envelope.id in ids)]

    def replay(self, ids: Collection[str] | None = None) -> int:
        with self._shared.changed:
            entries = self._dead(ids)
            for entry in entries:
                entry.died, entry.admitted = None, False
                entry.forget()
                self._give_back(entry)
            self._admit_all()
            return len(entries)

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        with self._shared.changed:
            entries = [e for e in self._dead(ids) if before is None or (e.died and e.died < before)]
            for entry in entries:
                del self._shared.entries[entry.envelope.id]
            return len(entries)

    def stats(self) -> Stats:
        with self._shared.changed:
            of = Counter(entry.state for entry in self._shared.entries.values())
            return Stats(**{state: of[state] for state in self.states})

    def peek(
        self,
        state: StateName,
        *,
        newest: bool = False,
        after: str = "",
        count: int = 100,
        data: bool = False,
        lane: str | None = None,
    ) -> list[Snapshot]:
        refuse_lane(state, lane)
        only = None if lane is None else told_name(lane)
        turn = attrgetter("lane_turn" if state == "waiting" else "turn")
        with self._shared.changed:
            entries = [entry for entry in self._shared.entries.values() if entry.state == state]
            entries = [entry for entry in entries if only in (None, entry.lane)]
            entries.sort(key=turn, reverse=newest)
            if after:
                place = Place.of(after)
                last: tuple[Any, ...]
                if state == "waiting":
                    last = lane_turn(place, only)
                else:
                    last = place.part, float(place.key), int(place.id)
                entries = [
                    entry for entry in entries if (turn(entry) < last if newest else turn(entry) > last)
                ]
            return [entry.snapshot(data) for entry in entries[: max(count, 0)]]

    def find(self, prefix: str, count: int = 10, *, data: bool = False) -> list[Snapshot]:
        with self._shared.changed:
            entries = self._shared.entries
            found = [prefix] if prefix in entries else [id for id in entries if id.startswith(prefix)]
            return [entries[id].snapshot(data)._replace(place="") for id in found[: max(count, 0)]]

    def oldest(self) -> Snapshot | None:
        with self._shared.changed:
            ready = [entry for entry in self._shared.entries.values() if entry.state == "ready"]
            return min(ready, key=attrgetter("order")).snapshot(False) if ready else None


def _turn(entry: MemoryMessage) -> tuple[int, int]:
    return -entry.envelope.priority, entry.order
