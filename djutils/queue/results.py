"""The handle that a call returns, and what it tells of what becomes of the call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async

from .backends import queues
from .backends.base import BaseQueue
from .cancelling import Cancellation, cancel
from .exceptions import Cancelled, CommandFailed, NoReturnValue, ResultNotFound, ResultTimeout
from .reading import CallState, exception_of, look, refuse_keeping_none, value_of
from .record import Failure, Progress, Record, ResultStatus
from .uniqueness import CallKey
from .waiting import WaitForEnd


class Speed(Progress):
    """How far a run is, and how fast it was up to now, or to its end."""

    seconds = 0.0
    """For how long it has run."""

    @classmethod
    def of(cls, progress: Progress, seconds: float) -> Speed:
        """Return ``progress`` after so many seconds."""
        speed = cls(*progress)
        speed.seconds = seconds
        return speed

    @property
    def rate(self) -> float | None:
        """Steps per second on average; None if it has just begun."""
        return self.done / self.seconds if self.seconds > 0 else None

    @property
    def eta(self) -> timedelta | None:
        """How long it takes from now if it goes on like this; None if that cannot be told."""
        if not self.rate or self.total is None:
            return None
        return timedelta(seconds=max(0, self.total - self.done) / self.rate)


class _Handle(NamedTuple):
    id: str
    """The message's id; it is in the log of the worker that runs it, and on a dead letter."""
    command: str
    """The command's name."""
    queue_name: str
    """The queue it was sent to."""


class Result(_Handle):
    """What is known about an enqueued call.

    ``id``, ``command`` and ``queue_name`` are known at once. The rest is for commands with ``result=True``, and is what it was
    at the last ``refresh()`` or ``wait()``; before that the call is READY. Names and states are those of ``django.tasks``. The
    attributes raise ``ResultNotKept`` for a command that keeps no results.
    """

    _queue: BaseQueue | None = None
    """Where it was sent, if that was not one of ``queues``."""
    _state: CallState | None = None
    _value: tuple[Any] | None = None
    _call_key: CallKey | None = None

    @property
    def id(self) -> str:
        """The message's id: it is in the log of the worker that runs it, and on a dead letter.

        Of a duplicate it is the id of the message that holds the key. A call with a key, made in a transaction, has a separate
        id until that has committed.
        """
        placed = self._call_key.placement if self._call_key else None
        return placed.id if placed else self[0]

    @property
    def duplicate(self) -> bool | None:
        """Whether another call with the same key stands for this one; None as long as its transaction is open."""
        return self._call_key.is_duplicate if self._call_key else False

    def refresh(self) -> None:
        """Look again.

        Raises ``ResultNotFound``, or ``ResultNotKept`` for a command that keeps none; ``BackendError``; and ``InvalidMessage``
        for a record that was not signed by us.
        """
        try:
            self._state = look(self._where, self.id)
        except ResultNotFound:
            refuse_keeping_none(self.command)
            raise
        self._value = None

    async def arefresh(self) -> None:
        """As ``refresh``, from a coroutine."""
        await sync_to_async(self.refresh)()

    def wait(self, timeout: float | None = None) -> Any:
        """Wait until the call has ended, for at most ``timeout`` seconds, and return what the command returned.

        Redis and PostgreSQL tell of the end; elsewhere it looks again and again, at least every quarter of a second.
        Raises what the command raised, or ``CommandFailed`` if that cannot be raised here; ``Cancelled``; ``ResultTimeout``,
        which affects nothing; and what ``refresh`` raises. Inside a transaction of the queue's database it would
        wait for what cannot begin before the commit: call it afterwards.
        """
        with WaitForEnd(self._where, self.id, timeout) as waiting:
            while self._goes_on(waiting, timeout):
                waiting.sleep()
        return self._outcome()

    async def await_(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109  (as ``wait``)
        """As ``wait``, from a coroutine."""
        async with WaitForEnd(self._where, self.id, timeout) as waiting:
            while await sync_to_async(self._goes_on)(waiting, timeout):
                await waiting.asleep()
        return self._outcome()

    def cancel(self, *, kill: bool = False) -> Cancellation:
        """Cancel the call, and return what was done: a call that waits is removed.

        One that runs learns of it within about two seconds: ``current_message().cancelled`` is true, what a
        coroutine awaits is cancelled, and in a plain function with a time limit ``TimeLimitExceeded`` is raised. With whatever
        exception it then ends, it is CANCELLED; if it returns, it is SUCCESSFUL. With ``kill`` its process is killed, and replaced: what else runs there is given
        back and charged with nothing. One that has run for less than a second is asked when it has.
        """
        done = cancel(self._where, self.id, kill=kill)
        self.refresh()
        return done

    async def acancel(self, *, kill: bool = False) -> Cancellation:
        """As ``cancel``, from a coroutine."""
        return await sync_to_async(self.cancel)(kill=kill)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.id, *self[1:])

    @property
    def _where(self) -> BaseQueue:
        return self._queue or queues[self.queue_name]

    def _goes_on(self, waiting: WaitForEnd, timeout: float | None) -> bool:
        """Look, and return whether to look again; raise ``ResultTimeout`` at the end."""
        is_over = waiting.is_over
        self.refresh()
        if is_over and not self.is_finished:
            raise ResultTimeout(
                f"{self.command} {self.id} is {self.status} after {timeout:g} s; it goes on. Wait longer, or cancel it."
            )
        return not self.is_finished

    def _outcome(self) -> Any:
        if self.status == ResultStatus.SUCCESSFUL:
            return self.return_value
        last, errors = self._known.last, self.errors
        text = f"{self.command} {self.id} {'was cancelled' if self.is_cancelled else 'failed'}"
        reason = f"{text}: {errors[-1].message}" if errors else f"{text}."
        if self.is_cancelled:
            raise Cancelled(reason)
        if last is not None and (error := exception_of(last)) is not None:
            raise error from CommandFailed(f"{reason}\n\n{errors[-1].traceback}")
        raise CommandFailed(reason)

    @property
    def status(self) -> ResultStatus:
        """READY, RUNNING (for longer than a second), SUCCESSFUL, FAILED, CANCELLED."""
        return self._known.status

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status not in {ResultStatus.READY, ResultStatus.RUNNING}

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled, or dropped itself."""
        return self.status == ResultStatus.CANCELLED

    @property
    def return_value(self) -> Any:
        """What the command returned. Raises ``NoReturnValue`` while it has not succeeded."""
        last = self._known.last
        if last is None or self.status != ResultStatus.SUCCESSFUL:
            raise NoReturnValue(f"{self.command} {self.id} has returned nothing: it is {self.status}.")
        if self._value is None:
            self._value = (value_of(last),)
        return self._value[0]

    @property
    def errors(self) -> list[Failure]:
        """Why attempts failed, one for each, the first one first."""
        state = self._known
        errors = [run.error for run in (*state.failed, state.last) if run is not None and run.error]
        return [*errors, *([state.error] if state.error else [])]

    @property
    def attempts(self) -> int:
        """How often it was run, as far as that is known: a run counts when it has ended, or lasted for a second."""
        return len(self.worker_ids)

    @property
    def worker_ids(self) -> list[str]:
        """The worker process of each attempt, as ``host:pid``."""
        state = self._known
        return [run.worker for run in self._runs] + ([state.live.worker] if state.live else [])

    @property
    def enqueued_at(self) -> datetime:
        """When it was enqueued."""
        return _moment(self._known.enqueued)

    @property
    def started_at(self) -> datetime | None:
        """When its first attempt began."""
        starts = self._starts
        return _moment(starts[0]) if starts else None

    @property
    def last_attempted_at(self) -> datetime | None:
        """When its last attempt began."""
        starts = self._starts
        return _moment(starts[-1]) if starts else None

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        state = self._known
        return _moment(state.last.finished) if state.last else state.died

    @property
    def progress(self) -> Speed | None:
        """How far it is, or was at its end; None if it did not say."""
        state = self._known
        run = state.live or state.last
        if run is None or run.progress is None:
            return None
        end = state.last.finished if state.last else time.time()
        return Speed.of(run.progress, end - run.started)

    @property
    def _runs(self) -> list[Record]:
        state = self._known
        # What was cancelled while it waited did not run.
        return [run for run in (*state.failed, state.last) if run is not None and run.worker]

    @property
    def _starts(self) -> list[float]:
        live = self._known.live
        return [run.started for run in self._runs] + ([live.started] if live else [])

    @property
    def _known(self) -> CallState:
        if self._state is None:
            refuse_keeping_none(self.command)
            self._state = CallState(ResultStatus.READY, self.command, int(self.id[:12], 16) / 1000)
        return self._state


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def find(id: str, own: BaseQueue | None, names: Sequence[str]) -> Result:
    """Return the result of ``id`` on the queue ``own``, or on one with these ``names``; raises as ``Result.refresh``."""
    missing: Exception | None = None
    for queue in [own] if own is not None else [queues[name] for name in names]:
        try:
            state = look(queue, id)
        except ResultNotFound as error:
            missing = missing or error
            continue
        result = Result(id, state.command, queue.name)
        result._state, result._queue = state, own
        return result
    raise missing or ResultNotFound
