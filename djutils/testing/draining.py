"""Running waiting calls in a test, as a consumer would."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue, new_owner
from djutils.queue.backends.channel import Channel
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.current import Lease
from djutils.queue.exceptions import InvalidMessage, MessageError, QueueException
from djutils.queue.executor import Executor
from djutils.queue.message import Action, Crashes, Delivery, Outcome
from djutils.queue.signals import command_died, command_retried

from .crashing import dies_now
from .enqueued import ROUNDED, Enqueued, chosen, read
from .stores import Waiting, view_of
from .transactions import send_what_is_committed, spared

_MOST = 1000
_DEATH = "The test let its process die here: crash()."


def drain(
    queue: BaseQueue | str | None = None,
    *,
    delays: bool = False,
    retries: bool = False,
    until: timedelta | None = None,
) -> list[Enqueued]:
    """Run the calls that wait on ``queue`` (None: every queue, as for ``enqueued``), and return those that succeeded.

    They run as in production: with the same executor, signals and attempts, and calls that commands enqueue also run.
    An exception of a command is raised once its message is settled: the message waits for its next attempt, or is
    a dead letter. The remaining calls still wait then. The transaction of a Django ``TestCase`` stays usable, even
    if a statement has failed; what the command wrote before is then undone as far as the database requires it.

    With ``retries``, a command that fails is run again, as often as its options allow, without waiting in
    between; only the error of a dead letter is raised. With ``delays``, calls that are not yet due also run, in
    the order in which they are due. With ``until``, only those that are due within that time run, and time
    passes: what a command enqueues with a delay counts from the moment at which the command itself was due. The
    clock is not changed: a command sees the real time. Periodic commands are not enqueued.

    Raises ``ValueError`` for an ``until`` that is no such time. After 1000 runs it raises ``QueueException``, because a command may enqueue itself endlessly.
    """
    with ExitStack() as stack:
        return _Drain(queue, stack, delays, retries, until).run()


class _Drain:
    """One call of ``drain``."""

    def __init__(
        self,
        queue: BaseQueue | str | None,
        stack: ExitStack,
        delays: bool,
        retries: bool,
        until: timedelta | None,
    ) -> None:
        self._queue = queue
        self._stack = stack
        self._delays, self._retries = delays or until is not None, retries
        self._passing = _Passing(until)
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
        """Return the delivery to run next, and the reader it comes from."""
        if found := self._received():
            return found
        self._hasten()
        # Asked again in any case: one may have become due between the two looks.
        return self._received()

    def _received(self) -> tuple[_Reader, Delivery] | None:
        for queue in chosen(self._queue):
            if queue not in self._readers:
                self._readers[queue] = _Reader(queue, self._stack)
            for delivery in self._readers[queue].channel.receive(1, (), 0.0):
                return self._readers[queue], delivery
        return None

    def _hasten(self) -> None:
        """Make the delayed call that is due first, and may be run, due now, if there is one."""
        if not (self._delays or self._retries):
            return
        delayed = [
            (self._passing.moment_of(one.id, one.due), one.id, view)
            for view in map(view_of, chosen(self._queue))
            for one in view.waiting()
            if one.due is not None and self._may_hasten(one)
        ]
        if not delayed:
            return
        moment, id, view = min(delayed, key=lambda found: found[:2])
        if self._passing.reaches(moment):
            view.hasten([id])

    def _may_hasten(self, one: Waiting) -> bool:
        return self._delays or (self._retries and (one.attempts > 0 or one.id in self._retried))

    def _run(self, reader: _Reader, delivery: Delivery) -> Enqueued | None:
        if dies_now("before_run"):
            self._die(reader, delivery)
            return None
        with spared():
            outcome = reader.executor.execute(delivery)
        if dies_now("after_run"):
            self._die(reader, delivery)
            return None
        reader.settle(delivery, outcome)
        # A queue with four methods does not know ids: its deliveries have separate ids.
        id = codec.message_id(delivery.data) or delivery.id
        noted = self._failures.pop(id, None)
        if noted is None and outcome.action not in {Action.RETRY, Action.REJECT}:
            return read(reader.queue, Waiting(delivery.id, delivery.data, None, delivery.attempts))
        error = noted or InvalidMessage(outcome.error.partition("\n")[0])
        final = outcome.action is not Action.RETRY or not self._retries
        if final or isinstance(error, MessageError) or not isinstance(error, Exception):
            raise error
        self._retried.add(id)
        return None

    def _die(self, reader: _Reader, delivery: Delivery) -> None:
        """Take back what ``reader`` holds, as a supervisor does for a process that has died, and use another."""
        self._failures.pop(codec.message_id(delivery.data) or delivery.id, None)
        reader.give_back({delivery.id: _DEATH})
        del self._readers[reader.queue]

    def _note(self, message: Any, exception: BaseException, **facts: Any) -> None:
        self._failures[message.id] = exception


class _Passing:
    """The time that passes while delayed calls are run before they are due."""

    def __init__(self, until: Any) -> None:
        if until is not None and not (isinstance(until, timedelta) and until >= timedelta(0)):
            raise ValueError(
                f"drain(until={until!r}) must be a timedelta that is not negative; nothing was run."
            )
        began = time.time()
        self._now = began
        self._end = float("inf") if until is None else began + until.total_seconds()
        self._seen: dict[str, tuple[float, float]] = {}

    def moment_of(self, id: str, due: float) -> float:
        """Return when the call is due, if the time that has passed so far had passed before it was made."""
        seen, moment = self._seen.get(id, (float("-inf"), 0.0))
        # A view may compute the same moment a little differently each time; a retry has another one.
        if abs(due - seen) > ROUNDED:
            moment = due + max(0.0, self._now - time.time())
            self._seen[id] = due, moment
        return moment

    def reaches(self, moment: float) -> bool:
        """Return whether time may pass until ``moment``; if so, it has."""
        if moment > self._end:
            return False
        self._now = max(self._now, moment)
        return True


class _Reader:
    """Takes messages from one queue, and gives back those it still holds when ``stack`` is closed."""

    def __init__(self, queue: BaseQueue, stack: ExitStack) -> None:
        self.queue = queue
        self._owner = owner = new_owner()
        lease = None
        # Not opened: a consumer opens its own connection, but only this connection sees what this test has sent.
        if isinstance(queue, LeasedQueue):
            queue.enroll(owner)
            stack.callback(self.give_back, {})
            lease = Lease(queue, owner)
        self.channel: Channel = queue.channel(owner)
        self.executor = Executor(queue.name, lease=lease)

    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Carry out ``outcome``."""
        if outcome.action is Action.SETTLED and isinstance(self.queue, LeasedQueue):
            # A failed statement may have rolled back the test's transaction, and the acknowledgement with it.
            self.queue.ack(self._owner, [delivery.id])
        self.channel.settle([(delivery, outcome)])

    def give_back(self, running: Crashes) -> None:
        """Remove the owner, and charge ``running`` with a crash."""
        if isinstance(self.queue, LeasedQueue):
            self.queue.reap(self._owner, running=running)
