"""A task as a command: how it is made, found and run, and what Django is told meanwhile."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.tasks import DEFAULT_TASK_BACKEND_ALIAS, Task, TaskContext, TaskResult, TaskResultStatus
from django.tasks.signals import task_enqueued, task_finished, task_started
from django.utils import timezone
from django.utils.json import normalize_json

from djutils.queue.backends import queues
from djutils.queue.chain import DECLARED
from djutils.queue.command import Command
from djutils.queue.command_options import check_options
from djutils.queue.current import run_here
from djutils.queue.declaring import QueueCommand, as_plain, make_class
from djutils.queue.keeping import failure_of, worker_name
from djutils.queue.message import Message
from djutils.queue.reading import failed_attempts
from djutils.queue.registry import registry
from djutils.queue.retry import Backoff
from djutils.queue.signals import command_died, command_dropped, command_enqueued

from .results import add_runs, add_start, change, dump, error_of, load, of_message, our_name, variant

OPTIONS = {name: DECLARED[name] for name in ("max_attempts", "backoff", "time_limit", "atomic", "result_ttl")}
"""What a task and ``TASKS`` may say, as ``@queue_command`` does; the rest is Django's, or the backend's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DjutilsTask(Task):  # type: ignore[type-arg]
    """A task with options of ``@queue_command``: ``@task(max_attempts=5)``, from Django 6.1 on. None: as ``TASKS`` says."""

    max_attempts: int | None = None
    backoff: Backoff | None = None
    time_limit: float | tuple[float, float] | None = None
    atomic: bool | str | None = None
    result_ttl: float | timedelta | None = None

    def using(self, *, run_after: datetime | timedelta | None = None, **changes: Any) -> DjutilsTask:
        """Return a copy with other options; a timedelta counts from now."""
        if isinstance(run_after, timedelta):
            run_after = timezone.now() + run_after
        # Not super(): a dataclass with slots is another class than the one that is being defined here.
        changed: Any = Task.using(self, run_after=run_after, **changes)
        return changed  # type: ignore[no-any-return]


class TaskCommand(QueueCommand):
    """The base class of tasks as commands."""

    task: Task[Any, Any]
    sender: type
    """The class of its backend, which is the sender of Django's signals."""
    options: dict[str, Any]
    result = True
    keeps_arguments = True
    dump = dump_value = staticmethod(dump)
    load = load_value = staticmethod(load)


def name_of(task: Task[Any, Any]) -> str:
    """Return the name of the command of ``task``: ``module.function``, or ``module.function@alias`` of another backend.

    With ``using(backend=...)`` the same function runs by other rules, and the consumer must know by which.
    """
    path: str = task.module_path
    return path if task.backend == DEFAULT_TASK_BACKEND_ALIAS else f"{path}@{task.backend}"


def place_of(name: str) -> tuple[str, str]:
    """Return the module path and the alias of the backend of the task whose command has this name."""
    path, _, alias = name.partition("@")
    return path, alias or DEFAULT_TASK_BACKEND_ALIAS


def command_of(task: Task[Any, Any], sender: type, options: dict[str, Any]) -> type[TaskCommand]:
    """Return the command of ``task``, which is made once, and again only for other options. Raises ``InvalidCommand``."""
    name = name_of(task)
    known = registry.known(name)
    if (
        known is not None
        and issubclass(known, TaskCommand)
        and _rules_of(known) == (task.func, sender, options)
    ):
        return known
    check_options(options, OPTIONS, f"the task '{task.name}'")
    members = {
        "name": name,
        "queue_name": our_name(task.queue_name),
        "execute": _execute,
        "aexecute": _aexecute if iscoroutinefunction(task.func) else None,
        "task": variant(task, run_after=None),
        "sender": sender,
        "options": options,
    }
    made: Any = make_class(task.func, TaskCommand, options, members)
    return made  # type: ignore[no-any-return]


def _rules_of(command_class: type[TaskCommand]) -> tuple[Any, type, dict[str, Any]]:
    return command_class.task.func, command_class.sender, command_class.options


def _execute(self: TaskCommand) -> Any:
    result = _begin(self)
    args, kwargs = _arguments(result)
    return _end(self, result, as_plain(self.function, self.time_limit)(*args, **kwargs))


async def _aexecute(self: TaskCommand) -> Any:
    # Receivers of signals may use the database.
    result = await sync_to_async(_begin)(self)
    args, kwargs = _arguments(result)
    value = await self.function(*args, **kwargs)
    return await sync_to_async(_end)(self, result, value)


def _begin(command: TaskCommand) -> TaskResult[Any, Any]:
    """Return the result of the run that begins here."""
    message, delivery, *_ = run_here()
    result = of_message(command.task, message)
    attempt, store = message.attempt + delivery.attempts, queues[message.queue].results
    # Only after a failure there is something to look up.
    if store is not None and attempt > 1:
        add_runs(result, failed_attempts(store, message.id, attempt))
    add_start(result, timezone.now(), worker_name(os.getpid()))
    change(result, status=TaskResultStatus.RUNNING)
    task_started.send(command.sender, task_result=result)
    return result


def _arguments(result: TaskResult[Any, Any]) -> tuple[list[Any], dict[str, Any]]:
    context: list[Any] = [TaskContext(task_result=result)] if result.task.takes_context else []
    return [*context, *result.args], result.kwargs


def _end(command: TaskCommand, result: TaskResult[Any, Any], returned: Any) -> Any:
    value = normalize_json(returned)
    change(result, status=TaskResultStatus.SUCCESSFUL, finished_at=timezone.now(), _return_value=value)
    task_finished.send(command.sender, task_result=result)
    return value


def _tell_enqueued(sender: type[Command], message: Message, **facts: Any) -> None:
    if issubclass(sender, TaskCommand):
        task_enqueued.send(sender.sender, task_result=of_message(sender.task, message))


def _tell_failed(sender: type[Command], message: Message, exception: BaseException, **facts: Any) -> None:
    """Tell Django of a task that is not run again; it finds the exception in ``sys.exc_info()``."""
    if not issubclass(sender, TaskCommand):
        return
    if sys.exception() is None:  # its process was killed, perhaps more than once
        try:
            raise exception
        except BaseException:  # noqa: BLE001  (any of them may have ended a task)
            _tell_failed(sender, message, exception)
        return
    result = of_message(sender.task, message)
    result.errors.append(error_of(failure_of(exception)))
    result.worker_ids.append(worker_name(os.getpid()))
    change(result, status=TaskResultStatus.FAILED, finished_at=timezone.now())
    task_finished.send(sender.sender, task_result=result)


command_enqueued.connect(_tell_enqueued)
command_died.connect(_tell_failed)
command_dropped.connect(_tell_failed)
