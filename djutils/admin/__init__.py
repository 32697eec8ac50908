"""The admin's pages of the queue: what waits and runs, and the dead letters, on every backend.

They ask the queue, not its tables. Nothing here unpickles a message; its header is read after the signature was
verified.
"""

from __future__ import annotations

from .letters import QueueDeadLetterAdmin
from .pages import QueueMessageAdmin

__all__ = ["QueueDeadLetterAdmin", "QueueMessageAdmin"]
