"""The onion: each middleware wraps the next; the command is in the middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from djutils.queue.command import Command

Run = Callable[[Command], Any]
"""Runs a command and returns what it returned."""

Middleware = Callable[[Command, Run], Any]
"""Does something around ``proceed(command)`` and returns what that returned."""


def compose(middleware: Sequence[Middleware], heart: Run) -> Run:
    """Return ``heart`` wrapped in ``middleware``, with the first one outermost."""
    return reduce(_wrapped, reversed(middleware), heart)


def _wrapped(run: Run, layer: Middleware) -> Run:
    return lambda command: layer(command, run)
