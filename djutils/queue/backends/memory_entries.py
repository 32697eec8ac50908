"""What a MemoryQueue keeps: messages, owners and keys, as plain values of one process."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from djutils.queue.message import Delivery, Envelope, Snapshot, StateName, Until
from djutils.queue.stores.memory_store import MemoryStore

from .looking import Place


@dataclass
class MemoryEntry:
    """One message, and its state."""

    envelope: Envelope
    order: int
    due: float
    owner: int | None = None
    died: datetime | None = None
    error: str = ""
    attempts: int = 0
    crashes: int = 0
    redeliveries: int = 0
    offers: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is neither lent nor dead."""
        return self.owner is None and self.died is None

    @property
    def state(self) -> StateName:
        """Its state at this moment."""
        if self.died:
            return "dead"
        if self.owner is not None:
            return "leased"
        return "ready" if self.due <= time.monotonic() else "delayed"

    @property
    def turn(self) -> tuple[float, int]:
        """Its position among the messages of its state."""
        keys = {"ready": -self.envelope.priority, "delayed": self.due, "leased": 0}
        return keys[self.state] if self.died is None else self.died.timestamp(), self.order

    def snapshot(self, data: bool) -> Snapshot:
        """Return it as ``find`` and ``peek`` do."""
        state = self.state
        due = datetime.now(UTC) + timedelta(seconds=self.due - time.monotonic())
        return Snapshot(
            id=self.envelope.id,
            state=state,
            place=str(Place(0, *map(repr, self.turn))),
            data=self.envelope.data if data else None,
            due=due if state == "delayed" else None,
            died=self.died,
            attempts=self.attempts,
            crashes=self.crashes,
            redeliveries=self.redeliveries,
            offers=self.offers,
            error=self.error,
            owner=self.owner,
        )

    def forget(self) -> None:
        """Count from 0 again."""
        self.attempts = self.crashes = self.redeliveries = self.offers = 0
        self.error = ""

    def delivery(self) -> Delivery:
        """Return it as it is lent."""
        counters = (self.attempts, self.crashes, self.redeliveries)
        return Delivery(self.envelope.id, self.envelope.data, *counters, self.error, self.offers)


@dataclass
class SharedQueue:
    """The messages of one queue name; every MemoryQueue of that name sees the same ones."""

    # One for all queues: who waits for one of them hears of the others.
    changed: ClassVar[threading.Condition] = threading.Condition()
    entries: dict[str, MemoryEntry] = field(default_factory=dict)
    beats: dict[int, int] = field(default_factory=dict)
    store: MemoryStore = field(default_factory=lambda: MemoryStore("store"))
    once: MemoryStore = field(default_factory=lambda: MemoryStore("once"))
    keys: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The id of the message that holds each key, and until when, by the monotonic clock, if that is a period."""

    def holder(self, key: str, until: Until) -> str:
        """Return the id of the message that holds ``key``; empty if none does."""
        id, expires = self.keys.get(key, ("", 0.0))
        if isinstance(until, float | int):
            return id if expires > time.monotonic() else ""
        entry = self.entries.get(id)
        holds = entry is not None and (entry.waits if until == "started" else entry.died is None)
        return id if holds else ""

    def waiting(self, key: str) -> MemoryEntry | None:
        """Return the message that was sent with ``key`` last, if it waits."""
        entry = self.entries.get(self.keys.get(key, ("", 0.0))[0])
        return entry if entry is not None and entry.waits else None
