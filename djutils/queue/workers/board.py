"""What a worker process is doing, in memory that outlives it.

The supervisor makes a board before it forks, the worker's threads write on it, and when the
process has died the supervisor reads what had been finished and what was running. Each word has
one writer, so nothing needs a lock; what is written last makes what was written before it count.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

RING = 1024
"""Finished commands remembered per thread until their ack is confirmed."""

_FREE, _RUNNING, _DONE = range(3)
_SLOT = struct.Struct("=B32sdB")  # the channel's number, the id, when it must have ended, the state
_STATE = _SLOT.size - 1
_DEADLINE = 33
_COUNTERS = struct.Struct("=QQ")  # finished ever, confirmed ever
# One slot more than the ring remembers: the one of the next command.
_AREA = _COUNTERS.size + (RING + 1) * _SLOT.size

_write_slot = _SLOT.pack_into
_write_count = struct.Struct("=Q").pack_into
_write_deadline = struct.Struct("=d").pack_into


class Entry(NamedTuple):
    """A command that was running."""

    id: str
    deadline: float
    """When it must have ended, by the monotonic clock; 0: whenever it likes."""


class Report(NamedTuple):
    """What the board says of its process: per channel, ids that are done and commands that run."""

    done: dict[int, list[str]]
    running: dict[int, list[Entry]]


class Pad:
    """The part of a board that one thread writes on: what it runs, and a ring of what it finished."""

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self._memory = memory
        self._counters = start
        self._slots = start + _COUNTERS.size
        self._finished = 0
        self._confirmed = 0
        self._at = self._slots

    def start(self, channel: int, id: str) -> None:
        """Note that the command ``id`` begins."""
        _write_slot(self._memory, self._at, channel, id.encode(), 0.0, _RUNNING)

    def must_end(self, deadline: float) -> None:
        """Note when what runs must have ended, by the monotonic clock."""
        _write_deadline(self._memory, self._at + _DEADLINE, deadline)

    def finish(self, succeeded: bool) -> None:
        """Note that what ran has ended; if it succeeded, it is to be acked."""
        if not succeeded:
            self._memory[self._at + _STATE] = _FREE
            return
        # If we die before this line the command counts as running, after it as done.
        self._memory[self._at + _STATE] = _DONE
        self._finished = finished = self._finished + 1
        self._at = self._slots + finished % (RING + 1) * _SLOT.size
        self._memory[self._at + _STATE] = _FREE
        _write_count(self._memory, self._counters, finished)

    def confirm(self, count: int) -> None:
        """Forget the oldest ``count`` that are done: the backend has heard of them."""
        self._confirmed += count
        _write_count(self._memory, self._counters + 8, self._confirmed)

    def running(self) -> Entry | None:
        """Answer what runs, if anything does."""
        finished, _ = _COUNTERS.unpack_from(self._memory, self._counters)
        at = self._slots + finished % (RING + 1) * _SLOT.size
        _, id, deadline, state = _SLOT.unpack_from(self._memory, at)
        return Entry(_text(id), deadline) if state == _RUNNING else None

    def read(self) -> list[tuple[int, int, Entry]]:
        """Answer (state, channel, entry) of what is done but not confirmed, and of what runs."""
        finished, confirmed = _COUNTERS.unpack_from(self._memory, self._counters)
        oldest = max(confirmed, finished - RING)
        found = []
        for number in range(oldest, finished + 1):
            at = self._slots + number % (RING + 1) * _SLOT.size
            channel, id, deadline, state = _SLOT.unpack_from(self._memory, at)
            if state != _FREE:
                found.append((state, channel, Entry(_text(id), deadline)))
        return found


def _text(id: bytes) -> str:
    return id.rstrip(b"\0").decode()


class Board:
    """One pad for each thread."""

    def __init__(self, threads: int) -> None:
        self._memory = mmap.mmap(-1, threads * _AREA)
        self.pads = [Pad(self._memory, number * _AREA) for number in range(threads)]

    def report(self) -> Report:
        """Answer what is done but not confirmed, and what is running."""
        report = Report({}, {})
        for pad in self.pads:
            for state, channel, entry in pad.read():
                if state == _DONE:
                    report.done.setdefault(channel, []).append(entry.id)
                else:
                    report.running.setdefault(channel, []).append(entry)
        return report

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return any(pad.running() for pad in self.pads)

    def overdue(self, now: float) -> bool:
        """Answer whether a command runs that must have ended before ``now``."""
        entries = (pad.running() for pad in self.pads)
        return any(entry is not None and 0.0 < entry.deadline <= now for entry in entries)

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
