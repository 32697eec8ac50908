"""One delivery, from bytes to a decision: the same in production, in eager mode and in tests."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Sequence
from typing import Any

from django.dispatch import Signal

from . import codec
from .command import Command
from .conf import settings
from .exceptions import InvalidMessage, NotUnpicklable, Reject, Retry, TooDangerous, UnknownCommand
from .message import ACKED, Action, Delivery, Message, Outcome
from .middleware.base import Middleware, Run, compose
from .registry import CommandRegistry, registry
from .retry import DEFAULT, UNKNOWN, RetryPolicy, as_delay, fatal
from .signals import command_died, command_retried, command_started, command_succeeded

logger = logging.getLogger("djutils.queue.executor")

_ERROR_SIZE = 16 * 1024


class Executor:
    """Runs what the queue ``queue_name`` delivers and says what is to become of it.

    It settles nothing itself: its caller carries the ``Outcome`` to the backend.
    """

    def __init__(
        self,
        queue_name: str,
        middleware: Sequence[Middleware] = (),
        registry: CommandRegistry = registry,
    ) -> None:
        self._queue_name = queue_name
        self._registry = registry
        self._run: Run = compose(middleware, lambda command: command.execute())

    def execute(self, delivery: Delivery) -> Outcome:
        """Run what was delivered; whatever the command raises becomes part of the outcome."""
        try:
            message = codec.decode(delivery.data, self._queue_name)
        except InvalidMessage as error:
            logger.error("%s rejected: %s", delivery.id, error)
            return Outcome(Action.REJECT, error=_describe(error), charge=0)
        if message.eta is not None and (early := message.eta - time.time()) > 0:
            return Outcome(Action.RELEASE, delay=early)
        return self._decide(message, delivery)

    def run(self, message: Message) -> Any:
        """Run ``message`` here and now; what the command raises comes out."""
        return self._run(self._registry.get_command_for_message(message))

    def _decide(self, message: Message, delivery: Delivery) -> Outcome:
        attempt = message.attempt + delivery.attempts
        why = fatal(delivery.crashes, delivery.redeliveries, settings.QUEUE_MAX_CRASHES)
        try:
            command_class = self._registry.get_class(message.command)
            if why:
                return self._refuse(command_class, message, why)
            command = self._registry.get_command_for_message(message)
        except UnknownCommand as error:
            return self._fail(Command, UNKNOWN, message, attempt, error)
        except NotUnpicklable as error:
            return self._fail(command_class, command_class.retry_policy(), message, attempt, error)
        return self._attempt(command, message, attempt)

    def _refuse(self, command_class: type[Command], message: Message, why: str) -> Outcome:
        logger.error("%s %s rejected: %s", message.id, message.command, why)
        _send(command_died, command_class, message=message, exception=TooDangerous(why))
        return Outcome(Action.REJECT, error=why, charge=0)

    def _attempt(self, command: Command, message: Message, attempt: int) -> Outcome:
        _send(command_started, type(command), message=message)
        started = time.perf_counter()
        try:
            result = self._run(command)
        except BaseException as error:  # noqa: BLE001  a SystemExit of the command must not end its worker
            return self._fail(type(command), command.retry_policy(), message, attempt, error)
        duration = time.perf_counter() - started
        logger.info("%s %s succeeded in %.3f s", message.id, message.command, duration)
        _send(command_succeeded, type(command), message=message, duration=duration, result=result)
        return ACKED

    def _fail(
        self,
        command_class: type[Command],
        policy: RetryPolicy,
        message: Message,
        attempt: int,
        error: BaseException,
    ) -> Outcome:
        delay = _delay(policy, attempt, error)
        text = _describe(error)
        reason = text.partition("\n")[0]
        told = None if isinstance(error, Reject | Retry) else error
        name = f"{message.id} {message.command}"
        if delay is None:
            logger.error("%s rejected, attempt %d: %s", name, attempt, reason, exc_info=told)
            _send(command_died, command_class, message=message, exception=error)
            return Outcome(Action.REJECT, error=text)
        logger.warning("%s retried in %.1f s, attempt %d: %s", name, delay, attempt, reason, exc_info=told)
        _send(command_retried, command_class, message=message, exception=error, delay=delay)
        return Outcome(Action.RETRY, delay=delay, error=text)


def _delay(policy: RetryPolicy, attempt: int, error: BaseException) -> float | None:
    """Answer the seconds until the next attempt; None: there is none."""
    if isinstance(error, Reject):
        return None
    try:
        delay = policy.delay_after(attempt)
        if isinstance(error, Retry) and error.delay is not None and delay is not None:
            return as_delay(error.delay)
    except Exception:  # a backoff is anybody's code, and what it answers anything
        logger.exception("The backoff or delay makes no sense; the default is taken.")
        return DEFAULT.delay_after(attempt)
    return delay


def _send(signal: Signal, sender: type[Command], **facts: Any) -> None:
    if signal.receivers:
        for receiver, answer in signal.send_robust(sender=sender, **facts):
            if isinstance(answer, Exception):
                logger.error("The signal receiver %r failed.", receiver, exc_info=answer)


def _describe(error: BaseException) -> str:
    """Answer one line with the exception, then its traceback; at most 16 KiB."""
    headline = traceback.TracebackException(type(error), error, None)
    headline.__notes__ = None
    *_, last = headline.format_exception_only()
    summary = last.strip().partition("\n")[0]
    text = "".join(traceback.format_exception(error))
    if len(text) > _ERROR_SIZE:
        text = f"[...]\n{text[-_ERROR_SIZE:]}"
    return f"{summary[:500]}\n\n{text}"
