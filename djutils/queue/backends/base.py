"""What a backend is: four methods, or leases.

A backend moves opaque bytes. It never sees a command, a retry policy or a result. What each
method must do, in executable form, is ``djutils.testing.contract.QueueContract``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Self

from djutils.queue.backends.looking import Looking
from djutils.queue.backends.packing import pack_dead_letter, unpack_dead_letter
from djutils.queue.codec import message_id
from djutils.queue.message import (
    Batch,
    DeadLetter,
    Delivery,
    Envelope,
    Rejection,
    Retrial,
    Running,
    Stats,
    new_id,
)


def new_owner() -> int:
    """Answer a token for one worker process in one life: 62 random bits, never 0."""
    return secrets.randbits(62) or 1


def own_alias(alias: str) -> str:
    """Answer the alias of the connection that a consumer keeps for itself to the database ``alias``."""
    return f"{alias} for djutils"


def is_own_alias(alias: str) -> bool:
    """Answer whether ``alias`` is one that ``own_alias`` answers."""
    return alias.endswith(own_alias(""))


class BaseQueue(Looking):
    """A named line of messages: ``write``, ``read``, ``flush``, ``__len__``, as in 2011.

    A subclass with these four methods works with everything. What it cannot do is survive a kill:
    ``read`` takes the message away, so a worker killed in mid-command loses the one it held.
    """

    batch = 100
    """Most messages to ask for at once: more gains little and makes the others wait."""
    blocking = False
    """Can it wait for a message by itself, without being polled?"""
    supports_leases = False
    """Can it lend a message and take it back from a dead worker?"""
    supports_delay = False
    """Can it hold a message back until it is due?"""
    supports_priority = False
    """Does a message of a larger priority overtake the others?"""
    transaction_alias: str | None = None
    """The database alias whose transactions a send takes part in, if it does."""
    project_alias: str | None = None
    """The database alias that the project's models are written to, if an ack can be part of a transaction."""

    def __init__(self, name: str, connection: str = "") -> None:
        """Remember the queue's name and where it lives; connect only when it is needed."""
        self.name = name
        self.connection = connection

    def through(self, alias: str) -> Self | None:
        """Return this queue as it is reached through the database ``alias``; None if it is not in that database.

        What the returned one acks is part of the transactions of ``alias``.
        """
        return None

    def write(self, data: bytes) -> None:
        """Put ``data`` at the end of the queue."""
        raise NotImplementedError(f"{type(self).__name__} must define write(data).")

    def read(self) -> bytes | None:
        """Take the next message away and answer it, or None when there is none.

        Never raises because the queue is empty; always raises when it is broken.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read().")

    def flush(self) -> None:
        """Forget every message of this queue, whatever its state."""
        raise NotImplementedError(f"{type(self).__name__} must define flush().")

    def __len__(self) -> int:
        """Answer how many messages wait: delayed ones counted, lent and dead ones not."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__().")

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    # What follows is derived from the four: dead letters lie in a queue of their own.

    @property
    def dead(self) -> Self:
        """The queue that keeps this one's dead letters: ``<name>.dead``."""
        return type(self)(f"{self.name}.dead", self.connection)

    def bury(self, letter: DeadLetter) -> None:
        """Keep ``letter`` among the dead letters."""
        self.dead.write(pack_dead_letter(letter))

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        """Answer up to ``count`` dead letters, the newest first, or just those of ``ids``."""
        seen: list[DeadLetter] = []

        def note(letter: DeadLetter) -> bool:
            if ids is None or letter.id in ids:
                seen.append(letter)
            return False

        self._go_round(note)
        return seen[::-1][:count]

    def replay(self, ids: Collection[str] | None = None) -> int:
        """Put the dead letters of ``ids`` (None: all) back into the queue, as if never tried.

        Answers how many. An id that is not there is passed over.
        """

        def put_back(letter: DeadLetter) -> bool:
            if chosen := ids is None or letter.id in ids:
                self.write(letter.data)
            return chosen

        return self._go_round(put_back)

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        """Return the ids of up to ``count`` dead letters whose id begins with ``prefix``, the newest first."""
        found: list[str] = []

        def note(letter: DeadLetter) -> bool:
            if letter.id.startswith(prefix):
                found.append(letter.id)
            return False

        self._go_round(note)
        return found[::-1][:count]

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        """Forget the dead letters of ``ids`` (None: all) that died before ``before`` (None: whenever).

        Return how many. ``before`` is aware.
        """
        return self._go_round(
            lambda letter: (ids is None or letter.id in ids) and (before is None or letter.died < before)
        )

    def stats(self) -> Stats:
        """Answer how many messages are in which state."""
        return Stats(ready=len(self), dead=len(self.dead))

    def _go_round(self, take: Callable[[DeadLetter], bool]) -> int:
        """Read each dead letter and put it back unless ``take`` took it; answer how many it took.

        One at a time: four methods cannot look without reading, and if we die here, no more than
        the one in hand is at stake.
        """
        box, taken = self.dead, 0
        for _ in range(len(box)):
            if (data := box.read()) is None:
                break
            if take(unpack_dead_letter(data)):
                taken += 1
            else:
                box.write(data)
        return taken


class LeasedQueue(BaseQueue):
    """A queue that lends: nothing is removed before it is settled.

    ``receive`` lends messages to an *owner*, a random token of one worker process in one life.
    What is lent stays the owner's until it acks, releases, retries or rejects it, or until someone
    sees that its beat counter stands still and reaps it. Every settling method is fenced by the
    owner: it answers the ids which were still the owner's, and changes nothing for the others.

    Errors of the driver come out as ``BackendError``; ``BackendUnavailable`` means that trying
    again later may help, and then it is unknown whether the call took effect. Sending again the
    same id, settling again and reaping again are harmless; after a failed ``receive`` ask
    ``adopt`` what came of it.
    """

    supports_leases = True
    supports_delay = True
    supports_priority = True

    def open(self) -> None:
        """Prepare for a consumer: the caller's thread will be the only one to use this object.

        Called once, before anything is lent; a backend may take a connection of its own.
        """

    def close(self) -> None:
        """Let go of every connection, file and thread: the process may fork. The next call makes new ones."""

    def hang_up(self) -> None:
        """Break the connection on which another thread waits: its call raises ``BackendUnavailable``.

        For a network that swallows everything without a word. May be called from any thread. A store
        whose calls give up by themselves within some seconds need not do anything.
        """

    def send(self, envelopes: Sequence[Envelope]) -> None:
        """Put ``envelopes`` into the queue, all or none, in one round trip.

        An id that is there already, in whatever state, is passed over.
        """
        raise NotImplementedError

    def send_once(self, key: str, envelope: Envelope) -> bool:
        """Send ``envelope`` unless ``key`` was used on this queue within the last day; atomic.

        Answers whether it was sent: of any number of callers with the same key, one hears True.
        """
        raise NotImplementedError

    def enroll(self, owner: int) -> None:
        """Make ``owner`` known, with a beat counter of 0."""
        raise NotImplementedError

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        """Ack ``done``, lend up to ``count`` due messages, answer both in one round trip.

        The largest priority first, then the oldest. An empty queue gives an empty batch; a
        ``blocking`` backend first waits up to ``wait`` seconds for a message. Raises ``OwnerLost``
        when ``owner`` is not enrolled; then nothing was acked or lent.
        """
        raise NotImplementedError

    def ask(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch] | None:
        """Begin to ``receive``, and answer a function that waits for the batch; None: it cannot.

        So the store works while the caller does. The function must be called, in whatever thread,
        before anything else is asked of this object, and raises what ``receive`` would.
        """
        return None

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        """Done: remove these."""
        raise NotImplementedError

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        """Give these back without blame; with no delay they are the next to be lent."""
        raise NotImplementedError

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        """Give these back, each after its delay, one more attempt counted, or one more offer."""
        raise NotImplementedError

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        """Make these dead letters, each with its error and the attempts it is charged."""
        raise NotImplementedError

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        """Answer what is lent to ``owner`` apart from ``known``: it came in a reply that was lost."""
        raise NotImplementedError

    def held(self, owner: int, ids: Collection[str]) -> set[str]:
        """Answer which of these are lent to ``owner``."""
        raise NotImplementedError

    def beat(self, owners: Collection[int]) -> set[int]:
        """Advance the counters of ``owners``; answer those that are still enrolled."""
        raise NotImplementedError

    def owners(self) -> dict[int, int]:
        """Answer the beat counter of everyone enrolled on this queue."""
        raise NotImplementedError

    def reap(self, owner: int, beats: int | None = None, running: Running | None = None) -> int:
        """Strike ``owner`` off and give back all it held, to the head of the queue.

        With ``beats``, only if its counter still stands there. With ``running``, what was running
        is charged a crash, with the reason as its error, and the bystanders nothing; without
        (nobody knows what ran), everything is charged a redelivery. Answers how many came back.
        """
        raise NotImplementedError

    def sweep(self, seconds: float = 0.05) -> int:
        """Give back messages that no owner holds and no list names; return how many came back.

        Each is counted a redelivery. A chore of the maintainer: it searches for about ``seconds``
        and goes on there when it is called again. Safe beside any other call. Returns 0 where the
        store cannot lose track of a message.
        """
        return 0

    def write(self, data: bytes) -> None:
        self.send([Envelope(message_id(data) or new_id(), data)])

    def read(self) -> bytes | None:
        owner = new_owner()
        self.enroll(owner)
        try:
            batch = self.receive(owner, 1)
            self.ack(owner, [delivery.id for delivery in batch.deliveries])
        finally:
            self.reap(owner, running={})
        return batch.deliveries[0].data if batch.deliveries else None

    def bury(self, letter: DeadLetter) -> None:
        raise NotImplementedError("A leased message becomes a dead letter by reject().")

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        raise NotImplementedError

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        """Return the ids of up to ``count`` dead letters whose id begins with ``prefix``; none is loaded."""
        raise NotImplementedError

    def replay(self, ids: Collection[str] | None = None) -> int:
        """Put the dead letters of ``ids`` (None: all) back, as if never tried; return how many.

        Within their priority they are the next to be lent, in the order they were first sent.
        """
        raise NotImplementedError

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        raise NotImplementedError

    def stats(self) -> Stats:
        raise NotImplementedError


def counts_of(queue: BaseQueue) -> dict[str, int | None]:
    """Return how many messages of ``queue`` are in which state; None: it cannot know."""
    stats = queue.stats()
    delayed = stats.delayed if queue.supports_delay else None
    leased = stats.leased if queue.supports_leases else None
    return {"ready": stats.ready, "delayed": delayed, "leased": leased, "dead": stats.dead}
