"""The contract of a ``LeasedQueue`` as a plain object: one dictionary, no lock, no server, no clock.

It is no backend: it is told what a backend lent and says whether that was right, because the contract
leaves some things open. Held open here, and nowhere else:

* where in the line of its priority a message stands that was retried, replayed or delayed;
* which of two is sooner that were given back by two calls;
* with ``prompt=False``, how soon a backend notices what is due while there is enough without it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count as counter

from djutils.queue.message import Delivery, Envelope, Rejection, Retrial, Running, Stats

FAR = 60.0
"""A delay of more seconds than this does not end while a test runs."""


class Place(Enum):
    """Where a waiting message stands among those of its priority."""

    LINE = "where it was sent to, behind those before it"
    HEAD = "in front of the line: it was given back"
    ANYWHERE = "the contract does not say"
    OVERDUE = "the same, and it may not have been noticed yet"


@dataclass
class Kept:
    """A message, and all that the contract knows of it."""

    id: str
    data: bytes
    priority: int
    age: int
    state: str = "ready"
    place: Place = Place.LINE
    delay: float = 0.0
    owner: int = 0
    given_back: int = 0
    """By which call, when ``place`` is the head."""
    died: int = 0
    """By which call."""
    error: str = ""
    attempts: int = 0
    crashes: int = 0
    redeliveries: int = 0

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.id, self.data, self.attempts, self.crashes, self.redeliveries, self.error)

    def wait(self, delay: float, place: Place) -> None:
        """Wait again, or for the first time."""
        self.owner, self.delay, self.place = 0, delay, place
        self.state = "delayed" if delay else "ready"

    def precedes(self, other: Kept) -> bool:
        """Whether the contract has it lent before ``other``, when both are ready."""
        if self.place is Place.OVERDUE:
            return False
        if self.priority != other.priority:
            return self.priority > other.priority
        match self.place, other.place:
            case Place.LINE, Place.LINE:
                return self.age < other.age
            case Place.HEAD, Place.HEAD:
                # Ids sort by time. One that was done and sent again under its old id has two ages.
                older = self.age < other.age and self.id < other.id
                return older and self.given_back == other.given_back
        return (self.place, other.place) == (Place.HEAD, Place.LINE)


class Model:
    """What is known of one queue. Its methods answer what the backend's must answer."""

    def __init__(self, *, prompt: bool = True) -> None:
        self.messages: dict[str, Kept] = {}
        self.beats: dict[int, int] = {}
        self.keys: set[str] = set()
        self.due = Place.ANYWHERE if prompt else Place.OVERDUE
        self._count = counter(1)

    # In

    def send(self, envelopes: Sequence[Envelope]) -> None:
        for id, data, delay, priority in envelopes:
            if id not in self.messages:
                self.messages[id] = kept = Kept(id, data, priority, next(self._count))
                kept.wait(delay, Place.LINE)

    def send_once(self, key: str, envelope: Envelope) -> bool:
        if key in self.keys:
            return False
        self.keys.add(key)
        self.send([envelope])
        return True

    def name(self, written: str, id: str) -> None:
        """Call ``id`` what was ``written`` under a name of ours: the backend chose its id."""
        kept = self.messages.pop(written)
        kept.id = id
        self.messages[id] = kept

    def fall_due(self) -> bool:
        """Let the time go by that the short delays take; answer whether there were any."""
        due = [kept for kept in self._all("delayed") if kept.delay < FAR]
        for kept in due:
            kept.wait(0.0, self.due)
        return bool(due)

    # Out

    def lend(self, owner: int, count: int, ids: Sequence[str], *, in_order: bool = True) -> list[Delivery]:
        """Take note that ``ids`` were lent, which must be a right choice, and answer them in full.

        Without ``in_order`` it is only known which they were, as when the reply was lost.
        """
        ready = self._all("ready")
        strangers = set(ids) - {kept.id for kept in ready}
        assert not strangers, f"lent, though not ready: {strangers}"
        lent = [self.messages[id] for id in ids]
        assert len(set(ids)) == len(ids) == min(count, len(ready)), f"{len(ready)} ready, {count} asked for"
        passed = [kept for kept in ready if kept not in lent]
        for at, chosen in enumerate(lent):
            sooner = passed + lent[at + 1 :] * in_order
            assert not (first := [kept for kept in sooner if kept.precedes(chosen)]), (first, chosen)
        for kept in lent:
            kept.state, kept.owner = "leased", owner
        return [kept.delivery for kept in lent]

    def read(self, data: bytes) -> None:
        """Take note that ``data`` was read, which must be a right choice."""
        ready = [kept.id for kept in self._all("ready") if kept.data == data]
        assert ready, f"read, though not ready: {data!r}"
        self.lend(0, 1, ready)
        del self.messages[ready[0]]

    def adopt(self, owner: int, known: Collection[str] = ()) -> list[Delivery]:
        return [kept.delivery for kept in self._all("leased") if kept.owner == owner and kept.id not in known]

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        held = self._held(owner, ids)
        for id in held:
            del self.messages[id]
        return set(held)

    def release(self, owner: int, ids: Collection[str], delay: float) -> set[str]:
        held, call = self._held(owner, ids), next(self._count)
        for kept in held.values():
            kept.wait(delay, Place.HEAD)
            kept.given_back = call
        return set(held)

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        held = self._held(owner, [retrial.id for retrial in retrials])
        for id, kept in held.items():
            first = next(retrial for retrial in retrials if retrial.id == id)
            kept.attempts, kept.error = kept.attempts + 1, first.error
            kept.wait(first.delay, Place.ANYWHERE)
        return set(held)

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        held, call = self._held(owner, [rejection.id for rejection in rejections]), next(self._count)
        for id, kept in held.items():
            first = next(rejection for rejection in rejections if rejection.id == id)
            kept.state, kept.owner, kept.died, kept.error = "dead", 0, call, first.error
            kept.attempts += first.charge
        return set(held)

    # Owners

    def enroll(self, owner: int) -> None:
        self.beats.setdefault(owner, 0)

    def beat(self, owners: Collection[int]) -> set[int]:
        enrolled = self.beats.keys() & set(owners)
        self.beats |= {owner: self.beats[owner] + 1 for owner in enrolled}
        return enrolled

    def reap(self, owner: int, beats: int | None, running: Running | None) -> int:
        if beats is not None and self.beats.get(owner) != beats:
            return 0
        self.beats.pop(owner, None)
        held = [self.messages[delivery.id] for delivery in self.adopt(owner)]
        for kept in held:
            kept.redeliveries += running is None
            if running is not None and kept.id in running:
                kept.crashes, kept.error = kept.crashes + 1, running[kept.id]
        self.release(owner, [kept.id for kept in held], 0.0)
        return len(held)

    # The whole

    def flush(self) -> None:
        self.messages.clear()

    def dead(self, ids: Collection[str] | None = None) -> list[Kept]:
        """Answer the dead letters, the newest first."""
        dead = [kept for kept in self._all("dead") if ids is None or kept.id in ids]
        return sorted(dead, key=lambda kept: kept.died, reverse=True)

    def replay(self, ids: Collection[str] | None) -> int:
        dead = self.dead(ids)
        for kept in dead:
            kept.attempts = kept.crashes = kept.redeliveries = 0
            kept.error = ""
            kept.wait(0.0, Place.ANYWHERE)
        return len(dead)

    def discard(self, ids: Collection[str] | None) -> int:
        dead = self.dead(ids)
        for kept in dead:
            del self.messages[kept.id]
        return len(dead)

    def stats(self) -> Stats:
        return Stats(*(len(self._all(state)) for state in Stats._fields))

    def _all(self, state: str) -> list[Kept]:
        return [kept for kept in self.messages.values() if kept.state == state]

    def _held(self, owner: int, ids: Collection[str]) -> dict[str, Kept]:
        return {
            delivery.id: self.messages[delivery.id] for delivery in self.adopt(owner) if delivery.id in ids
        }
