"""The handle that a call returns."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """What is known about an enqueued call."""

    id: str
    """The message's id; it is in the log of the worker that runs it, and on a dead letter."""
    command: str
    """The command's name."""
    queue_name: str
    """The queue it was sent to."""
