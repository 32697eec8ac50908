"""The admin's pages of the queue: what waits and runs, the dead letters, the commands, the consumers, and the schedules, on every backend.

They ask the queue, not its tables. Nothing here unpickles a message; its header is read after the signature was
verified.
"""

from __future__ import annotations

from .consumers import QueueConsumerAdmin
from .figures import QueueCommandFigureAdmin
from .letters import QueueDeadLetterAdmin
from .pages import QueueMessageAdmin
from .schedules import QueueScheduleAdmin

__all__ = [
    "QueueCommandFigureAdmin",
    "QueueConsumerAdmin",
    "QueueDeadLetterAdmin",
    "QueueMessageAdmin",
    "QueueScheduleAdmin",
]
