"""What a backend with leases is: fifteen methods, and defaults for the rest.

What each method must do, in executable form, is ``djutils.testing.contract.LeasedQueueContract``; which process and
thread calls it, the table in ``docs/reference/backends.rst``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from djutils.queue.codec import message_id
from djutils.queue.exceptions import BackendError, OwnerLost
from djutils.queue.ids import new_id
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
    Stats,
    Until,
)

from .ageing import Turns
from .base import BaseQueue, new_owner
from .border import nothing
from .channel import LeasedChannel
from .packing import pack_envelope, unpack_envelope

PUT_ASIDE_FOR = 600.0
"""For a backend with ``bring_back``: after how many seconds a message is looked at again, although its command was not resumed."""
_KEY_KEPT = 24 * 3600
_SENT = b"sent"


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

    A backend defines ``send``, ``enroll``, ``receive``, ``release``, ``retry``, ``reject``, ``adopt``, ``beat``, ``owners``
    and ``reap``, and of what every queue has ``flush``, ``stats``, ``dead_letters``, ``replay`` and ``discard``. The
    others have defaults that are correct, and slower than what a store can do by itself.
    """

    guarantee = "at least once"
    supports_leases = True
    supports_delay = True
    supports_priority = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self.turns = Turns()
        """Which of the messages that this object receives are chosen by age."""

    def channel(self, owner: int, heard: Callable[[], object] = nothing) -> LeasedChannel:
        """Return how ``owner`` receives from this queue and settles; ``heard`` is called after each reply."""
        return LeasedChannel(self, owner, heard)

    def open(self) -> None:
        """Prepare for a consumer: only the calling thread will use this object.

        Called before anything is lent, and again after ``close``; a backend may open its own connection.
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
        raise self._undefined("send(envelopes)")

    def send_once(self, key: str, envelope: Envelope) -> bool:
        """Send ``envelope`` unless ``key`` was used on this queue within the last day; return whether it was sent.

        Of any number of callers with the same key, exactly one gets True. The default keeps the key, and until it is
        sent the envelope, in ``store``: if its caller dies before, the next one with the same key sends it. If both do, the
        queue ignores the id that it has; only if the message has succeeded by then, it runs twice. Without
        a store, all callers send.
        """
        if (store := self.store) is None:
            return super().send_once(key, envelope)
        name = f"djutils send_once {key}"
        if new := store.add(name, pack_envelope(envelope), _KEY_KEPT):
            unsent = envelope
        elif (kept := store.get([name]).get(name, _SENT)) != _SENT:
            unsent = unpack_envelope(kept)
        else:
            return False
        self.send([unsent])
        store.set({name: _SENT}, _KEY_KEPT)
        return new

    def send_unique(
        self,
        envelope: Envelope,
        key: str,
        until: Until,
        replace: Callable[[str], bytes] | None = None,
        lane: Lane | None = None,
    ) -> Placement:
        """Send ``envelope`` unless another message holds ``key`` on this queue, in one step; only where ``supports_unique``.

        What is sent holds the key: until it has ended, or until it is lent (``"started"``), or for so many seconds. A message
        that does not exist any more, or is a dead letter, holds nothing, so nothing has to give a key back; one that waits
        again after it was lent holds it again, unless another has taken it meanwhile.

        With ``replace``, a holder that waits gets the bytes ``replace(id)`` and starts to count from 0; if it is delayed, it
        is due after the delay of ``envelope``, else it keeps its place. One that does not wait is left alone, and
        ``envelope`` is sent and takes the key. What is sent waits in ``lane``, if one is given. Of any number of callers with one key, one at a time does all of this.
        """
        raise BackendError(f"{type(self).__name__} cannot send a message with a key; nothing was sent.")

    def enroll(self, owner: int) -> None:
        """Register ``owner`` with a beat counter of 0."""
        raise self._undefined("enroll(owner)")

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        """Ack ``done`` and lend up to ``count`` due messages, in one round trip.

        Messages are lent by priority, largest first, then oldest first; but of every ``ONE_IN`` that a process receives, one
        is the oldest that is due, whatever its priority (see ``djutils.queue.backends.ageing``). An empty queue gives an empty
        batch; a ``blocking`` backend first waits up to ``wait`` seconds for a message. Raises ``OwnerLost``
        when ``owner`` is not enrolled; then nothing was acked or lent.
        """
        raise self._undefined("receive(owner, count, done, wait)")

    def prefetch(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch] | None:
        """Start a ``receive`` and return a function that waits for the batch; None if this is not supported.

        The backend works while the caller does. The function must be called, in any thread,
        before any other method of this object, and raises what ``receive`` would.
        """
        return None

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        """Remove messages that are done."""
        if not ids:
            return set()
        try:
            return set(ids) - self.receive(owner, 0, ids).late
        except OwnerLost:
            return set()

    def finish(self, owner: int, records: Mapping[str, bytes], ttl: float) -> set[str]:
        """Keep the record of each message that is done in ``results``, and remove the messages.

        ``records`` are by message id; they are kept for ``ttl`` seconds. At no moment is a message gone whose record is not
        there: the default keeps them first, a backend with its own store does both at once, for those that are the owner's.
        """
        ours = self.held(owner, [*records])
        if ours and (store := self.results) is not None:
            store.set({id: records[id] for id in ours}, ttl)
        return self.ack(owner, ours)

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        """Give messages back without charging them; with no delay they are lent before what was sent later."""
        raise self._undefined("release(owner, ids, delay)")

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        """Give messages back, each after its delay, with one more attempt or one more offer counted."""
        raise self._undefined("retry(owner, retrials)")

    def bring_back(self, error: str, count: int = 500) -> int:
        """Make up to ``count`` delayed messages due now whose error begins with the text ``error``; return how many.

        Those that are due first come first. So what was put aside, with that error, waits no longer. Nothing else changes.
        The default returns 0: they wait until their delay is over, which ``put_aside_for`` limits.
        """
        return 0

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        """Turn messages into dead letters, each with its error and the attempts to add."""
        raise self._undefined("reject(owner, rejections)")

    def remove(self, ids: Collection[str]) -> set[str]:
        """Delete messages that wait, ready or delayed; return their ids. What is lent or dead stays.

        Raises ``BackendError`` where that is not possible, as by default.
        """
        raise BackendError(f"{type(self).__name__} cannot remove a waiting message; nothing was changed.")

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        """Return what is lent to ``owner`` except ``known``: messages whose reply was lost."""
        raise self._undefined("adopt(owner, known)")

    def held(self, owner: int, ids: Collection[str]) -> set[str]:
        """Return which of ``ids`` are lent to ``owner``."""
        return {delivery.id for delivery in self.adopt(owner, ())}.intersection(ids)

    def beat(self, owners: Collection[int]) -> set[int]:
        """Advance the beat counters of ``owners``; return the owners that are still enrolled."""
        raise self._undefined("beat(owners)")

    def owners(self) -> dict[int, int]:
        """Return the beat counter of every owner enrolled on this queue."""
        raise self._undefined("owners()")

    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int:
        """Remove ``owner`` and give back everything it held, ahead of what was sent later.

        With ``beats``, only if its counter still has that value. With ``running``, each message that was
        running is charged a crash, with the reason as its error, and the others nothing; without it
        (it is unknown what ran), every message is charged a redelivery. Return how many came back.
        """
        raise self._undefined("reap(owner, beats, running)")

    def sweep(self, seconds: float = 0.05) -> int:
        """Give back messages that no owner holds and no list names; return how many came back.

        Each is charged a redelivery. The maintainer calls this regularly: it searches for about ``seconds``
        and continues from there when called again. Safe beside any other call. Returns 0 where the
        store cannot lose track of a message.
        """
        return 0

    def __len__(self) -> int:
        stats = self.stats()
        return stats.ready + stats.delayed + stats.waiting

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
        raise self._undefined("dead_letters(ids, count)")

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        """Return the ids of up to ``count`` dead letters whose id begins with ``prefix``.

        The default loads them all; a backend with many can do better.
        """
        ids = (letter.id for letter in self.dead_letters(count=max(1, self.stats().dead)))
        return [id for id in ids if id.startswith(prefix)][:count]

    def replay(self, ids: Collection[str] | None = None) -> int:
        """Put the dead letters of ``ids`` (None: all) back, with their counters reset; return how many.

        Within their priority they are lent before what was sent later, in the order in which they were first sent.
        """
        raise self._undefined("replay(ids)")

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        raise self._undefined("discard(ids, before)")

    def stats(self) -> Stats:
        raise self._undefined("stats()")

    def _undefined(self, method: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} must define {method}.")
