"""The contract of a ``LeasedQueue`` as a plain object: one dictionary, no lock, no server, no clock.

It is not a backend: it is told what a backend lent and checks whether that was right, because the contract
leaves some things open. These, and only these, are left open:

* where among the messages of its priority a retried, replayed or delayed message is placed;
* which of two messages that were given back by two calls comes first;
* whether one of ``ONE_IN`` messages lent is one that has waited longer than more urgent ones, or none, and which it is;
* with ``prompt=False``, how soon a backend notices due messages while there are enough others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count as counter

from djutils.queue.backends.ageing import ONE_IN
from djutils.queue.message import Crashes, Delivery, Envelope, Rejection, Retrial, Stats

FAR = 60.0
"""A delay of more seconds than this does not end during a test."""


class Turn(Enum):
    """The turn of a waiting message among those of its priority."""

    LINE = "where it was sent to, behind those before it"
    HEAD = "in front of the line: it was given back"
    ANYWHERE = "the contract does not say"
    OVERDUE = "the same, and it may not have been noticed yet"


@dataclass
class Held:
    """A message, and everything the contract knows about it."""

    id: str
    data: bytes
    priority: int
    age: int
    state: str = "ready"
    turn: Turn = Turn.LINE
    delay: float = 0.0
    owner: int = 0
    given_back: int = 0
    """The call that put it there, if ``turn`` is the head."""
    died: int = 0
    """The call that killed it."""
    error: str = ""
    attempts: int = 0
    crashes: int = 0
    redeliveries: int = 0

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.id, self.data, self.attempts, self.crashes, self.redeliveries, self.error)

    def wait(self, delay: float, turn: Turn) -> None:
        """Put it back, or put it in for the first time."""
        self.owner, self.delay, self.turn = 0, delay, turn
        self.state = "delayed" if delay else "ready"

    def precedes(self, other: Held) -> bool:
        """Return whether the contract requires that it is lent before ``other`` when both are ready."""
        if self.turn is Turn.OVERDUE:
            return False
        if self.priority != other.priority:
            return self.priority > other.priority
        match self.turn, other.turn:
            case Turn.LINE, Turn.LINE:
                return self.age < other.age
            case Turn.HEAD, Turn.HEAD:
                # Ids sort by time. A message that was done and sent again under its old id has two ages.
                older = self.age < other.age and self.id < other.id
                return older and self.given_back == other.given_back
        return (self.turn, other.turn) == (Turn.HEAD, Turn.LINE)


class Model:
    """What is known about one queue. Its methods return what the backend's must return."""

    def __init__(self, *, prompt: bool = True) -> None:
        self.messages: dict[str, Held] = {}
        self.beats: dict[int, int] = {}
        self.keys: set[str] = set()
        self.lent = self.by_age = 0
        self.due = Turn.ANYWHERE if prompt else Turn.OVERDUE
        self._count = counter(1)

    # In

    def send(self, envelopes: Sequence[Envelope]) -> None:
        for id, data, delay, priority in envelopes:
            if id not in self.messages:
                self.messages[id] = kept = Held(id, data, priority, next(self._count))
                kept.wait(delay, Turn.LINE)

    def send_once(self, key: str, envelope: Envelope) -> bool:
        if key in self.keys:
            return False
        self.keys.add(key)
        self.send([envelope])
        return True

    def name(self, written: str, id: str) -> None:
        """Rename the message ``written`` to ``id``, the id that the backend chose."""
        kept = self.messages.pop(written)
        kept.id = id
        self.messages[id] = kept

    def fall_due(self) -> bool:
        """Let the short delays pass; return whether there were any."""
        due = [kept for kept in self._all("delayed") if kept.delay < FAR]
        for kept in due:
            kept.wait(0.0, self.due)
        return bool(due)

    # Out

    def lend(self, owner: int, count: int, ids: Sequence[str], *, in_order: bool = True) -> list[Delivery]:
        """Record that ``ids`` were lent, check that this was a valid choice, and return their deliveries.

        Without ``in_order`` only the set is known, as when the reply was lost.
        """
        ready = self._all("ready")
        strangers = set(ids) - {kept.id for kept in ready}
        assert not strangers, f"lent, though not ready: {strangers}"
        lent = [self.messages[id] for id in ids]
        assert len(set(ids)) == len(ids) == min(count, len(ready)), f"{len(ready)} ready, {count} asked for"
        passed = [kept for kept in ready if kept not in lent]
        for at, chosen in enumerate(lent):
            overtaken = [kept for kept in passed if kept.precedes(chosen)]
            sooner = [kept for kept in lent[at + 1 :] * in_order if kept.precedes(chosen)]
            sooner += [kept for kept in overtaken if kept.priority == chosen.priority]
            assert not sooner, (sooner, chosen)
            self.by_age += bool(overtaken)
        self.lent += len(lent)
        assert self.by_age * ONE_IN <= self.lent, f"{self.by_age} of {self.lent} overtook more urgent ones"
        for kept in lent:
            kept.state, kept.owner = "leased", owner
        return [kept.delivery for kept in lent]

    def read(self, data: bytes) -> None:
        """Record that ``data`` was read, and check that this was a valid choice."""
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
            kept.wait(delay, Turn.HEAD)
            kept.given_back = call
        return set(held)

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        held = self._held(owner, [retrial.id for retrial in retrials])
        for id, kept in held.items():
            first = next(retrial for retrial in retrials if retrial.id == id)
            kept.attempts, kept.error = kept.attempts + 1, first.error
            kept.wait(first.delay, Turn.ANYWHERE)
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

    def reap(self, owner: int, beats: int | None, running: Crashes | None) -> int:
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

    # The whole queue

    def flush(self) -> None:
        self.messages.clear()

    def dead(self, ids: Collection[str] | None = None) -> list[Held]:
        """Return the dead letters, newest first."""
        dead = [kept for kept in self._all("dead") if ids is None or kept.id in ids]
        return sorted(dead, key=lambda kept: kept.died, reverse=True)

    def replay(self, ids: Collection[str] | None) -> int:
        dead = self.dead(ids)
        for kept in dead:
            kept.attempts = kept.crashes = kept.redeliveries = 0
            kept.error = ""
            kept.wait(0.0, Turn.ANYWHERE)
        return len(dead)

    def discard(self, ids: Collection[str] | None) -> int:
        dead = self.dead(ids)
        for kept in dead:
            del self.messages[kept.id]
        return len(dead)

    def stats(self) -> Stats:
        return Stats(*(len(self._all(state)) for state in Stats._fields))

    def _all(self, state: str) -> list[Held]:
        return [kept for kept in self.messages.values() if kept.state == state]

    def _held(self, owner: int, ids: Collection[str]) -> dict[str, Held]:
        return {
            delivery.id: self.messages[delivery.id] for delivery in self.adopt(owner) if delivery.id in ids
        }
