"""What a worker process is doing, in memory that outlives it.

The supervisor makes a board before it forks, the worker's threads write on it, and when the
process has died the supervisor reads what had been finished and what was running. Each word has
one writer, so nothing needs a lock.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

RING = 512
"""Finished commands remembered per thread until their ack is confirmed."""

_COUNTERS = struct.Struct("=QQ")  # finished ever, confirmed ever
_ENTRY = 17  # the channel's number, then the id
_SLOT = 8 + _ENTRY + 7  # busy flag, entry, padding
_AREA = _SLOT + _COUNTERS.size + RING * _ENTRY


class Report(NamedTuple):
    """What the board said when its process was gone: per channel, ids."""

    done: dict[int, list[str]]
    running: dict[int, list[str]]


class Board:
    """One area for each thread: what it runs, and a ring of what it finished."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._memory = mmap.mmap(-1, threads * _AREA)

    def start(self, thread: int, channel: int, id: str) -> None:
        """Note that ``thread`` begins to run ``id``."""
        at = thread * _AREA
        self._memory[at + 8 : at + 8 + _ENTRY] = bytes([channel]) + bytes.fromhex(id)
        self._memory[at] = 1

    def finish(self, thread: int, succeeded: bool) -> None:
        """Note that ``thread`` is through with what it ran; if it succeeded, to be acked."""
        at = thread * _AREA
        if succeeded:
            counters = at + _SLOT
            (finished,) = struct.unpack_from("=Q", self._memory, counters)
            entry = counters + _COUNTERS.size + finished % RING * _ENTRY
            self._memory[entry : entry + _ENTRY] = self._memory[at + 8 : at + 8 + _ENTRY]
            # If we die before this line the command counts as running, after it as done.
            struct.pack_into("=Q", self._memory, counters, finished + 1)
        self._memory[at] = 0

    def confirm(self, thread: int, count: int) -> None:
        """Forget the oldest ``count`` of what ``thread`` finished: the backend has heard of it."""
        at = thread * _AREA + _SLOT + 8
        (confirmed,) = struct.unpack_from("=Q", self._memory, at)
        struct.pack_into("=Q", self._memory, at, confirmed + count)

    def running(self) -> int:
        """Answer how many threads are running a command."""
        return sum(self._memory[thread * _AREA] for thread in range(self._threads))

    def report(self) -> Report:
        """Answer what was done but not confirmed, and what was running."""
        done: dict[int, list[str]] = {}
        running: dict[int, list[str]] = {}
        for area in range(0, self._threads * _AREA, _AREA):
            finished, confirmed = _COUNTERS.unpack_from(self._memory, area + _SLOT)
            for number in range(max(confirmed, finished - RING), finished):
                channel, id = self._entry(area + _SLOT + _COUNTERS.size + number % RING * _ENTRY)
                done.setdefault(channel, []).append(id)
            if self._memory[area]:
                channel, id = self._entry(area + 8)
                if id not in done.get(channel, ()):
                    running.setdefault(channel, []).append(id)
        return Report(done, running)

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()

    def _entry(self, at: int) -> tuple[int, str]:
        return self._memory[at], self._memory[at + 1 : at + _ENTRY].hex()
