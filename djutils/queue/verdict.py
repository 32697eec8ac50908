"""What becomes of a delivery whose command did not succeed, or was not run at all."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from django.dispatch import Signal

from .cancelling import cancelled_among
from .command import Command
from .counters import End, EndedRuns, Note
from .current import Lease, begun_once, running
from .exceptions import (
    BackendError,
    Cancelled,
    ConfigurationError,
    Control,
    Drop,
    ForeignMessage,
    InvalidMessage,
    MessageError,
    NotItsTurn,
    OwnerLost,
    Postpone,
    QueueException,
    Reject,
    Retry,
    TimeLimitExceeded,
    TooDangerous,
)
from .keeping import with_record
from .message import SETTLED, Action, Delivery, Message, Outcome
from .milestones import has_moved
from .retry import DEFAULT, ONCE, UNKNOWN, RetryPolicy, as_delay
from .signals import command_died, command_dropped, command_postponed, command_retried
from .tracebacks import describe, users_part

logger = logging.getLogger("djutils.queue.executor")

_SOONEST = 1.0
"""Seconds that a command is postponed at least."""
_UNCONDITIONAL = (Control, MessageError, ConfigurationError)
"""What ``retry_on`` and ``discard_on`` do not decide: a word of the command's, and what kept it from running."""
_LAST_RUN = "%s rejected, attempt %d: %s"
_ONLY_RUN = "%s failed in its only run (at_most_once), and leaves no dead letter, attempt %d: %s"


class Verdict:
    """Decides the outcome, logs it and sends the signal: the part of an ``Executor`` that runs nothing."""

    def __init__(self, lease: Lease | None, ended: EndedRuns | None = None) -> None:
        self._lease = lease
        self._ended = ended

    def _ended_by(
        self, error: BaseException, command_class: type[Command], message: Message, delivery: Delivery
    ) -> Outcome:
        """Return the outcome of a run that ended with ``error``."""
        if self._was_cancelled(command_class, message):
            error = Cancelled(f"It was cancelled while it ran, and ended with {type(error).__name__}.")
            outcome = self._drop(command_class, message, error)
        else:
            outcome = self._outcome_of(error, command_class, message, delivery)
        outcome = with_record(outcome, command_class, message, delivery, error)
        return outcome._replace(action=Action.SETTLED) if begun_once.get() else outcome

    def _in_lane(self, message: Message, outcome: Outcome) -> Outcome:
        """Return ``outcome`` with the lane of the message, if it has one and is lent; else ``outcome`` as it is."""
        if self._lease is None or (lane := message.lane) is None:
            return outcome
        # Acks are not told apart once they wait for the next batch.
        action = Action.FINISH if outcome.action is Action.ACK else outcome.action
        return outcome._replace(action=action, lane=lane.name)

    def _count(self, end: End, message: Message) -> None:
        """Note that ``message`` has not succeeded, with its times if it was run here."""
        if self._ended is None:
            return
        run, note = running.get(), Note(message.command, end)
        if run and run.message is message:
            seconds = time.perf_counter() - run.began
            note = note._replace(seconds=seconds, wait=(due_of(message, run.delivery), run.began))
        self._ended.others.append(note)

    def _was_cancelled(self, command_class: type[Command], message: Message) -> bool:
        run = running.get()
        if run is None or self._lease is None or not command_class.keeps_results():
            return False
        if run.watchdog and run.watchdog.is_asked_to_end(message.id):
            return True
        # A run is told after a second: one that fails earlier would be tried again and again, and never hear of it.
        with suppress(BackendError):
            return message.id in cancelled_among(self._lease.queue, [message.id])
        return False

    def _outcome_of(
        self, error: BaseException, command_class: type[Command], message: Message, delivery: Delivery
    ) -> Outcome:
        if begun_once.get():
            return self._ended_once(error, command_class, message, delivery)
        match error:
            case OwnerLost():
                return self._taken_back(message, error)
            case Postpone():
                return self._postpone(command_class, message, delivery, error)
            case Drop():
                return self._drop(command_class, message, error)
            case TimeLimitExceeded() if has_moved(self._lease, message.id):
                told = Postpone(0, f"{error} It has kept how far it is, and goes on from there.")
                return self._postpone(command_class, message, delivery, told)
            case _:
                policy = _policy_for(error, command_class)
                if policy.discards(type(error)):
                    return self._drop(command_class, message, error)
                return self._fail(command_class, policy, message, delivery, error)

    def _ended_once(
        self, error: BaseException, command_class: type[Command], message: Message, delivery: Delivery
    ) -> Outcome:
        """As ``_outcome_of``, of the only run: its message is gone, whatever the command asks for."""
        if isinstance(error, Drop) or _policy_for(error, command_class).discards(type(error)):
            return self._drop(command_class, message, error)
        return self._fail(command_class, ONCE, message, delivery, error)

    def _taken_back(self, message: Message, error: BaseException) -> Outcome:
        logger.log(
            logging.DEBUG if isinstance(error, NotItsTurn) else logging.WARNING, "%s: %s", message.id, error
        )
        return SETTLED

    def _postpone(
        self, command_class: type[Command], message: Message, delivery: Delivery, told: Postpone
    ) -> Outcome:
        try:
            # With no delay at all it would be lent again at once, and do nothing else.
            delay = max(_SOONEST, as_delay(told.delay))
        except (TypeError, ValueError) as error:
            return self._fail(command_class, command_class.retry_policy(), message, delivery, error)
        self._count(End.POSTPONED, message)
        logger.info("%s %s postponed by %.1f s: %s", message.id, message.command, delay, told)
        send_signal(command_postponed, command_class, message=message, exception=told, delay=delay)
        return Outcome(Action.RELEASE, delay=delay)

    def _drop(self, command_class: type[Command], message: Message, told: BaseException) -> Outcome:
        reason = str(told) if isinstance(told, QueueException) else describe(told).partition("\n")[0]
        self._count(End.DROPPED, message)
        logger.info("%s %s dropped: %s", message.id, message.command, reason)
        send_signal(command_dropped, command_class, message=message, exception=told)
        return Outcome(Action.DROP, error=reason)

    def _turn_away(self, delivery: Delivery, error: InvalidMessage) -> Outcome:
        """Return the outcome of bytes that are not a command of this site, or were signed with a foreign key."""
        # A queue with four methods can neither delay it nor count how often it was offered.
        if isinstance(error, ForeignMessage) and self._lease:
            delay = UNKNOWN.delay_after(1 + delivery.offers)
            if delay is not None:
                logger.warning("%s offered again in %.1f s: %s", delivery.id, delay, error)
                return Outcome(Action.RETRY, delay=delay, error=describe(error), charge=0)
        logger.error("%s rejected: %s", delivery.id, error)
        return Outcome(Action.REJECT, error=describe(error), charge=0)

    def _refuse(
        self, command_class: type[Command], message: Message, error: TooDangerous, text: str
    ) -> Outcome:
        logger.error("%s %s rejected: %s", message.id, message.command, error)
        return self._reject(command_class, message, error, text, charge=0)

    def _reject(
        self, command_class: type[Command], message: Message, error: BaseException, text: str, charge: int
    ) -> Outcome:
        self._count(End.DIED, message)
        send_signal(command_died, command_class, message=message, exception=error)
        return Outcome(Action.REJECT, error=text, charge=charge)

    def _fail(
        self,
        command_class: type[Command],
        policy: RetryPolicy,
        message: Message,
        delivery: Delivery,
        error: BaseException,
        charge: int = 1,
    ) -> Outcome:
        attempt = message.attempt + (delivery.attempts if charge else delivery.offers)
        delay = _delay(policy, attempt, error)
        text = describe(error)
        reason = text.partition("\n")[0]
        told = None if isinstance(error, Reject | Retry) else (type(error), error, users_part(error))
        name = f"{message.id} {message.command}"
        if delay is None:
            logger.error(_ONLY_RUN if begun_once.get() else _LAST_RUN, name, attempt, reason, exc_info=told)
            return self._reject(command_class, message, error, text, charge)
        logger.warning("%s retried in %.1f s, attempt %d: %s", name, delay, attempt, reason, exc_info=told)
        self._count(End.RETRIED, message)
        send_signal(command_retried, command_class, message=message, exception=error, delay=delay)
        return Outcome(Action.RETRY, delay=delay, error=text, charge=charge)


def due_of(message: Message, delivery: Delivery) -> float:
    """Return when ``message`` was due, in seconds since the epoch; 0 if it was run before."""
    return 0.0 if delivery.attempts or delivery.crashes else message.eta or message.created


def _policy_for(error: BaseException, command_class: type[Command]) -> RetryPolicy:
    policy = command_class.retry_policy()
    return policy._replace(retry_on=None, discard_on=()) if isinstance(error, _UNCONDITIONAL) else policy


def _delay(policy: RetryPolicy, attempt: int, error: BaseException) -> float | None:
    """Return the seconds until the next attempt; None if there is none."""
    if isinstance(error, Reject) or not policy.retries(type(error)):
        return None
    try:
        delay = policy.delay_after(attempt)
        if isinstance(error, Retry) and error.delay is not None and delay is not None:
            return as_delay(error.delay)
    except Exception:  # a backoff may raise or return anything
        logger.exception("The backoff or delay is invalid; the default is used.")
        return DEFAULT.delay_after(attempt)
    return delay


def send_signal(signal: Signal, sender: type[Command], **facts: Any) -> None:
    """Send ``signal`` to its receivers, if there are any; exceptions of receivers are logged."""
    if signal.receivers:
        signal.send_robust(sender=sender, **facts)
