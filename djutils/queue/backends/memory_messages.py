"""The messages of a MemoryQueue, and the clocks of its lanes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from djutils.queue.message import Delivery, Envelope, Lane, Snapshot, StateName, Until
from djutils.queue.stores.memory_store import MemoryStore

from .looking import Place, lane_place


@dataclass
class MemoryMessage:
    """One message, whatever its state."""

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
    lane: str = ""
    arrived: int = 0
    """Its place in its lane."""
    admitted: bool = False
    """Whether it holds one of the places of its lane."""

    @property
    def waits(self) -> bool:
        return self.owner is None and self.died is None

    @property
    def waits_in_lane(self) -> bool:
        return bool(self.lane) and not self.admitted and self.waits and self.due <= time.monotonic()

    @property
    def is_later_in_lane(self) -> bool:
        """Whether it will wait in its lane when it is due."""
        return bool(self.lane) and not self.admitted and self.waits and not self.waits_in_lane

    @property
    def is_ready(self) -> bool:
        return self.waits and self.due <= time.monotonic() and not self.waits_in_lane

    @property
    def state(self) -> StateName:
        if self.died:
            return "dead"
        if self.owner is not None:
            return "leased"
        if self.waits_in_lane:
            return "waiting"
        return "ready" if self.is_ready else "delayed"

    @property
    def lane_turn(self) -> tuple[str, int, int]:
        """Its position among the messages that wait in lanes."""
        return self.lane, -self.envelope.priority, self.arrived

    @property
    def turn(self) -> tuple[int, float, int]:
        """Its position among the messages of its state, if that is not ``waiting``."""
        keys = {"ready": -self.envelope.priority, "delayed": self.due, "leased": 0}
        key = keys[self.state] if self.died is None else self.died.timestamp()
        return int(self.is_later_in_lane), key, self.order

    def snapshot(self, data: bool) -> Snapshot:
        state = self.state
        due = datetime.now(UTC) + timedelta(seconds=self.due - time.monotonic())
        is_waiting = state == "waiting"
        place = lane_place(*self.lane_turn) if is_waiting else Place(self.turn[0], *map(repr, self.turn[1:]))
        return Snapshot(
            id=self.envelope.id,
            state=state,
            place=str(place),
            data=self.envelope.data if data else None,
            due=due if state == "delayed" else None,
            died=self.died,
            attempts=self.attempts,
            crashes=self.crashes,
            redeliveries=self.redeliveries,
            offers=self.offers,
            error=self.error,
            owner=self.owner,
            lane=self.lane if is_waiting or self.is_later_in_lane else "",
        )

    def forget(self) -> None:
        """Count from 0 again."""
        self.attempts = self.crashes = self.redeliveries = self.offers = 0
        self.error = ""

    def delivery(self) -> Delivery:
        counters = (self.attempts, self.crashes, self.redeliveries)
        return Delivery(self.envelope.id, self.envelope.data, *counters, self.error, self.offers)


@dataclass
class LaneClock:
    """The rule of a lane, and what its pace remembers, in seconds of the monotonic clock."""

    rule: Lane
    admitted: float = 0.0
    """When the next one is admitted, if there is a pace and no burst."""
    started: float = 0.0


@dataclass
class SharedQueue:
    """The messages of one queue name; every MemoryQueue of that name sees the same ones."""

    # One for all queues: who waits for one of them hears of the others.
    changed: ClassVar[threading.Condition] = threading.Condition()
    entries: dict[str, MemoryMessage] = field(default_factory=dict)
    lanes: dict[str, LaneClock] = field(default_factory=dict)
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

    def waiting(self, key: str) -> MemoryMessage | None:
        """Return the message that was sent with ``key`` last, if it waits."""
        entry = self.entries.get(self.keys.get(key, ("", 0.0))[0])
        return entry if entry is not None and entry.waits else None
