"""What a worker process is doing, in memory that outlives it.

The supervisor makes the boards before it forks anything, the worker process writes to its own, and
the maintainer reads them. When the process has died the supervisor reads what was finished
and what was running. Each word has one writer at a time, so no lock is needed; the state of a slot is
written last, and the rest of the slot counts from then on.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from djutils.queue.record import Progress

UNCONFIRMED = 1024
"""How many finished commands may wait for the backend to settle them, beside those that run."""

_FREE, _RUNNING, _DONE, _ENDED = range(4)
_LINE = 64
"""Bytes that a processor writes at once: a value that is read while it is written must not span two of them."""
# A slot begins with the moment when its command must have ended, and the moment when it began; the number of the
# channel and the id follow.
_SLOT = struct.Struct("@ddB32s")
# Its second line has what is asked of the command, and how far it is: its steps and a note. Both count only with the
# end of its id before them, so nothing has to be cleared when the slot is used again.
_SECOND = struct.Struct("@QQQQ32s")
_SLOT_SIZE = 2 * _LINE
_UNKNOWN = (1 << 64) - 1
_KILL = 1 << 63
"""In what is asked of a command: its process is to be killed."""

# For the board as a whole: which life of its seat this is, when its pump last reached the backend and
# when it was last able to act, how many messages it holds, the word that recalls messages that
# have not begun, whether the process has ended by itself, and its process id.
_HEAD = struct.Struct("@QddQBBI")
_HEARD, _STIRRED, _HELD, _WORD, _LEFT, _PID = 8, 16, 24, 32, 33, 36

# Native ("@"): only these write the eight bytes at once.
_write_slot = _SLOT.pack_into
_write_count = struct.Struct("@Q").pack_into
_write_moment = struct.Struct("@d").pack_into
_write_progress = struct.Struct("@QQQ32s").pack_into


class Entry(NamedTuple):
    """A command that was running."""

    id: str
    deadline: float
    """When it must have ended, by the monotonic clock; 0: no limit."""
    began: float = 0.0
    """When it began, by the monotonic clock."""
    progress: Progress | None = None
    """How far it is, as far as it has said."""
    asked: bool = False
    """Whether it was cancelled."""


class Report(NamedTuple):
    """The state of a process according to its board: for each channel, finished ids and running commands."""

    done: dict[int, list[str]]
    running: dict[int, list[Entry]]


class Slot:
    """The record of one command, from just before it begins until the backend has its outcome."""

    __slots__ = ("_at", "_free", "_memory", "_state")

    def __init__(self, memory: mmap.mmap, state: int, at: int, free: deque[Slot]) -> None:
        self._memory = memory
        self._state = state
        self._at = at
        self._free = free

    def start(self, channel: int, id: str, now: float) -> None:
        """Record that the command ``id`` begins ``now``, by the monotonic clock."""
        _write_slot(self._memory, self._at, 0.0, now, channel, id.encode())
        self._memory[self._state] = _RUNNING

    def must_end(self, deadline: float) -> None:
        """Record when the running command must have ended, by the monotonic clock."""
        _write_moment(self._memory, self._at, deadline)

    def report(self, id: str, done: int, total: int | None, note: str) -> None:
        """Record how far the running command ``id`` is; of ``note`` as much as has room."""
        # A command must not fail because of what it says of itself: half a step, or a file name that is not UTF-8.
        known = _UNKNOWN if total is None else min(max(int(total), 0), _UNKNOWN - 1)
        steps, text = min(max(int(done), 0), _UNKNOWN), note.encode(errors="replace")[:32]
        _write_progress(self._memory, self._at + _LINE + 8, _end_of(id), steps, known, text)

    def is_asked_to_end(self, id: str) -> bool:
        """Return whether the running command ``id`` was cancelled."""
        return _is_asked(_SECOND.unpack_from(self._memory, self._at + _LINE)[0], id)

    def finish(self, succeeded: bool) -> None:
        """Record that the running command has ended; if it succeeded, it must be acked."""
        # If the process dies before this line the command counts as running, after it as done.
        self._memory[self._state] = _DONE if succeeded else _ENDED

    def clear(self) -> None:
        """Make the slot free: the backend has the outcome, or the command does not begin."""
        self._memory[self._state] = _FREE
        self._free.append(self)


class Board:
    """A slot for each command that may run in one process or wait to be settled, and the state of the process.

    It uses ``memory`` from ``start`` on; without it the board allocates its own memory. ``threads`` is
    how many threads run commands, ``coroutines`` how many run beside each other in one more.
    """

    def __init__(self, at_once: int, memory: mmap.mmap | None = None, start: int = 0) -> None:
        self._memory = memory or mmap.mmap(-1, size_of(at_once))
        self._start = start
        view = memoryview(self._memory)
        self.recall_word = view[start + _WORD : start + _LEFT]
        """``word`` as a sequence of one, for fast access before each command."""
        slots = at_once + UNCONFIRMED
        self._first_state = start + _LINE
        self._states = view[self._first_state : self._first_state + slots]
        self._first_slot = self._first_state + _lines(slots)

    # Written by the supervisor.

    def begin_life(self) -> int:
        """Clear the board for another process; return the number of its life."""
        # The recall word stays as it is: it belongs to the maintainer.
        life, *_, word, _, _ = _HEAD.unpack_from(self._memory, self._start)
        self._states[:] = bytes(len(self._states))
        _HEAD.pack_into(self._memory, self._start, life + 1, 0.0, 0.0, 0, word, 0, 0)
        return int(life) + 1

    # Written by the worker process.

    @cached_property
    def free(self) -> deque[Slot]:
        """The free slots: a runner takes the one that ``Slot.clear()`` returned last, which a processor has at hand."""
        free: deque[Slot] = deque()
        for number in range(len(self._states)):
            free.append(Slot(self._memory, self._first_state + number, self._slot(number), free))
        return free

    def sit(self) -> None:
        """Record which process this is."""
        struct.pack_into("@I", self._memory, self._start + _PID, os.getpid())

    def hear(self) -> None:
        """Record that the backend has just replied."""
        _write_moment(self._memory, self._start + _HEARD, time.monotonic())

    def stir(self) -> None:
        """Record that the pump, or the thread that stands in for it, is able to give back waiting messages."""
        _write_moment(self._memory, self._start + _STIRRED, time.monotonic())

    def hold(self, count: int) -> None:
        """Record how many messages are lent to this process, or requested, and not settled yet: at least so many."""
        _write_count(self._memory, self._start + _HELD, count)

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

    def ask_to_end(self, id: str, *, kill: bool) -> None:
        """Ask the command ``id`` to end, if it is running here; with ``kill`` its process must end now."""
        for number, state in enumerate(self._states.tobytes()):
            at = self._slot(number)
            if state == _RUNNING and self._entry(at)[1].id == id:
                # All of it in one word, with the end of the id: whatever may run there by now is not meant.
                _write_count(self._memory, at + _LINE, _end_of(id) | (_KILL if kill else 0))

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
    def pid(self) -> int:
        """The id of the process; 0 until it has begun."""
        return int(_HEAD.unpack_from(self._memory, self._start)[6])

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
        return _RUNNING in self._states.tobytes()

    @property
    def unbegun(self) -> int:
        """The most messages that may be waiting here without having begun."""
        held = _HEAD.unpack_from(self._memory, self._start)[3]
        return int(held) - len(self._states) + self._states.tobytes().count(_FREE)

    def running(self) -> list[Entry]:
        """Return the running commands."""
        return [entry for _, entry in self._read(_RUNNING)]

    def running_on(self, channel: int) -> list[Entry]:
        """Return the running commands of the queue with this number."""
        return [entry for number, entry in self._read(_RUNNING) if number == channel]

    def begun(self) -> set[str]:
        """Return the ids of running commands, and of ended ones that may not be settled yet."""
        # Running first: a command that ends meanwhile is found under its next state.
        return {entry.id for state in (_RUNNING, _DONE, _ENDED) for _, entry in self._read(state)}

    def report(self) -> Report:
        """Return the finished but unsettled commands, and the running ones."""
        report = Report({}, {})
        for channel, entry in self._read(_DONE):
            report.done.setdefault(channel, []).append(entry.id)
        for channel, entry in self._read(_RUNNING):
            report.running.setdefault(channel, []).append(entry)
        return report

    def overdue(self, now: float) -> bool:
        """Return whether a running command should have ended before ``now``."""
        return any(0.0 < entry.deadline <= now for entry in self.running())

    def _slot(self, number: int) -> int:
        return self._first_slot + number * _SLOT_SIZE

    def _entry(self, at: int) -> tuple[int, Entry]:
        deadline, began, channel, id = _SLOT.unpack_from(self._memory, at)
        name = id.rstrip(b"\0").decode()
        asked, whose, done, total, note = _SECOND.unpack_from(self._memory, at + _LINE)
        progress = None
        if whose == _end_of(name):
            text = note.rstrip(b"\0").decode(errors="ignore")
            progress = Progress(done, None if total == _UNKNOWN else total, text)
        is_asked = _is_asked(asked, name)
        if is_asked and asked & _KILL:
            deadline = began
        return channel, Entry(name, deadline, began, progress, is_asked)

    def _read(self, state: int) -> Iterator[tuple[int, Entry]]:
        """Yield the channel and the command of each slot in ``state``."""
        states = self._states.tobytes()
        number = states.find(state)
        while number >= 0:
            yield self._entry(self._slot(number))
            number = states.find(state, number + 1)


def _lines(size: int) -> int:
    """Return ``size`` rounded up to whole lines."""
    return -(-size // _LINE) * _LINE


def size_of(at_once: int) -> int:
    """Return how many bytes a board needs."""
    slots = at_once + UNCONFIRMED
    return _LINE + _lines(slots) + slots * _SLOT_SIZE


def _end_of(id: str) -> int:
    """Return the random end of an id as a number that is not 0."""
    return int.from_bytes(id[-15:].encode()[-7:], "big") + 1


def _is_asked(word: int, id: str) -> bool:
    return word & ~_KILL == _end_of(id)
