"""Pausing a queue: no consumer begins any of its messages until it is resumed.

A pause is one value in the store beside the queue, so it holds for every consumer, and after every restart.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from .backends.base import BaseQueue
from .exceptions import QueueException
from .stores.base import Store
from .wording import plain, when

logger = logging.getLogger("djutils.queue.pausing")

KEY = "paused"
"""The key of a pause in the store beside the queue."""
KEPT = timedelta(days=36_500).total_seconds()
"""Seconds that a pause lasts at most."""


class Pause(NamedTuple):
    """Since when a queue is paused, and why."""

    since: datetime | None
    """An aware moment in UTC; None if that cannot be read."""
    reason: str = ""
    """As given to ``pause()``."""
    by: str = ""
    """Who has paused it."""

    def __str__(self) -> str:
        """Return it as text: ``paused since 2026-03-01 12:00:00 by ada on web-1 (the mail server moves)``."""
        moment = f" since {when(self.since)}" if self.since else ""
        who = f" by {plain(self.by)}" if self.by else ""
        return f"paused{moment}{who}{f' ({plain(self.reason)})' if self.reason else ''}"

    @classmethod
    def of(cls, told: dict[str, Any]) -> Pause:
        """Return a pause from what ``as_json()`` returned; what cannot be read is left out."""
        since = None
        with suppress(ValueError, TypeError):
            since = datetime.fromisoformat(told["since"]).astimezone(UTC) if told.get("since") else None
        return cls(since, str(told.get("reason") or ""), str(told.get("by") or ""))

    def as_json(self) -> dict[str, str | None]:
        """Return it as values for JSON."""
        return {
            "since": self.since.isoformat() if self.since else None,
            "reason": self.reason,
            "by": self.by,
        }


def pause(queue: BaseQueue, reason: str, by: str) -> Pause:
    """Pause ``queue`` and log it; ``by`` names the requester.

    A queue that is paused already stays paused since the same moment, for the new reason. Raises ``QueueException``
    for a queue without a store, and ``BackendError``; after the latter the queue may be paused or not.
    """
    store = store_of(queue, f"the queue '{queue.name}'")
    before = find(queue)
    made = Pause(before.since if before else datetime.now(UTC), reason, by)
    store.set({KEY: json.dumps(made.as_json()).encode()}, KEPT)
    logger.info("%s paused the queue '%s'%s.", plain(by), queue.name, f": {plain(reason)}" if reason else "")
    return made


def resume(queue: BaseQueue, by: str) -> bool:
    """Resume ``queue`` and log it; return whether it was paused. Raises what ``pause`` raises."""
    was_paused = bool(store_of(queue, f"the queue '{queue.name}'").delete([KEY]))
    if was_paused:
        logger.info("%s resumed the queue '%s'.", plain(by), queue.name)
    return was_paused


def find(queue: BaseQueue) -> Pause | None:
    """Return the pause of ``queue``; None if it is not paused, or cannot be. Raises ``BackendError``."""
    kept = queue.store.get([KEY]) if queue.store is not None else {}
    return read(kept.get(KEY))


def read(value: bytes | None) -> Pause | None:
    """Return a pause as it was kept: whatever the value is, the queue is paused; None if there is no value."""
    if value is None:
        return None
    told: Any = None
    # Any program may have written it, and it is only shown.
    with suppress(ValueError):
        told = json.loads(value)
    return Pause.of(told if isinstance(told, dict) else {})


def store_of(queue: BaseQueue, what: str) -> Store:
    """Return the store beside ``queue``; raise ``QueueException`` if there is none, so ``what`` cannot be paused."""
    if queue.store is None:
        raise QueueException(
            f"{type(queue).__name__} has no store, so {what} cannot be paused; nothing was changed. "
            f"Stop its consumers instead, or give the backend a store."
        )
    return queue.store
