"""How far a command is: ``progress()`` and ``track()``, for the command itself.

What it says goes into the worker's shared memory, however often; the maintainer publishes it about once a second. So a
step of a loop costs a write to memory, and nothing is written inside the command's own transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from .current import running
from .record import Progress

T = TypeVar("T")

_EVERY = 0.1
_FREQUENT = 0.001

_bar: ContextVar[Bar | None] = ContextVar("djutils_progress", default=None)


class Bar:
    """What ``progress()`` yields."""

    def __init__(self, total: int | None, note: str) -> None:
        self.done = 0
        self.total = total
        self.note = note
        run = running.get()
        self._id = run.message.id if run else ""
        self._slot = run.watchdog if run else None
        self._skip = 0
        self._skipped = 0
        self._told_at = 0.0
        self._tell()

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Add ``steps`` to what is done; ``note`` says in a few words what it is at (its first 32 bytes are shown while it runs)."""
        self.done += steps
        if note is not None and note != self.note:
            self.note = note
            self._skipped = self._skip
        if self._skipped < self._skip:
            self._skipped += 1
            return
        self._tell()

    def _tell(self) -> None:
        # A loop of a million steps does not read the clock a million times.
        now = time.monotonic()
        took, self._told_at = now - self._told_at, now
        self._skip = (
            min(self._skip * 2 + 1, 10_000)
            if took < _FREQUENT
            else self._skip // 2
            if took > _EVERY
            else self._skip
        )
        self._skipped = 0
        if self._slot is not None:
            self._slot.report(self._id, self.done, self.total, self.note)


@contextmanager
def progress(total: int | None = None, note: str = "") -> Iterator[Bar]:
    """Yield a bar that a command advances; its caller reads it as ``result.progress``.

    Works everywhere: outside a worker, as in ``fn.call()``, it is shown to no one. A second one in the same run takes the
    place of the first. ``total`` is None where it is not known.
    """
    bar = Bar(total, note)
    _bar.set(bar)
    try:
        yield bar
    finally:
        bar._tell()


def track(items: Iterable[T], total: int | None = None, note: str = "") -> Iterator[T]:
    """Yield ``items``, and advance a bar after each; ``total`` is their number if they know it."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress(total, note) as bar:
        for item in items:
            yield item
            bar.advance()


def progress_of_run() -> Progress | None:
    """Return how far the run in this context is; None if it has not said."""
    bar = _bar.get()
    return None if bar is None else Progress(bar.done, bar.total, bar.note)
