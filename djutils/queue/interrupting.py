"""Which runs of this process can be interrupted, and how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Interrupt = Callable[[Callable[[], bool]], object]
"""Interrupts a run; the function that it is given says whether the command is still in it."""

_runs: dict[object, tuple[str, Interrupt]] = {}
# By the run: a process that has lost a lease may be given the same message while its first run goes on.


@contextmanager
def interruptible(id: str, interrupt: Interrupt) -> Iterator[None]:
    """Let the message ``id`` be interrupted by ``interrupt`` while the command itself runs."""
    run = object()
    _runs[run] = id, interrupt
    try:
        yield
    finally:
        _runs.pop(run, None)


def cancel_here() -> Interrupt:
    """Return what cancels the current coroutine, from any thread."""
    current: Any = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def cancel(is_running: Callable[[], bool]) -> None:
        # Asked again in the loop: what follows the command, as to decide its outcome, must not be cancelled.
        with suppress(RuntimeError):  # the loop has just died
            loop.call_soon_threadsafe(lambda: is_running() and current.cancel())

    return cancel


def interrupt(id: str) -> bool:
    """Interrupt the message ``id``; return whether it runs here in a way that can be. May be called in any thread."""
    found = [(run, how) for run, (of, how) in _runs.copy().items() if of == id]
    for run, how in found:
        how(lambda run=run: run in _runs)  # type: ignore[misc]
    return bool(found)
