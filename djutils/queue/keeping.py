"""``@queue_command(result=True)``: what becomes of a command is kept, and travels with its acknowledgement.

Nothing is written while a message waits or runs: that is derived from the message itself. One record is made when it ends,
and one for each attempt that failed.
"""

from __future__ import annotations

import os
import socket
import time
from contextvars import ContextVar
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, TypedDict, assert_never

from django.core.signals import setting_changed

from .codec import dump
from .command import Command
from .command_options import FLAG, TTL, is_ttl
from .conf import settings
from .current import run_here, running
from .exceptions import ConfigurationError, QueueException, ResultTooLarge
from .message import Action, Delivery, Kept, Message, Outcome, make
from .progressing import progress_of_run
from .record import Failure, Record, ResultStatus, attempt_name, pack
from .tracebacks import describe

_SUCCESSFUL, _FAILED, _CANCELLED = map(
    str, (ResultStatus.SUCCESSFUL, ResultStatus.FAILED, ResultStatus.CANCELLED)
)

_kept: ContextVar[Kept] = ContextVar("djutils_kept")


class ResultOptions(TypedDict, total=False):
    """The options of commands that keep their results."""

    result: Annotated[bool, FLAG]
    result_ttl: Annotated[float | timedelta, TTL]


def run_and_keep(command: Command) -> Any:
    """Run ``command``, and make the record of what it returns."""
    value = command.execute()
    _kept.set(_success(command, value))
    return value


async def await_and_keep(command: Command) -> Any:
    """As ``run_and_keep``, for a command that is awaited."""
    value = await command.aexecute()  # type: ignore[misc]  # it has one: it is awaited
    _kept.set(_success(command, value))
    return value


def kept_of_begin(command: Command) -> Kept | None:
    """Return what is kept of a run that begins here and whose message is gone; None if its command keeps nothing."""
    command_class = type(command)
    if not command_class.keeps_results():
        return None
    message, delivery, *_ = run_here()
    attempt = message.attempt + delivery.attempts
    record = _record(command_class, message, attempt, str(ResultStatus.RUNNING), None, b"")
    return Kept({message.id: pack(record, message.id)}, ttl_of(command_class))


def kept_of_run() -> Kept | None:
    """Return what is to be kept of the run that has just succeeded in this context; None if nothing is."""
    return _kept.get(None)


def finished(action: Action) -> Outcome:
    """Return the outcome ``action`` of a run that succeeded and whose result is kept."""
    return make(Outcome, (action, 0.0, "", 1, _kept.get(), ""))


def with_record(
    outcome: Outcome, command_class: type[Command], message: Message, delivery: Delivery, error: BaseException
) -> Outcome:
    """Return ``outcome``, of a run that ended with ``error``, with what is to be kept of it, if anything is."""
    if not command_class.keeps_results():
        return outcome
    attempt, name, status = message.attempt + delivery.attempts, message.id, _FAILED
    match outcome.action:
        case Action.RETRY:
            name = attempt_name(message.id, attempt)
        case Action.DROP:
            status = _CANCELLED
        case Action.REJECT:
            pass
        case Action.ACK | Action.FINISH | Action.RELEASE | Action.ASIDE | Action.SETTLED:
            return outcome
        case _:
            assert_never(outcome.action)
    failure = failure_of(error, outcome.error if outcome.action is not Action.DROP else "")
    record = _record(command_class, message, attempt, status, failure, _raised(error))
    return outcome._replace(kept=Kept({name: _fitting(record, name)}, ttl_of(command_class)))


_ttls: dict[type[Command], float] = {}


def ttl_of(command_class: type[Command]) -> float:
    """Return for how many seconds results of this class are kept; raise ``ConfigurationError`` for a wrong setting."""
    return _ttls.get(command_class) or _look_up_ttl(command_class)


def _look_up_ttl(command_class: type[Command]) -> float:
    ttl = settings.QUEUE_RESULT_TTL if command_class.result_ttl is None else command_class.result_ttl
    if not is_ttl(ttl):
        raise ConfigurationError(
            f"QUEUE_RESULT_TTL must be a number of seconds or a timedelta, above 0, not {ttl!r}."
        )
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
    _ttls[command_class] = seconds
    return seconds


def _forget(**kwargs: Any) -> None:
    _ttls.clear()


setting_changed.connect(_forget)


def failure_of(error: BaseException, text: str = "") -> Failure:
    """Return ``error`` as it is kept; ``text`` is what ``describe`` says of it."""
    kind = type(error)
    headline, _, trace = (text or describe(error)).partition("\n\n")
    return Failure(f"{kind.__module__}.{kind.__qualname__}", headline.partition(": ")[2] or headline, trace)


@lru_cache(maxsize=256)
def worker_name(pid: int) -> str:
    """Return the name in ``worker_ids`` of the process ``pid`` of this host."""
    return f"{socket.gethostname()}:{pid}"


def _success(command: Command, value: object) -> Kept:
    message, delivery, *_ = run_here()
    command_class, name, attempt = type(command), message.id, message.attempt + delivery.attempts
    try:
        record = _record(command_class, message, attempt, _SUCCESSFUL, None, command.dump_value(value))
        data = pack(record, name)
        if len(data) > settings.QUEUE_MAX_RESULT_SIZE:
            raise ResultTooLarge(
                f"What '{command.name}' returned has {len(data)} bytes with its record, QUEUE_MAX_RESULT_SIZE is "
                f"{settings.QUEUE_MAX_RESULT_SIZE}; it was not kept, and the command is not run again. Store the data "
                f"and return a reference to it."
            )
    except (QueueException, TypeError, ValueError) as error:
        # It has done its work: running it again would do that twice and return the same.
        failed = _record(command_class, message, attempt, _FAILED, failure_of(error), _raised(error))
        data = _fitting(failed, name)
    return make(Kept, ({name: data}, ttl_of(command_class)))


def _record(
    command_class: type[Command],
    message: Message,
    attempt: int,
    status: str,
    error: Failure | None,
    value: bytes,
) -> Record:
    now, run = time.time(), running.get()
    began = now if run is None else now - (time.perf_counter() - run.began)
    body = message.body if command_class.keeps_arguments else b""
    worker, progress = worker_name(os.getpid()), progress_of_run()
    names = (status, message.command, attempt, message.created)
    return make(Record, (*names, began, now, worker, error, progress, body, value))


def _raised(error: BaseException) -> bytes:
    """Return ``error`` pickled, so that it can be raised again where the result is read; empty if that fails."""
    try:
        return dump(error)
    except QueueException:
        return b""


def _fitting(record: Record, name: str) -> bytes:
    """Return the record of a failure as bytes, without what makes it too large."""
    data = pack(record, name)
    return data if len(data) <= settings.QUEUE_MAX_RESULT_SIZE else pack(record._replace(value=b""), name)
