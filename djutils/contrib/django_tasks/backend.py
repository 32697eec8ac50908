"""The backend that ``TASKS`` names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from django.core.checks import CheckMessage, Error
from django.tasks import Task, TaskResult, task_backends
from django.tasks.backends.base import BaseTaskBackend
from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
from django.utils.module_loading import import_string

from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.command import Command
from djutils.queue.command_options import check_options
from djutils.queue.conf import settings
from djutils.queue.exceptions import InvalidCommand, MessageError, ResultNotFound
from djutils.queue.queue import invoker
from djutils.queue.reading import look
from djutils.queue.registry import registry

from .commands import OPTIONS, DjutilsTask, TaskCommand, command_of, place_of
from .results import of_state, our_name, ready, variant

logger = logging.getLogger("djutils.contrib.django_tasks")

_ID = re.compile(r"[0-9a-f]{32}")


class DjutilsBackend(BaseTaskBackend):
    """Puts tasks on the queues of djutils.

    Django's queue ``default`` is the project's default queue; others have the same name here. ``MAX_ATTEMPTS`` (1) and
    ``BACKOFF`` beside ``BACKEND`` hold for every task; ``OPTIONS`` takes the other options of ``DjutilsTask``.
    """

    task_class = DjutilsTask
    modules_with_commands = "tasks"
    supports_async_task = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        beside = {name.lower(): params[name] for name in ("MAX_ATTEMPTS", "BACKOFF") if name in params}
        self._options = (
            {"max_attempts": 1} | {name.lower(): one for name, one in self.options.items()} | beside
        )

    @property
    def supports_defer(self) -> bool:  # type: ignore[override]  # as the default queue
        """Whether the default queue holds back what is not due."""
        return _default_queue().supports_delay

    @property
    def supports_priority(self) -> bool:  # type: ignore[override]
        """Whether the default queue has priorities."""
        return _default_queue().supports_priority

    @property
    def supports_get_result(self) -> bool:  # type: ignore[override]
        """Whether the default queue can show what has become of a message."""
        return _default_queue().results is not None

    def validate_task(self, task: Task[Any, Any]) -> None:
        """Raise ``InvalidTask`` for a task that no consumer could run, or a wrong option."""
        super().validate_task(task)
        try:
            self.command_of(task)
        except InvalidCommand as error:
            raise InvalidTask(str(error)) from error

    def enqueue(
        self, task: Task[Any, Any], args: Iterable[Any], kwargs: dict[str, Any]
    ) -> TaskResult[Any, Any]:
        """Send the call, in the caller's transaction or when it has committed, and return its result, which is READY.

        With ``QUEUE_EAGER`` it has run, and what the task raised is raised here.
        """
        self.validate_task(task)
        command = self.command_of(task)((list(args), dict(kwargs)))
        _refuse_unfindable(task, type(command))
        command.queue_name = our_name(task.queue_name)
        command.priority, command.run_after = int(task.priority), task.run_after
        result = ready(task, invoker.enqueue(command).id, args, kwargs)
        if settings.QUEUE_EAGER and self.supports_get_result:
            result.refresh()
        return result

    def get_result(self, result_id: str) -> TaskResult[Any, Any]:
        """Return what has become of the call with this id; raise ``TaskResultDoesNotExist`` if nothing is known of it."""
        # Before anything is asked: what is no id of ours is on no queue.
        names = self._queue_names() if _ID.fullmatch(str(result_id)) else []
        found = (self._result_on(name, result_id) for name in names)
        result = next((one for one in found if one is not None), None)
        if result is None:
            raise TaskResultDoesNotExist(result_id)
        return result

    def command_of(self, task: Task[Any, Any]) -> type[TaskCommand]:
        """Return the command of ``task``. Raises ``InvalidCommand`` if there can be none."""
        own = {name: value for name in OPTIONS if (value := getattr(task, name, None)) is not None}
        return command_of(task, type(self), self._options | own)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Report options that are wrong, and queues on which no result can be found."""
        return [*self._check_options(), *self._check_queues()]

    def _result_on(self, queue_name: str, id: str) -> TaskResult[Any, Any] | None:
        # Another queue may have it; and what is no task, Django has never seen.
        with suppress(ResultNotFound, MessageError):
            state = look(queues[queue_name], id)
            command_class = registry.get_class(state.command)
            if issubclass(command_class, TaskCommand):
                return of_state(command_class.task, id, queue_name, state)
        return None

    def _check_options(self) -> Iterator[CheckMessage]:
        try:
            check_options(self._options, OPTIONS, f"TASKS['{self.alias}']")
        except InvalidCommand as error:
            yield Error(str(error), id="djutils.E050")

    def _check_queues(self) -> Iterator[CheckMessage]:
        for name in sorted(self.queues) or ["default"]:
            queue = queues[our_name(name)]
            if queue.results is None:
                yield Error(
                    f"The queue '{name}' of TASKS['{self.alias}'] is a {type(queue).__name__}, which cannot show "
                    f"what becomes of tasks: they are refused.",
                    hint="Use DatabaseQueue or RedisQueue.",
                    id="djutils.E051",
                )

    def _queue_names(self) -> list[str]:
        return list(dict.fromkeys([*map(our_name, sorted(self.queues)), *registry.queue_names()]))


def _default_queue() -> BaseQueue:
    return queues[settings.queue_name]


def _refuse_unfindable(task: Task[Any, Any], command_class: type[TaskCommand]) -> None:
    """Raise ``InvalidTask`` if no consumer can find ``task`` at its module path."""
    if command_class in registry.findable:
        return
    path = task.module_path
    if task.func.__module__ == "__main__" or getattr(_task_at(path), "func", None) is not task.func:
        raise InvalidTask(
            f"No consumer can find a task at '{path}'; nothing was sent. Define it at the top level of a module that "
            f"can be imported, best an app's tasks.py, under the name of its function."
        )
    registry.findable.add(command_class)


def _task_at(path: str) -> Task[Any, Any] | None:
    try:
        found = import_string(path)
    except ImportError:
        return None
    return found if isinstance(found, Task) else None


def _find(name: str) -> type[Command] | None:
    """Return the command of this name, of a task in whatever module; None if there is none."""
    path, alias = place_of(name)
    try:
        backend, task = task_backends[alias], _task_at(path)
        if task is None or not isinstance(backend, DjutilsBackend):
            return None
        return backend.command_of(variant(task, backend=alias))
    except Exception:
        # Of the project's module, or its settings. The message waits for a consumer that can find the task.
        logger.exception("The task '%s' cannot be found.", name)
        return None


registry.finders.append(_find)
