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
    Crashes,
    DeadLetter,
    Delivery,
    Envelope,
    Rejection,
    Retrial,
    Stats,
    new_id,
)
from djutils.queue.stores.base import Store


def new_owner() -> int:
    """Return a token for the lifetime of one worker process: 62 random bits, never 0."""
    return secrets.randbits(62) or 1


def own_alias(alias: str) -> str:
    """Return the alias of a consumer's private connection to the database ``alias``."""
    return f"{alias} for djutils"


def is_own_alias(alias: str) -> bool:
    """Return whether ``alias`` is one that ``own_alias`` returns."""
    return alias.endswith(own_alias(""))


class BaseQueue(Looking):
    """A named queue of messages: ``write``, ``read``, ``flush``, ``__len__``, as in 2011.

    A subclass with these four methods works with everything. It has no leases: ``read`` removes the
    message, so a worker that is killed while it runs a command loses that message.
    """

    batch = 100
    """Most messages to ask for at once: more gains little and makes other consumers wait."""
    blocking = False
    """Whether it can wait for a message by itself, without being polled."""
    beside: Sequence[str] = ()
    """Other queues in the same place: where one of them gets a message, ``receive`` stops waiting."""
    supports_leases = False
    """Whether it can lend a message and take it back from a dead worker."""
    supports_delay = False
    """Whether it can hold a message back until it is due."""
    supports_priority = False
    """Whether a message of a larger priority overtakes the others."""
    transaction_alias: str | None = None
    """The database alias whose transactions a send takes part in, if any."""
    project_alias: str | None = None
    """The database alias that the project's models are written to, if an ack can take part in a transaction."""

    def __init__(self, name: str, connection: str = "") -> None:
        """Remember the queue's name and its connection; connect only when needed."""
        self.name = name
        self.connection = connection

    @property
    def store(self) -> Store | None:
        """Small values beside the messages, on the same server and in the same transactions; None if it keeps none."""
        return None

    def through(self, alias: str) -> Self | None:
        """Return this queue as reached through the database ``alias``; None if it is not in that database.

        What the returned queue acks takes part in the transactions of ``alias``.
        """
        return None

    def write(self, data: bytes) -> None:
        """Put ``data`` at the end of the queue."""
        raise NotImplementedError(f"{type(self).__name__} must define write(data).")

    def read(self) -> bytes | None:
        """Remove the next message and return it, or None when there is none.

        An empty queue is not an error; a broken one always raises.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read().")

    def flush(self) -> None:
        """Delete every message of this queue, whatever its state."""
        raise NotImplementedError(f"{type(self).__name__} must define flush().")

    def __len__(self) -> int:
        """Return how many messages wait, including delayed ones, excluding leased and dead ones."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__().")

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    # What follows is built on the four methods: dead letters are kept in a separate queue.

    @property
    def dead(self) -> Self:
        """The queue that keeps this one's dead letters: ``<name>.dead``."""
        return type(self)(f"{self.name}.dead", self.connection)

    def bury(self, letter: DeadLetter) -> None:
        """Store ``letter`` as a dead letter."""
        self.dead.write(pack_dead_letter(letter))

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        """Return up to ``count`` dead letters, newest first, or only those with ``ids``."""
        seen: list[DeadLetter] = []

        def note(letter: DeadLetter) -> bool:
            if ids is None or letter.id in ids:
                seen.append(letter)
            return False

        self._go_round(note)
        return seen[::-1][:count]

    def replay(self, ids: Collection[str] | None = None) -> int:
        """Put the dead letters of ``ids`` (None: all) back into the queue, as if never tried.

        Return how many. Ids that do not exist are ignored.
        """

        def put_back(letter: DeadLetter) -> bool:
            if chosen := ids is None or letter.id in ids:
                self.write(letter.data)
            return chosen

        return self._go_round(put_back)

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        """Return the ids of up to ``count`` dead letters whose id begins with ``prefix``, newest first."""
        found: list[str] = []

        def note(letter: DeadLetter) -> bool:
            if letter.id.startswith(prefix):
                found.append(letter.id)
            return False

        self._go_round(note)
        return found[::-1][:count]

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        """Delete the dead letters of ``ids`` (None: all) that died before ``before`` (None: at any time).

        Return how many. ``before`` is an aware datetime.
        """
        return self._go_round(
            lambda letter: (ids is None or letter.id in ids) and (before is None or letter.died < before)
        )

    def stats(self) -> Stats:
        """Return the number of messages in each state."""
        return Stats(ready=len(self), dead=len(self.dead))

    def _go_round(self, take: Callable[[DeadLetter], bool]) -> int:
        """Read each dead letter and put it back unless ``take`` took it; return how many it took.

        One at a time: four methods cannot look without reading, and if this process dies here, only
        the message it has just read is lost.
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
    """A queue with leases: no message is removed before it is settled.

    ``receive`` lends messages to an *owner*, a random token for the lifetime of one worker process.
    A message stays the owner's until the owner acks, releases, retries or rejects it, or until another
    consumer finds that the owner's beat counter no longer advances and reaps it. Every settling method
    is fenced by the owner: it returns the ids that were still the owner's, and changes nothing for the others.

    Driver errors are raised as ``BackendError``; ``BackendUnavailable`` means that calling
    again later may help, and that the call may or may not have taken effect. Sending the
    same id again, settling again and reaping again are harmless; after a failed ``receive`` call
    ``adopt`` to learn what was lent.
    """

    supports_leases = True
    supports_delay = True
    supports_priority = True

    def open(self) -> None:
        """Prepare for a consumer: only the calling thread will use this object.

        Called once, before anything is lent; a backend may open its own connection.
        """

    def close(self) -> None:
        """Close every connection, file and thread: the process may fork. The next call opens new ones."""

    def hang_up(self) -> None:
        """Break the connection on which another thread waits: its call raises ``BackendUnavailable``.

        For a network that drops everything silently. May be called from any thread. A backend
        whose calls time out within a few seconds need not do anything.
        """

    def send(self, envelopes: Sequence[Envelope]) -> None:
        """Put ``envelopes`` into the queue, all or none, in one round trip.

        An id that is already in the queue, in any state, is ignored.
        """
        raise NotImplementedError

    def send_once(self, key: str, envelope: Envelope) -> bool:
        """Send ``envelope`` unless ``key`` was used on this queue within the last day; atomic.

        Return whether it was sent: of any number of callers with the same key, exactly one gets True.
        """
        raise NotImplementedError

    def enroll(self, owner: int) -> None:
        """Register ``owner`` with a beat counter of 0."""
        raise NotImplementedError

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        """Ack ``done`` and lend up to ``count`` due messages, in one round trip.

        Messages are lent by priority, largest first, then oldest first. An empty queue gives an empty
        batch; a ``blocking`` backend first waits up to ``wait`` seconds for a message. Raises ``OwnerLost``
        when ``owner`` is not enrolled; then nothing was acked or lent.
        """
        raise NotImplementedError

    def prefetch(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch] | None:
        """Start a ``receive`` and return a function that waits for the batch; None if this is not supported.

        The backend works while the caller does. The function must be called, in any thread,
        before any other method of this object, and raises what ``receive`` would.
        """
        return None

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        """Remove messages that are done."""
        raise NotImplementedError

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        """Give messages back without charging them; with no delay they are the next to be lent."""
        raise NotImplementedError

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        """Give messages back, each after its delay, with one more attempt or one more offer counted."""
        raise NotImplementedError

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        """Turn messages into dead letters, each with its error and the attempts to add."""
        raise NotImplementedError

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        """Return what is lent to ``owner`` except ``known``: messages whose reply was lost."""
        raise NotImplementedError

    def held(self, owner: int, ids: Collection[str]) -> set[str]:
        """Return which of ``ids`` are lent to ``owner``."""
        raise NotImplementedError

    def beat(self, owners: Collection[int]) -> set[int]:
        """Advance the beat counters of ``owners``; return the owners that are still enrolled."""
        raise NotImplementedError

    def owners(self) -> dict[int, int]:
        """Return the beat counter of every owner enrolled on this queue."""
        raise NotImplementedError

    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int:
        """Remove ``owner`` and give back everything it held, to the head of the queue.

        With ``beats``, only if its counter still has that value. With ``running``, each message that was
        running is charged a crash, with the reason as its error, and the others nothing; without it
        (it is unknown what ran), every message is charged a redelivery. Return how many came back.
        """
        raise NotImplementedError

    def sweep(self, seconds: float = 0.05) -> int:
        """Give back messages that no owner holds and no list names; return how many came back.

        Each is charged a redelivery. The maintainer calls this regularly: it searches for about ``seconds``
        and continues from there when called again. Safe beside any other call. Returns 0 if no message can get lost.
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
        """Put the dead letters of ``ids`` (None: all) back, with their counters reset; return how many.

        Within their priority they are the next to be lent, in the order in which they were first sent.
        """
        raise NotImplementedError

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        raise NotImplementedError

    def stats(self) -> Stats:
        raise NotImplementedError


def counts_of(queue: BaseQueue) -> dict[str, int | None]:
    """Return the number of messages of ``queue`` in each state; None where the backend cannot know."""
    stats = queue.stats()
    delayed = stats.delayed if queue.supports_delay else None
    leased = stats.leased if queue.supports_leases else None
    return {"ready": stats.ready, "delayed": delayed, "leased": leased, "dead": stats.dead}
