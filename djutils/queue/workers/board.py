"""What a worker process is doing, in memory that outlives it.

The supervisor makes the boards before it forks anything, the worker's threads write to theirs, and
the maintainer reads them. When the process has died the supervisor reads what was finished
and what was running. Each word has one writer, so no lock is needed; earlier writes take effect
with the last write of a sequence.
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import NamedTuple

RING = 1024
"""Finished commands remembered per thread until their ack is confirmed."""

_FREE, _RUNNING, _DONE, _ENDED = range(4)
_SLOT = struct.Struct("=B32sdB")  # the number of the channel, the id, when it must have ended, the state
_STATE = _SLOT.size - 1
_DEADLINE = 33
_COUNTERS = struct.Struct("=QQ")  # total finished, total confirmed
_LINE = 64
"""Bytes that a processor writes at once: a value that is read while it is written must not span two of them."""
# One slot more than the ring remembers: the slot of the next command.
_AREA = -(-(_COUNTERS.size + (RING + 1) * _SLOT.size) // _LINE) * _LINE

# For the board as a whole: which life of its seat this is, when its pump last reached the backend and
# when it was last able to act, how many messages it has received, the word that recalls messages that
# have not begun, and whether the process has ended by itself.
_HEAD = struct.Struct("=QddQBB")
_HEARD, _STIRRED, _TAKEN, _WORD, _LEFT = 8, 16, 24, 32, 33

_write_slot = _SLOT.pack_into
_write_count = struct.Struct("=Q").pack_into
_write_deadline = struct.Struct("=d").pack_into


class Entry(NamedTuple):
    """A command that was running."""

    id: str
    deadline: float
    """When it must have ended, by the monotonic clock; 0: no limit."""


class Report(NamedTuple):
    """The state of a process according to its board: for each channel, finished ids and running commands."""

    done: dict[int, list[str]]
    running: dict[int, list[Entry]]


class Pad:
    """The part of a board that one thread writes: its running command, and a ring of finished ones."""

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self._memory = memory
        self._counters = start
        self._slots = start + _COUNTERS.size
        self._finished = 0
        self._confirmed = 0
        # Two counters: one thread records failures while another confirms.
        self._failed = 0
        self._passed = 0
        self._at = self._slots

    def clear(self) -> None:
        """Clear everything before another process writes here."""
        _COUNTERS.pack_into(self._memory, self._counters, 0, 0)
        self._memory[self._slots + _STATE] = _FREE

    def start(self, channel: int, id: str) -> None:
        """Record that the command ``id`` begins."""
        _write_slot(self._memory, self._at, channel, id.encode(), 0.0, _RUNNING)

    def must_end(self, deadline: float) -> None:
        """Record when the running command must have ended, by the monotonic clock."""
        _write_deadline(self._memory, self._at + _DEADLINE, deadline)

    def forget(self) -> None:
        """Record that the command that was about to begin does not begin."""
        self._memory[self._at + _STATE] = _FREE

    def finish(self, succeeded: bool) -> None:
        """Record that the running command has ended; if it succeeded, it must be acked."""
        if not succeeded:
            self._failed += 1
        # If the process dies before this line the command counts as running, after it as done.
        self._memory[self._at + _STATE] = _DONE if succeeded else _ENDED
        self._finished = finished = self._finished + 1
        self._at = self._slots + finished % (RING + 1) * _SLOT.size
        self._memory[self._at + _STATE] = _FREE
        _write_count(self._memory, self._counters, finished)

    def confirm(self, count: int) -> None:
        """Remove the oldest ``count`` finished ones: the backend has their acks."""
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
        """How many commands have ended in this thread."""
        return int(_COUNTERS.unpack_from(self._memory, self._counters)[0])

    def running(self) -> Entry | None:
        """Return the running command, if any."""
        finished, _ = _COUNTERS.unpack_from(self._memory, self._counters)
        at = self._slots + finished % (RING + 1) * _SLOT.size
        _, id, deadline, state = _SLOT.unpack_from(self._memory, at)
        return Entry(_text(id), deadline) if state == _RUNNING else None

    def read(self) -> list[tuple[int, int, Entry]]:
        """Return (state, channel, entry) of unconfirmed finished commands and of the running one."""
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
    """One pad for each thread, and the state of the whole process.

    It uses ``memory`` from ``start`` on; without it the board allocates its own memory.
    """

    def __init__(self, threads: int, memory: mmap.mmap | None = None, start: int = 0) -> None:
        self._memory = memory or mmap.mmap(-1, size_of(threads))
        self._start = start
        self.recall_word = memoryview(self._memory)[start + _WORD : start + _LEFT]
        """``word`` as a sequence of one, for fast access before each command."""
        first = start + _LINE
        self.pads = [Pad(self._memory, first + number * _AREA) for number in range(threads)]

    # Written by the supervisor.

    def begin_life(self) -> int:
        """Clear the board for another process; return the number of its life."""
        # The recall word stays as it is: it belongs to the maintainer.
        life, *_, word, _ = _HEAD.unpack_from(self._memory, self._start)
        for pad in self.pads:
            pad.clear()
        _HEAD.pack_into(self._memory, self._start, life + 1, 0.0, 0.0, 0, word, 0)
        return int(life) + 1

    # Written by the worker process.

    def hear(self) -> None:
        """Record that the backend has just replied."""
        _write_deadline(self._memory, self._start + _HEARD, time.monotonic())

    def stir(self) -> None:
        """Record that the pump, or the thread that stands in for it, is able to give back waiting messages."""
        _write_deadline(self._memory, self._start + _STIRRED, time.monotonic())

    def take(self, count: int) -> None:
        """Record that ``count`` messages were received or requested so far, not counting those given back."""
        _write_count(self._memory, self._start + _TAKEN, count)

    def leave(self) -> None:
        """Record that the process ends by its own decision, not because of a command."""
        self._memory[self._start + _LEFT] = 1

    # Written by the maintainer.

    def recall(self) -> None:
        """Recall waiting messages: from here on nothing begins until the process has seen ``recall_ends()``."""
        self._memory[self._start + _WORD] = (self.word | 1) & 0xFF

    def recall_ends(self) -> None:
        """End the recall: the messages are given back, and the process may continue with others."""
        self._memory[self._start + _WORD] = (self.word + 1 & ~1) & 0xFF

    # Read by every process.

    @property
    def word(self) -> int:
        """The recall word: it changes with each recall, and is odd during one."""
        return self.recall_word[0]

    @property
    def life(self) -> int:
        """Which life of its seat this is."""
        return int(_HEAD.unpack_from(self._memory, self._start)[0])

    @property
    def heard_at(self) -> float:
        """When the backend last replied, by the monotonic clock; 0: never."""
        return float(_HEAD.unpack_from(self._memory, self._start)[1])

    @property
    def stirred_at(self) -> float:
        """When the process was last able to give back waiting messages, by the monotonic clock."""
        return float(_HEAD.unpack_from(self._memory, self._start)[2])

    @property
    def left(self) -> bool:
        """Whether the process has ended by itself."""
        return bool(self._memory[self._start + _LEFT])

    @property
    def busy(self) -> bool:
        """Whether a command is running."""
        return any(pad.running() for pad in self.pads)

    @property
    def ended(self) -> int:
        """How many commands have ended in this life."""
        return sum(pad.finished for pad in self.pads)

    @property
    def unbegun(self) -> int:
        """The most messages that may be waiting here without having begun."""
        taken = _HEAD.unpack_from(self._memory, self._start)[3]
        return int(taken) - self.ended - len(self.running())

    def running(self) -> list[Entry]:
        """Return the running commands."""
        return [entry for pad in self.pads if (entry := pad.running())]

    def begun(self) -> set[str]:
        """Return the ids of running commands, and of ended ones that may not be settled yet."""
        return {entry.id for pad in self.pads for _, _, entry in pad.read()}

    def report(self) -> Report:
        """Return the finished but unconfirmed commands, and the running ones."""
        report = Report({}, {})
        for pad in self.pads:
            for state, channel, entry in pad.read():
                if state == _DONE:
                    report.done.setdefault(channel, []).append(entry.id)
                elif state == _RUNNING:
                    report.running.setdefault(channel, []).append(entry)
        return report

    def overdue(self, now: float) -> bool:
        """Return whether a running command should have ended before ``now``."""
        return any(0.0 < entry.deadline <= now for entry in self.running())


def size_of(threads: int) -> int:
    """Return how many bytes a board needs."""
    return _LINE + threads * _AREA
