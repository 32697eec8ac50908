"""``DjutilsBackend`` with what Django's tests expect of the backends that are only for tests."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.tasks import Task, TaskResult

from djutils.contrib.django_tasks import DjutilsBackend
from djutils.queue.queue import invoker
from djutils.testing import drain


class Waiting(DjutilsBackend):
    """In the place of the dummy, which runs nothing: no consumer runs here either."""

    def clear(self) -> None:
        """Forget what was enqueued."""
        invoker.flush()


class Drained(DjutilsBackend):
    """In the place of the immediate one: what was sent is taken from the queue and run at once, as by a consumer."""

    def enqueue(self, task: Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any, Any]:
        result = super().enqueue(task, args, kwargs)
        with suppress(Exception, SystemExit):  # it is in the result
            drain()
        result.refresh()
        return result
