"""Django's own tasks, for tests; a task with the argument ``path`` notes there how Django was told of its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

from django.dispatch import receiver
from django.tasks import TaskContext, TaskResult, task
from django.tasks.signals import task_finished

from .files import lines, write


@receiver(task_finished)
def note_the_end(sender: type, task_result: TaskResult[Any, Any], **facts: object) -> None:
    if path := task_result.kwargs.get("path"):
        error = sys.exception()
        write(path, f"{task_result.status} {type(error).__name__ if error else '-'}")


@task
def add(first: int, second: int, path: str | None = None) -> int:
    """Return the sum."""
    return first + second


@task
async def add_awaited(first: int, second: int, path: str | None = None) -> dict[str, Any]:
    """Return the sum and the thread in which it was made."""
    await asyncio.sleep(0)
    return {"sum": first + second, "thread": threading.current_thread().name}


@task(takes_context=True)
def describe(context: TaskContext) -> list[Any]:
    """Return what it is told of itself."""
    return [context.attempt, context.task_result.id, str(context.task_result.status)]


@task(takes_context=True)
def stumble(context: TaskContext, times: int, path: str | None = None) -> str:
    """Fail as often as that."""
    if context.attempt <= times:
        raise LookupError(f"there was something in the way, {context.attempt}")
    return f"attempt {context.attempt}, failed {len(context.task_result.errors)}"


@task
async def stumble_awaited(path: str | None = None) -> None:
    """Fail in a coroutine."""
    await asyncio.sleep(0)
    raise LookupError("there was something in the way")


@task
def note(path: str, line: str) -> None:
    """Leave a line."""
    write(path, line)


@task
def be_killed(path: str) -> None:
    """Let its process be killed."""
    write(path, "ran")
    os.kill(os.getpid(), signal.SIGKILL)


@task
def stay_once(path: str) -> str:
    """Stay as long as it takes to be killed, and return at once the next time."""
    write(path, "ran")
    if len(lines(path)) == 1:
        time.sleep(600)
    return "done"
