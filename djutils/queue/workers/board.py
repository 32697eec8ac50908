"""What a worker process is doing, in memory that outlives it.

The supervisor makes the boards before it forks anything, the worker's threads write on theirs, and
the maintainer reads along. When the process has died the supervisor reads what had been finished
and what was running. Each word has one writer, so nothing needs a lock; what is written last makes
what was written before it count.
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

RING = 1024
"""Finished commands remembered per thread until their ack is confirmed."""

_FREE, _RUNNING, _DONE, _ENDED = range(4)
_SLOT = struct.Struct("=B32sdB")  # the channel's number, the id, when it must have ended, the state
_STATE = _SLOT.size - 1
_DEADLINE = 33
_COUNTERS = struct.Struct("=QQ")  # finished ever, confirmed ever
_LINE = 64
"""Bytes that a processor writes as one: what is read while it is written must not lie across two."""
# One slot more than the ring remembers: the one of the next command.
_AREA = -(-(_COUNTERS.size + (RING + 1) * _SLOT.size) // _LINE) * _LINE

# Of the board as a whole: which life of its place this is, when its pump last heard the backend and
# when it last could do anything, how many messages it has taken in, the word by which what was not
# begun is recalled, and whether the process has ended by itself.
_HEAD = struct.Struct("=QddQBB")
_HEARD, _STIRRED, _TAKEN, _WORD, _LEFT = 8, 16, 24, 32, 33

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
        # Two counters, as one thread fails and another confirms.
        self._failed = 0
        self._passed = 0
        self._at = self._slots

    def clear(self) -> None:
        """Forget everything, before another process writes here."""
        _COUNTERS.pack_into(self._memory, self._counters, 0, 0)
        self._memory[self._slots + _STATE] = _FREE

    def start(self, channel: int, id: str) -> None:
        """Note that the command ``id`` begins."""
        _write_slot(self._memory, self._at, channel, id.encode(), 0.0, _RUNNING)

    def must_end(self, deadline: float) -> None:
        """Note when what runs must have ended, by the monotonic clock."""
        _write_deadline(self._memory, self._at + _DEADLINE, deadline)

    def forget(self) -> None:
        """Note that what was to begin does not."""
        self._memory[self._at + _STATE] = _FREE

    def finish(self, succeeded: bool) -> None:
        """Note that what ran has ended; if it succeeded, it is to be acked."""
        if not succeeded:
            self._failed += 1
        # If we die before this line the command counts as running, after it as done.
        self._memory[self._at + _STATE] = _DONE if succeeded else _ENDED
        self._finished = finished = self._finished + 1
        self._at = self._slots + finished % (RING + 1) * _SLOT.size
        self._memory[self._at + _STATE] = _FREE
        _write_count(self._memory, self._counters, finished)

    def confirm(self, count: int) -> None:
        """Forget the oldest ``count`` that are done: the backend has heard of them."""
        if self._failed == self._passed:
            self._confirmed += count
        else:
            self._pass_over_failures(count)
        _write_count(self._memory, self._counters + 8, self._confirmed)

    def _pass_over_failures(self, count: int) -> None:
        while count and self._confirmed < self._finished:
            state = self._memory[self._slots + self._confirmed % (RING + 1) * _SLOT.size + _STATE]
            failed = state == _ENDED
            self._passed += failed
            count -= not failed
            self._confirmed += 1

    @property
    def finished(self) -> int:
        """How many commands have ended here."""
        return int(_COUNTERS.unpack_from(self._memory, self._counters)[0])

    def running(self) -> Entry | None:
        """Return what runs, if anything does."""
        finished, _ = _COUNTERS.unpack_from(self._memory, self._counters)
        at = self._slots + finished % (RING + 1) * _SLOT.size
        _, id, deadline, state = _SLOT.unpack_from(self._memory, at)
        return Entry(_text(id), deadline) if state == _RUNNING else None

    def read(self) -> list[tuple[int, int, Entry]]:
        """Return (state, channel, entry) of what has ended and is not confirmed, and of what runs."""
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
    """One pad for each thread, and what concerns the whole process.

    ``memory`` from ``start`` on is used; without it the board has memory of its own.
    """

    def __init__(self, threads: int, memory: mmap.mmap | None = None, start: int = 0) -> None:
        self._memory = memory or mmap.mmap(-1, size_of(threads))
        self._start = start
        self.recall_word = memoryview(self._memory)[start + _WORD : start + _LEFT]
        """``word`` as a sequence of one: for who asks for it before each command."""
        first = start + _LINE
        self.pads = [Pad(self._memory, first + number * _AREA) for number in range(threads)]

    # The supervisor writes.

    def begin_life(self) -> int:
        """Clear the board for another process; return the number of its life."""
        # The recalling word stays as it is: it is the maintainer's.
        life, *_, word, _ = _HEAD.unpack_from(self._memory, self._start)
        for pad in self.pads:
            pad.clear()
        _HEAD.pack_into(self._memory, self._start, life + 1, 0.0, 0.0, 0, word, 0)
        return int(life) + 1

    # The process writes.

    def hear(self) -> None:
        """Note that the backend has just answered."""
        _write_deadline(self._memory, self._start + _HEARD, time.monotonic())

    def stir(self) -> None:
        """Note that the pump, or who stands in for it, is able to give back what waits."""
        _write_deadline(self._memory, self._start + _STIRRED, time.monotonic())

    def take(self, count: int) -> None:
        """Note that ``count`` messages were taken in or asked for so far, those given back not counted."""
        _write_count(self._memory, self._start + _TAKEN, count)

    def leave(self) -> None:
        """Note that the process ends because it wants to, not because of what it runs."""
        self._memory[self._start + _LEFT] = 1

    # The maintainer writes.

    def recall(self) -> None:
        """From here on nothing is begun, until the process has heard that ``recall_ends()``."""
        self._memory[self._start + _WORD] = (self.word | 1) & 0xFF

    def recall_ends(self) -> None:
        """What was recalled is given back: the process may go on with others."""
        self._memory[self._start + _WORD] = (self.word + 1 & ~1) & 0xFF

    # Anybody reads.

    @property
    def word(self) -> int:
        """Changes when what was not begun is recalled; odd while that goes on."""
        return self.recall_word[0]

    @property
    def life(self) -> int:
        """Which life of its place this is."""
        return int(_HEAD.unpack_from(self._memory, self._start)[0])

    @property
    def heard_at(self) -> float:
        """When the backend last answered, by the monotonic clock; 0: never."""
        return float(_HEAD.unpack_from(self._memory, self._start)[1])

    @property
    def stirred_at(self) -> float:
        """When the process was last able to give back what waits, by the monotonic clock."""
        return float(_HEAD.unpack_from(self._memory, self._start)[2])

    @property
    def left(self) -> bool:
        """Whether the process has ended by itself."""
        return bool(self._memory[self._start + _LEFT])

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return any(pad.running() for pad in self.pads)

    @property
    def ended(self) -> int:
        """How many commands have ended in this life."""
        return sum(pad.finished for pad in self.pads)

    @property
    def unbegun(self) -> int:
        """How many messages may lie here that no thread has begun."""
        taken = _HEAD.unpack_from(self._memory, self._start)[3]
        return int(taken) - self.ended - len(self.running())

    def running(self) -> list[Entry]:
        """Return what runs."""
        return [entry for pad in self.pads if (entry := pad.running())]

    def begun(self) -> set[str]:
        """Return the ids of what runs, and of what has ended and may not be settled yet."""
        return {entry.id for pad in self.pads for _, _, entry in pad.read()}

    def report(self) -> Report:
        """Return what is done but not confirmed, and what is running."""
        report = Report({}, {})
        for pad in self.pads:
            for state, channel, entry in pad.read():
                if state == _DONE:
                    report.done.setdefault(channel, []).append(entry.id)
                elif state == _RUNNING:
                    report.running.setdefault(channel, []).append(entry)
        return report

    def overdue(self, now: float) -> bool:
        """Return whether a command runs that must have ended before ``now``."""
        return any(0.0 < entry.deadline <= now for entry in self.running())


def size_of(threads: int) -> int:
    """Return how much memory a board needs."""
    return _LINE + threads * _AREA
