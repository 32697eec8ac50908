"""Rows of the table of messages as what they stand for."""

from __future__ import annotations

from datetime import UTC, datetime

from djutils.models import QueueMessage
from djutils.queue.message import DeadLetter, Delivery


def delivery(row: QueueMessage) -> Delivery:
    """Answer a row that is lent."""
    counters = (row.attempts, row.crashes, row.redeliveries)
    return Delivery(row.message_id, bytes(row.message), *counters, row.error or "", row.offers)


def dead_letter(row: QueueMessage) -> DeadLetter:
    """Answer a row that is dead."""
    died = row.died_at or datetime.now(UTC)
    counters = (row.attempts, row.crashes, row.redeliveries)
    return DeadLetter(row.message_id, bytes(row.message), row.error or "", died, *counters)


def text(error: str) -> str:
    """Answer ``error`` without what databases refuse in text: NUL and lone surrogates."""
    return error.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
