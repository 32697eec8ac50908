"""The admin's pages of the queue: what waits and runs, the dead letters, the commands, the consumers, the lanes, and the schedules, on every backend.

They ask the queue, not its tables. Nothing here unpickles a message; its header is read after the signature was
verified.
"""

from __future__ import annotations

from .consumers import QueueConsumerAdmin
from .figures import QueueCommandFigureAdmin
from .lanes import QueueLaneAdmin
from .letters import QueueDeadLetterAdmin
from .pages import QueueMessageAdmin
from .schedules import QueueScheduleAdmin

__all__ = [
    "QueueCommandFigureAdmin",
    "QueueConsumerAdmin",
    "QueueDeadLetterAdmin",
    "QueueLaneAdmin",
    "QueueMessageAdmin",
    "QueueScheduleAdmin",
]
