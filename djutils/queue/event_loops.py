"""What a thread may do while an event loop runs in it, because a coroutine called djutils."""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from django.utils.asyncio import async_unsafe

from .backends.base import BaseQueue
from .command import Command
from .exceptions import EnqueueError, NotPicklable, QueueException

T = TypeVar("T")


def apart(function: Callable[[], T]) -> T:
    """Return ``function()``; if an event loop runs in this thread, call it in a separate thread.

    There it can run a loop and use the database, on connections that are closed when it ends. The
    caller's loop is blocked meanwhile. Exceptions are raised to the caller.
    """
    if _get_running_loop() is None:
        return function()
    with ThreadPoolExecutor(1, thread_name_prefix="djutils-apart") as pool:
        return pool.submit(_and_disconnect, function).result()


def _and_disconnect(function: Callable[[], T]) -> T:
    try:
        return function()
    finally:
        connections.close_all()


@async_unsafe
def _use_database() -> None:
    pass


def check_caller(queue: BaseQueue) -> None:
    """Raise Django's ``SynchronousOnlyOperation`` if a coroutine is about to use a ``queue`` in a database.

    Called before anything is sent: Django's own guard would act only after messages were sent to other queues.
    """
    if _get_running_loop() is not None and queue.transaction_alias is not None:
        _use_database()


def refuse_coroutine(queue: BaseQueue, instead: str) -> None:
    """Raise ``QueueException``, which suggests ``instead``, if a coroutine is about to use a ``queue`` in a database."""
    try:
        check_caller(queue)
    except SynchronousOnlyOperation:
        hint = " (from asgiref.sync import sync_to_async)" if "sync_to_async" in instead else ""
        raise QueueException(
            f"The queue '{queue.name}' is in a database, which Django lets no coroutine use directly; nothing "
            f"was done. Write '{instead}'{hint}."
        ) from None


def explain(error: Exception, command: Command | None, called: str, instead: str) -> NoReturn:
    """Raise ``error``, or an ``EnqueueError`` if it means that a coroutine was about to use a database.

    ``called`` is the code as written, ``instead`` is what to write in a coroutine.
    """
    # A QuerySet among the arguments is evaluated when it is pickled.
    cause = error.__cause__ if isinstance(error, NotPicklable) else error
    if not isinstance(cause, SynchronousOnlyOperation):
        raise error
    what = "This call" if command is None else f"This call of '{command.name}'"
    name = type(command).__qualname__
    of_function = command is not None and getattr(command.function, "__qualname__", "") == name
    if of_function and not hasattr(
        command, "validate_datetime"
    ):  # a periodic function is not replaced by its decorator
        instead = f"await {name}.acall(...)' instead of '{name}(...)', and '{instead}"
    raise EnqueueError(
        f"{what} needs a database, which Django lets no coroutine use directly; nothing was sent. "
        f"Write '{instead}' instead of '{called}'."
    ) from None
