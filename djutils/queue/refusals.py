"""What a queue cannot do, said to the caller before anything is sent."""

from __future__ import annotations

from .backends.base import BaseQueue
from .command import Command
from .exceptions import UnsupportedOption


def refuse_priority(queue: BaseQueue) -> None:
    """Raise ``UnsupportedOption``: ``queue`` has no priorities."""
    raise UnsupportedOption(
        f"{type(queue).__name__} has no priorities; nothing was sent. Leave priority out, or "
        f"send the command to another queue."
    )


def refuse_result(command: Command, queue: BaseQueue) -> None:
    """Raise ``UnsupportedOption``: nothing could be told of a message that waits in ``queue``."""
    raise UnsupportedOption(
        f"{type(queue).__name__} cannot show what waits or runs in it, so '{command.name}' cannot keep its results there; "
        f"nothing was sent. Use DatabaseQueue or RedisQueue, or leave result out."
    )


def refuse_elsewhere(command: Command, queue: BaseQueue) -> None:
    """Raise ``UnsupportedOption`` unless ``queue`` is in the database that the atomic ``command`` writes to."""
    if (ours := queue.project_alias) is None:
        raise UnsupportedOption(
            f"{type(queue).__name__} is in no database, so '{command.name}' cannot be atomic; nothing "
            f"was sent. Use DatabaseQueue, or leave atomic out."
        )
    alias = command.atomic if isinstance(command.atomic, str) else ours
    if queue.through(alias) is None:
        raise UnsupportedOption(
            f"'{command.name}' cannot be atomic: it writes to the database '{alias}', and the queue "
            f"'{queue.name}' is in another one, '{queue.transaction_alias}'; nothing was sent. If it writes to "
            f"that one, declare it with atomic='{queue.transaction_alias}'; else move the queue, or leave "
            f"atomic out."
        )
