"""The onion: each middleware wraps the rest, the command is at its heart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from djutils.queue.command import Command

Run = Callable[[Command], Any]
"""Runs a command and answers what it returned."""

Middleware = Callable[[Command, Run], Any]
"""Does something around ``proceed(command)`` and answers what that answered."""


def compose(middleware: Sequence[Middleware], heart: Run) -> Run:
    """Answer ``heart`` wrapped in ``middleware``, the first one outermost."""
    return reduce(_wrapped, reversed(middleware), heart)


def _wrapped(run: Run, layer: Middleware) -> Run:
    return lambda command: layer(command, run)
