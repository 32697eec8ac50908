"""One delivery, from bytes to a decision: the same in production, in eager mode and in tests."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from contextvars import Context
from operator import methodcaller
from types import TracebackType
from typing import Any

from django.dispatch import Signal
from django.urls import get_script_prefix, set_script_prefix

from .chain import chain_of, every_middleware
from .codec import decode, load
from .command import Command
from .conf import settings
from .current import Lease, Running, Watchdog, running
from .exceptions import (
    Drop,
    ForeignMessage,
    InvalidMessage,
    NotUnderstood,
    OwnerLost,
    Postpone,
    Reject,
    Retry,
    TooDangerous,
    UnknownCommand,
)
from .message import ACKED, SETTLED, Action, Delivery, Message, Outcome, make
from .middleware.base import Layer, Run, compose, defines
from .registry import CommandRegistry, registry
from .retry import DEFAULT, UNKNOWN, RetryPolicy, as_delay, reason_to_refuse
from .signals import (
    command_died,
    command_dropped,
    command_postponed,
    command_retried,
    command_started,
    command_succeeded,
)

logger = logging.getLogger("djutils.queue.executor")

_ERROR_SIZE = 16 * 1024
_SOONEST = 1.0
"""Seconds that a command is postponed at least."""
_OTHER_ID = (
    "It is stored under an id that is not its own, {}: it was copied or moved by hand. If that one did not "
    "run, enqueue it again."
)


def log_success(message: Message, duration: float) -> None:
    """Log that the command of ``message`` has succeeded after ``duration`` seconds."""
    logger.info("%s %s succeeded in %.3f s", message.id, message.command, duration)


class Executor:
    """Runs deliveries of the queue ``queue_name`` and decides their outcome.

    It settles nothing itself: its caller carries the ``Outcome`` to the backend. ``lease`` names the
    owner of the deliveries, if they are lent.

    Each command runs in a new, empty context: the context variables, language, time zone and decimal
    precision that it sets end with it. The context is not a copy of ours, because its variables would contain
    the same objects. Only Django's script prefix is taken from where this executor was made.
    """

    def __init__(
        self,
        queue_name: str,
        layers: Sequence[Layer] = (),
        registry: CommandRegistry = registry,
        lease: Lease | None = None,
        log_success: Callable[[Message, float], None] = log_success,
    ) -> None:
        self._queue_name = queue_name
        self._layers = layers
        self._registry = registry
        self._lease = lease
        self._log_success = log_success
        prefix = get_script_prefix()
        self._script_prefix = prefix if prefix != "/" else ""
        self._runs: dict[type[Command], Run] = {}
        self._told = [one for one in every_middleware() if defines(one, "settled")]

    def execute(self, delivery: Delivery, watchdog: Watchdog | None = None) -> Outcome:
        """Run a delivery; any exception of the command becomes part of the outcome.

        ``watchdog`` is where the running thread records when the command must have ended.
        """
        try:
            message = decode(delivery.data, self._queue_name)
        except InvalidMessage as error:
            return self._turn_away(delivery, error)
        if self._lease and message.id != delivery.id:
            return self._turn_away(delivery, InvalidMessage(_OTHER_ID.format(message.id)))
        if message.eta is not None and (early := self._early_by(message)) > 0:
            return Outcome(Action.RELEASE, delay=early)
        try:
            command_class = self._registry.get_class(message.command)
            if message.extras_json:
                _refuse_not_understood(message)
        except UnknownCommand as error:
            return self._fail(Command, UNKNOWN, message, delivery, error, charge=0)
        if delivery.crashes or delivery.redeliveries:
            why = reason_to_refuse(delivery.crashes, delivery.redeliveries, settings.QUEUE_MAX_CRASHES)
            if why:
                text = f"{why}\n\n{delivery.error}".rstrip()
                outcome = self._refuse(command_class, message, TooDangerous(why), text)
                return self._tell(command_class, message, outcome)
        outcome = Context().run(self._attempt, command_class, message, delivery, watchdog)
        return self._tell(command_class, message, outcome) if self._told else outcome

    def overrun(self, delivery: Delivery, error: BaseException) -> Outcome:
        """Return the outcome of a delivery whose process had to be killed because of ``error``."""
        message = decode(delivery.data, self._queue_name)
        command_class = self._registry.get_class(message.command)
        outcome = self._fail(command_class, command_class.retry_policy(), message, delivery, error)
        return self._tell(command_class, message, outcome)

    def _early_by(self, message: Message) -> float:
        """Return the seconds until a message is due; 0 for a leased one, which is due by the backend's clock."""
        return 0.0 if self._lease or message.eta is None else message.eta - time.time()

    def _enter(self, run: Running) -> None:
        running.set(run)
        if self._script_prefix:
            set_script_prefix(self._script_prefix)

    def _attempt(
        self, command_class: type[Command], message: Message, delivery: Delivery, watchdog: Watchdog | None
    ) -> Outcome:
        self._enter(make(Running, (message, delivery, self._lease, watchdog)))
        started = time.perf_counter()
        try:
            command = command_class(load(message.body))
            if command_started.receivers:
                send_signal(command_started, command_class, message=message)
            result = (self._runs.get(command_class) or self._run_of(command_class))(command)
        except OwnerLost as error:
            return self._taken_back(message, error)
        except Postpone as told:
            return self._postpone(command_class, message, delivery, told)
        except Drop as told:
            return self._drop(command_class, message, told)
        except BaseException as error:  # noqa: BLE001  a SystemExit of the command must not end its worker
            return self._fail(command_class, command_class.retry_policy(), message, delivery, error)
        duration = time.perf_counter() - started
        if logger.isEnabledFor(logging.INFO):
            self._log_success(message, duration)
        if command_succeeded.receivers:
            send_signal(command_succeeded, command_class, message=message, duration=duration, result=result)
        return SETTLED if command_class.atomic and self._lease else ACKED

    def _run_of(self, command_class: type[Command]) -> Run:
        """Return how a command of this class is run: it pays only for the options it uses."""
        layers = (*self._layers, *chain_of(command_class).layers)
        run = self._runs[command_class] = compose(layers, methodcaller("execute"))
        return run

    def _tell(self, command_class: type[Command], message: Message, outcome: Outcome) -> Outcome:
        """Tell the middleware of ``outcome`` and return it, whatever they do."""
        for one in self._told:
            try:
                if one.applies_to(command_class):
                    Context().run(one.settled, message, outcome)
            except Exception:
                logger.exception("%s.settled() failed for %s.", type(one).__qualname__, message.id)
        return outcome

    def _taken_back(self, message: Message, error: BaseException) -> Outcome:
        logger.warning("%s was taken back while it ran; what it did is rolled back.", message.id)
        return SETTLED

    def _postpone(
        self, command_class: type[Command], message: Message, delivery: Delivery, told: Postpone
    ) -> Outcome:
        try:
            # With no delay at all it would be lent again at once, and do nothing else.
            delay = max(_SOONEST, as_delay(told.delay))
        except (TypeError, ValueError) as error:
            return self._fail(command_class, command_class.retry_policy(), message, delivery, error)
        logger.info("%s %s postponed by %.1f s: %s", message.id, message.command, delay, told)
        send_signal(command_postponed, command_class, message=message, exception=told, delay=delay)
        return Outcome(Action.RELEASE, delay=delay)

    def _drop(self, command_class: type[Command], message: Message, told: Drop) -> Outcome:
        logger.info("%s %s dropped: %s", message.id, message.command, told)
        send_signal(command_dropped, command_class, message=message, exception=told)
        return Outcome(Action.DROP, error=str(told))

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
        told = None if isinstance(error, Reject | Retry) else (type(error), error, _users_part(error))
        name = f"{message.id} {message.command}"
        if delay is None:
            logger.error("%s rejected, attempt %d: %s", name, attempt, reason, exc_info=told)
            return self._reject(command_class, message, error, text, charge)
        logger.warning("%s retried in %.1f s, attempt %d: %s", name, delay, attempt, reason, exc_info=told)
        send_signal(command_retried, command_class, message=message, exception=error, delay=delay)
        return Outcome(Action.RETRY, delay=delay, error=text, charge=charge)


def _refuse_not_understood(message: Message) -> None:
    """Raise ``NotUnderstood`` if a newer release requires something that this one would leave out."""
    names = message.extras.get("crit", ())
    if names:
        raise NotUnderstood(
            f"It must not be run without {names!r}, which this djutils does not know. A consumer of a newer "
            f"release can run it: upgrade this one."
        )


def _delay(policy: RetryPolicy, attempt: int, error: BaseException) -> float | None:
    """Return the seconds until the next attempt; None if there is none."""
    if isinstance(error, Reject):
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


def _users_part(error: BaseException) -> TracebackType | None:
    """Return the traceback from where the command's own code begins; all of it if that was never reached."""
    part = error.__traceback__
    while part is not None and part.tb_frame.f_globals.get("__name__", "").startswith("djutils.queue."):
        part = part.tb_next
    return part or error.__traceback__


def describe(error: BaseException) -> str:
    """Return one line with the exception, then its traceback; at most 16 KiB."""
    headline = traceback.TracebackException(type(error), error, None)
    headline.__notes__ = None
    *_, last = headline.format_exception_only()
    summary = last.strip().partition("\n")[0]
    text = "".join(traceback.format_exception(type(error), error, _users_part(error)))
    if len(text) > _ERROR_SIZE:
        text = f"[...]\n{text[-_ERROR_SIZE:]}"
    return f"{summary[:500]}\n\n{text}"
