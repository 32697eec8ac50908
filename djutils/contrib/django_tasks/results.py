"""What has become of a task, as Django's ``TaskResult``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from django.tasks import Task, TaskResult, TaskResultStatus
from django.tasks.base import TaskError
from django.utils import timezone
from django.utils.json import normalize_json

from djutils.queue.conf import settings
from djutils.queue.exceptions import TooDangerous
from djutils.queue.ids import moment_of
from djutils.queue.message import Message
from djutils.queue.reading import CallState
from djutils.queue.record import Failure, Record, ResultStatus

_DEFAULT = "default"
_TOO_DANGEROUS = f"{TooDangerous.__module__}.{TooDangerous.__qualname__}"


def dump(data: Any) -> bytes:
    """Return ``data`` as JSON. Raises ``TypeError`` or ``ValueError`` for what Django's tasks do not take."""
    return json.dumps(normalize_json(data), separators=(",", ":")).encode()


def load(body: bytes) -> Any:
    """Return what is in ``body``, which must come from a verified message."""
    return json.loads(body)


def ready(task: Task[Any, Any], id: str, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult[Any, Any]:
    """Return the result of a call that waits."""
    return TaskResult(
        task=task,
        id=id,
        status=TaskResultStatus.READY,
        enqueued_at=_in_projects_time(moment_of(id)),
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=list(args),
        kwargs=kwargs,
        backend=task.backend,
        errors=[],
        worker_ids=[],
    )


def of_message(task: Task[Any, Any], message: Message) -> TaskResult[Any, Any]:
    """Return the result of the call of ``task`` that ``message`` requests, as if it waited."""
    due = None if message.eta is None else _moment(message.eta)
    args, kwargs = load(message.body)
    sent = variant(task, queue_name=djangos_name(message.queue), priority=message.priority, run_after=due)
    return ready(sent, message.id, args, kwargs)


def of_state(task: Task[Any, Any], id: str, queue_name: str, state: CallState) -> TaskResult[Any, Any]:
    """Return what is known of the call ``id`` of ``task``."""
    if state.message is not None:
        result = of_message(task, state.message)
    else:
        args, kwargs = load(state.last.body) if state.last else ((), {})
        result = ready(variant(task, queue_name=djangos_name(queue_name)), id, args, kwargs)
    add_runs(result, [*state.failed, *([state.last] if state.last else [])])
    if state.live:
        add_start(result, _moment(state.live.started), state.live.worker)
    if state.error:
        result.errors.append(error_of(state.error))
    change(result, status=_status_of(state), finished_at=_in_projects_time(state.died))
    if state.last:
        change(result, finished_at=_moment(state.last.finished))
        if state.status == ResultStatus.SUCCESSFUL:
            change(result, _return_value=load(state.last.value))
    return result


def add_runs(result: TaskResult[Any, Any], runs: Iterable[Record]) -> None:
    """Add runs that have ended to ``result``, the first one first."""
    for run in runs:
        if run.error:
            result.errors.append(error_of(run.error))
        # What was cancelled while it waited did not run.
        if run.worker:
            add_start(result, _moment(run.started), run.worker)


def add_start(result: TaskResult[Any, Any], moment: datetime, worker: str) -> None:
    """Add to ``result`` that ``worker`` began a run at this moment."""
    result.worker_ids.append(worker)
    change(result, started_at=result.started_at or moment, last_attempted_at=moment)


def error_of(failure: Failure) -> TaskError:
    """Return ``failure`` as Django has it."""
    if failure.exception_class_path:
        return TaskError(
            exception_class_path=failure.exception_class_path, traceback=failure.traceback or failure.message
        )
    # It raised nothing: the processes that ran it died.
    return TaskError(
        exception_class_path=_TOO_DANGEROUS, traceback=f"{failure.message}\n\n{failure.traceback}".rstrip()
    )


def change(result: TaskResult[Any, Any], **facts: Any) -> None:
    """Set attributes of ``result``, which is frozen for everyone but its backend."""
    for name, value in facts.items():
        object.__setattr__(result, name, value)


def variant(task: Task[Any, Any], **changes: Any) -> Task[Any, Any]:
    """Return ``task`` with ``changes``, which are not validated: the rules may have changed since it was sent."""
    made: Task[Any, Any] = object.__new__(type(task))
    for field in fields(task):
        object.__setattr__(made, field.name, changes.get(field.name, getattr(task, field.name)))
    return made


def our_name(queue_name: str) -> str:
    """Return the name here of the queue that Django's tasks call ``queue_name``."""
    return settings.queue_name if queue_name == _DEFAULT else queue_name


def djangos_name(queue_name: str) -> str:
    """Return what Django's tasks call our queue ``queue_name``."""
    return _DEFAULT if queue_name == settings.queue_name else queue_name


def _status_of(state: CallState) -> TaskResultStatus:
    # Django has no word for what was cancelled.
    ours = ResultStatus.FAILED if state.status == ResultStatus.CANCELLED else state.status
    return TaskResultStatus(str(ours))


def _moment(seconds: float) -> datetime:
    moment: datetime = _in_projects_time(datetime.fromtimestamp(seconds, UTC))  # type: ignore[assignment]
    return moment


def _in_projects_time(moment: datetime | None) -> datetime | None:
    """Return ``moment`` as ``timezone.now()`` would: naive and local where ``USE_TZ`` is off."""
    if moment is None or timezone.now().tzinfo:
        return moment
    return timezone.make_naive(moment)
