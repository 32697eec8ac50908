"""The handle a call answers."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """What is known of a call that was enqueued."""

    id: str
    """The message's id; it is in the log of whoever runs it, and on a dead letter."""
    command: str
    """The command's name."""
    queue_name: str
    """The queue it was sent to."""
