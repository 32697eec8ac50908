"""Running what waits, here and now, as a consumer would."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue, LeasedQueue, new_owner
from djutils.queue.current import Lease
from djutils.queue.exceptions import InvalidMessage, MessageError, QueueException
from djutils.queue.executor import Executor
from djutils.queue.message import Action, Delivery
from djutils.queue.signals import command_died, command_retried
from djutils.queue.workers.channel import Channel, make_channel

from .enqueued import Enqueued, chosen, read
from .stores import Waiting, view_of
from .transactions import send_what_is_committed, spared

_MOST = 1000


def drain(
    queue: BaseQueue | str | None = None, *, delays: bool = False, retries: bool = False
) -> list[Enqueued]:
    """Run what waits on ``queue`` (None: on every queue, as for ``enqueued``), and return what ran successfully.

    As in production: by the same executor, with signals and attempts, and what the commands enqueue is run too.
    What a command raises comes out, once its message is settled: it waits for its next attempt, or is a dead
    letter. The rest still waits then. A transaction of Django's ``TestCase`` can go on after it, also when a
    statement has failed; what the command wrote in it before is then undone, as far as the database demands it.

    With ``retries``, a command that fails is run again, as often as its options allow, without the waiting in
    between; only what becomes a dead letter is raised. With ``delays``, what is not yet due is run as well, in
    the order in which it is due. The clock is not changed: a command sees the time as it is.

    After 1000 runs it raises ``QueueException``: a command that enqueues itself has no end.
    """
    with ExitStack() as stack:
        return _Drain(queue, stack, delays, retries).run()


class _Drain:
    """One call of ``drain``."""

    def __init__(self, queue: BaseQueue | str | None, stack: ExitStack, delays: bool, retries: bool) -> None:
        self._queue = queue
        self._stack = stack
        self._delays, self._retries = delays, retries
        self._readers: dict[BaseQueue, _Reader] = {}
        self._failures: dict[str, BaseException] = {}
        self._retried: set[str] = set()
        for signal in (command_died, command_retried):
            signal.connect(self._note, weak=False)
            stack.callback(signal.disconnect, self._note)

    def run(self) -> list[Enqueued]:
        ran: list[Enqueued] = []
        for _ in range(_MOST):
            send_what_is_committed()
            if (found := self._next()) is None:
                return ran
            call = self._run(*found)
            ran += [call] if call else []
        raise QueueException(
            f"drain() has run {_MOST} commands and was stopped; the rest still waits. Does a command enqueue itself?"
        )

    def _next(self) -> tuple[_Reader, Delivery] | None:
        """Return what is to run next, and who lends it."""
        if found := self._received():
            return found
        return self._received() if self._hasten() else None

    def _received(self) -> tuple[_Reader, Delivery] | None:
        for queue in chosen(self._queue):
            if queue not in self._readers:
                self._readers[queue] = _Reader(queue, self._stack)
            for delivery in self._readers[queue].channel.receive(1, (), 0.0):
                return self._readers[queue], delivery
        return None

    def _hasten(self) -> bool:
        """Make due what is due first of what is delayed and may be run; return whether there was any."""
        if not (self._delays or self._retries):
            return False
        delayed = [
            (one.due, one.id, view)
            for view in map(view_of, chosen(self._queue))
            for one in view.waiting()
            if one.due is not None and self._may_hasten(one)
        ]
        if not delayed:
            return False
        _, id, view = min(delayed, key=lambda found: found[:2])
        view.hasten([id])
        return True

    def _may_hasten(self, one: Waiting) -> bool:
        return self._delays or (self._retries and (one.attempts > 0 or one.id in self._retried))

    def _run(self, reader: _Reader, delivery: Delivery) -> Enqueued | None:
        with spared():
            outcome = reader.executor.execute(delivery)
        reader.channel.settle([(delivery, outcome)])
        if outcome.action not in {Action.RETRY, Action.REJECT}:
            return read(reader.queue, Waiting(delivery.id, delivery.data, None, delivery.attempts))
        # A queue of four methods knows no ids: what it delivers has one of its own.
        id = codec.message_id(delivery.data) or delivery.id
        error = self._failures.pop(id, None) or InvalidMessage(outcome.error.partition("\n")[0])
        final = outcome.action is Action.REJECT or not self._retries
        if final or isinstance(error, MessageError) or not isinstance(error, Exception):
            raise error
        self._retried.add(id)
        return None

    def _note(self, message: Any, exception: BaseException, **facts: Any) -> None:
        self._failures[message.id] = exception


class _Reader:
    """Takes messages off one queue, and gives back what it still holds when ``stack`` is closed."""

    def __init__(self, queue: BaseQueue, stack: ExitStack) -> None:
        self.queue = queue
        owner = new_owner()
        lease = None
        # Not opened: a consumer takes a connection of its own, and what this test has sent is seen by its own only.
        if isinstance(queue, LeasedQueue):
            queue.enroll(owner)
            stack.callback(queue.reap, owner, running={})
            lease = Lease(queue, owner)
        self.channel: Channel = make_channel(queue, owner)
        self.executor = Executor(queue.name, lease=lease)
