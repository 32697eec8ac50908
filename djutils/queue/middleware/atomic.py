"""``@queue_command(atomic=True)``: what the command writes and its acknowledgement are one commit."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from djutils.queue.command import Command
from djutils.queue.current import running
from djutils.queue.exceptions import OwnerLost

from .base import Run


def atomic(command: Command, run: Run) -> Any:
    """Run the command in a transaction of the queue's own database, and ack in the same one.

    Either both count or neither does, whatever is killed and whenever. Raises ``OwnerLost``, and
    all is rolled back, when the message was taken back meanwhile: another worker runs it.
    """
    now = running.get()
    lease = now.lease if now else None
    alias = lease.queue.transaction_alias if lease else None
    with transaction.atomic(using=alias):
        answer = run(command)
        if now and lease and not lease.queue.ack(lease.owner, [now.message.id]):
            raise OwnerLost
        return answer
