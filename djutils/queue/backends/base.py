"""What a backend is: four methods. ``leased.py`` has what one with leases is.

A backend moves opaque bytes. It never sees a command, a retry policy or a result. What each
method must do, in executable form, is ``djutils.testing.contract.QueueContract``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Self

from djutils.queue.message import DeadLetter, Envelope, Stats
from djutils.queue.stores.base import Store

from .border import nothing
from .channel import Channel
from .lanes import Lanes
from .looking import Looking
from .packing import pack_dead_letter, unpack_dead_letter
from .popping import PopChannel
from .subscription import Subscription


def new_owner() -> int:
    """Return a token for the lifetime of one worker process: 62 random bits, never 0."""
    return secrets.randbits(62) or 1


def own_alias(alias: str) -> str:
    """Return the alias of a consumer's private connection to the database ``alias``."""
    return f"{alias} for djutils"


def is_own_alias(alias: str) -> bool:
    """Return whether ``alias`` is one that ``own_alias`` returns."""
    return alias.endswith(own_alias(""))


class BaseQueue(Looking, Lanes):
    """A named queue of messages: ``write``, ``read``, ``flush``, ``__len__``, as in 2011.

    A subclass with these four methods works with everything. It has no leases: ``read`` removes the
    message, so a worker that is killed while it runs a command loses that message.
    """

    guarantee = "at most once under a kill: a killed worker loses the messages it was running"
    """What is guaranteed when a worker is killed; a consumer logs it when it starts."""
    batch = 100
    """Most messages to ask for at once: more gains little and makes other consumers wait."""
    put_aside_for = 30.0
    """Most seconds that a message of a paused command is put aside, until a consumer looks at it again."""
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
    supports_unique = False
    """Whether a message can hold a key, which keeps others with the same key out: ``send_unique``."""
    transaction_alias: str | None = None
    """The database alias whose transactions a send takes part in, if any."""
    project_alias: str | None = None
    """The database alias that the project's models are written to, if an ack can take part in a transaction."""

    def __init__(self, name: str, connection: str = "") -> None:
        """Remember the queue's name and its connection; connect only when needed."""
        self.name = name
        self.connection = connection

    results_elsewhere: Store | None = None
    """Where the results of its commands are kept, if not beside its messages: ``QUEUE_RESULT_STORE``."""

    @property
    def results(self) -> Store | None:
        """Where the results of its commands are kept; None if they cannot be: then nothing could be told of a waiting one."""
        return (self.results_elsewhere or self.store) if self.supports_leases and self.supports_peek else None

    @property
    def store(self) -> Store | None:
        """Small values beside the messages, on the same server and in the same transactions; None if it keeps none."""
        return None

    def subscribe(self, id: str) -> Subscription | None:
        """Return what hears of the end of the message ``id`` from now on; None if the store cannot tell.

        Raises ``BackendError``. The caller closes it.
        """
        return None

    def channel(self, owner: int, heard: Callable[[], object] = nothing) -> Channel:
        """Return how a worker process, ``owner``, receives from this queue and settles what it received.

        ``heard`` is called each time the backend has replied. Connects to nothing.
        """
        return PopChannel(self, heard)

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

    def send(self, envelopes: Sequence[Envelope]) -> None:
        """Put ``envelopes`` into the queue, in this order; after an error the first ones may be there.

        Only their data are kept: four methods know no ids, and what is not due yet is taken and written again.
        """
        for envelope in envelopes:
            self.write(envelope.data)

    def send_once(self, key: str, envelope: Envelope) -> bool:
        """Send ``envelope``, and return whether it was sent: a queue that keeps no keys sends for every caller."""
        self.send([envelope])
        return True

    def owners(self) -> dict[int, int]:
        """Return the beat counter of every worker process that is enrolled here; four methods enroll none."""
        return {}

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


def counts_of(queue: BaseQueue) -> dict[str, int | None]:
    """Return the number of messages of ``queue`` in each state, and waiting in lanes; None where the backend cannot know."""
    stats = queue.stats()
    delayed = stats.delayed if queue.supports_delay else None
    leased = stats.leased if queue.supports_leases else None
    counts = {"ready": stats.ready, "delayed": delayed, "leased": leased, "dead": stats.dead}
    return {**counts, "waiting": stats.waiting}


def age_of_oldest(queue: BaseQueue) -> float | None:
    """Return how many seconds ago the oldest message that is due was sent; 0 if none is due, None where that cannot be known.

    Raises ``BackendError``.
    """
    if not queue.supports_peek:
        return None
    oldest = queue.oldest()
    if oldest is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - oldest.sent).total_seconds()) if oldest.sent else None
