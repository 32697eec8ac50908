"""Running a command at once for a caller that waits for it: eager mode and ``invoker.dequeue()``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from . import codec
from .backends.base import BaseQueue, new_owner
from .backends.channel import Channel
from .backends.leased import LeasedQueue
from .command import Command
from .current import Lease
from .event_loops import apart
from .exceptions import InvalidMessage, MessageError, Postpone, TooDangerous
from .executor import Executor
from .ids import new_id
from .message import Action, DeadLetter, Delivery, Message, Outcome
from .retry import RetryPolicy
from .tracebacks import describe


class DirectExecutor(Executor):
    """Runs one delivery as a worker does, but only once, and raises the command's exceptions to the caller.

    A run that fails is neither retried nor logged: the caller, which gets the exception, decides about that.
    """

    _raised: BaseException | None = None

    def run(self, delivery: Delivery, settle: Callable[[Outcome], object] = lambda outcome: None) -> None:
        """Run a delivery, pass its outcome to ``settle``, then raise what the command raised.

        ``SystemExit`` and ``KeyboardInterrupt`` are raised at once; nothing is settled then.
        """
        outcome = apart(partial(self.execute, delivery))
        settle(outcome)
        if self._raised is not None:
            raise self._raised

    def _early_by(self, message: Message) -> float:
        return 0.0  # the caller waits for it now

    def _taken_back(self, message: Message, error: BaseException) -> Outcome:
        raise error

    def _postpone(
        self, command_class: type[Command], message: Message, delivery: Delivery, told: Postpone
    ) -> Outcome:
        outcome = super()._postpone(command_class, message, delivery, told)
        self._raised = self._raised or told
        return outcome

    def _turn_away(self, delivery: Delivery, error: InvalidMessage) -> Outcome:
        self._raised = error
        return Outcome(Action.REJECT, error=describe(error), charge=0)

    def _refuse(
        self, command_class: type[Command], message: Message, error: TooDangerous, text: str
    ) -> Outcome:
        return self._reject(command_class, message, error, text, charge=0)

    def _fail(
        self,
        command_class: type[Command],
        policy: RetryPolicy,
        message: Message,
        delivery: Delivery,
        error: BaseException,
        charge: int = 1,
    ) -> Outcome:
        if not isinstance(error, Exception):
            raise error
        return self._reject(command_class, message, error, describe(error), charge)

    def _reject(
        self, command_class: type[Command], message: Message, error: BaseException, text: str, charge: int
    ) -> Outcome:
        self._raised = error
        return super()._reject(command_class, message, error, text, charge)


def run_next(queue: BaseQueue) -> Message | None:
    """Take the next command off ``queue``, run it and return its message; None if there is none."""
    return _run_lent(queue) if isinstance(queue, LeasedQueue) else _run_popped(queue)


def _run_lent(queue: LeasedQueue) -> Message | None:
    owner = new_owner()
    queue.enroll(owner)
    try:
        for delivery in queue.receive(owner, 1).deliveries:
            channel = queue.channel(owner)
            settle = partial(_settle, channel, delivery)
            DirectExecutor(queue.name, lease=Lease(queue, owner)).run(delivery, settle)
            return codec.decode(delivery.data, queue.name)
        return None
    finally:
        queue.reap(owner, running={})


def keep(queue: BaseQueue, outcome: Outcome) -> None:
    """Keep what is to be kept of a run, where the queue can."""
    if outcome.kept is not None and queue.results is not None:
        queue.results.set(outcome.kept.values, outcome.kept.ttl)


def _settle(channel: Channel, delivery: Delivery, outcome: Outcome) -> None:
    channel.settle([(delivery, outcome)])


def _run_popped(queue: BaseQueue) -> Message | None:
    data = _next_due(queue)
    if data is None:
        return None
    delivery = Delivery(codec.message_id(data) or new_id(), data)
    DirectExecutor(queue.name).run(delivery, partial(_settle_popped, queue, delivery))
    return codec.decode(data, queue.name)


def _settle_popped(queue: BaseQueue, delivery: Delivery, outcome: Outcome) -> None:
    if outcome.action is Action.REJECT:
        queue.bury(DeadLetter(delivery.id, delivery.data, outcome.error, datetime.now(UTC)))
    elif outcome.action is Action.RELEASE:
        queue.write(codec.postpone(delivery.data, queue.name, outcome.delay))


def _next_due(queue: BaseQueue) -> bytes | None:
    """Return the next message that is due; others go to the end of the queue, once around."""
    first_early = b""
    while (data := queue.read()) is not None:
        try:
            eta = codec.decode(data, queue.name).eta
        except MessageError:
            return data
        if eta is None or eta <= time.time():
            return data
        queue.write(data)
        if data == first_early:
            return None
        first_early = first_early or data
    return None
