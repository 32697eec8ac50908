"""A tally: how many runs of each command a worker process has ended, and how long they took, in memory that outlives it.

The threads that run commands only append; once a second the process adds up. The maintainer reads it and
notes in the same memory what it has told the store, so that neither a worker's death nor its own counts twice.
"""

from __future__ import annotations

import mmap
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from djutils.queue.counters import (
    MOST_TIMED,
    OTHERS,
    RAN,
    RUNS,
    WAITED,
    WAITS,
    WIDTH,
    End,
    EndedRuns,
    Note,
    Numbers,
    Successes,
    Wait,
    bucket_of,
)

T = TypeVar("T")

_ROWS = 200
"""How many commands, of all queues, one worker process can tell apart; each queue has one more, for all others."""
_LONGEST_NAME = 240
_NAME = struct.Struct(f"@Q{_LONGEST_NAME}s")
"""The number of the queue plus one, or 0 for a free row; and the name in UTF-8."""
_NUMBERS = struct.Struct(f"@{WIDTH}Q")
_ROW = _NAME.size + 2 * _NUMBERS.size


class CountedRow(NamedTuple):
    """One row as the maintainer sees it."""

    place: int
    queue: int
    command: str
    counted: Numbers
    told: Numbers

    @property
    def untold(self) -> Numbers:
        """What was counted and not told."""
        return [counted - told for counted, told in zip(self.counted, self.told, strict=True)]


class Tally:
    """The tally of one seat; in a worker process, what it adds to."""

    def __init__(self, queues: int) -> None:
        self._rows = _ROWS + queues
        self._memory = mmap.mmap(-1, self._rows * _ROW)
        self.ended = [EndedRuns() for _ in range(queues)]
        """What has ended and is not added up yet, by the number of the queue."""
        self._own: dict[tuple[int, str], tuple[int, Numbers]] = {}
        """The place and the numbers of each row, in the worker process."""
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Continue, in a new worker process, what those before it in this seat have counted."""
        self._own = {(row.queue, row.command): (row.place, row.counted) for row in self.rows()}

    def add_up(self) -> None:
        """Add what has ended to the shared memory."""
        with self._lock:
            # The clock of the system, from that of the performance counter.
            offset = time.time() - time.perf_counter()
            for queue, ended in enumerate(self.ended):
                self._add_successes(queue, ended, offset)
                self._add_others(queue, ended, offset)

    def rows(self) -> Iterator[CountedRow]:
        """Yield the rows that are in use."""
        for place in range(self._rows):
            at = place * _ROW
            queue, name = _NAME.unpack_from(self._memory, at)
            if not queue:
                return
            counted = _NUMBERS.unpack_from(self._memory, at + _NAME.size)
            told = _NUMBERS.unpack_from(self._memory, at + _NAME.size + _NUMBERS.size)
            command = name.rstrip(b"\0").decode("utf-8", "replace")
            yield CountedRow(place, queue - 1, command, [*counted], [*told])

    def note_told(self, row: CountedRow) -> None:
        """Note that the store has been told of what ``row`` counts; called by the maintainer."""
        at = row.place * _ROW + _NAME.size + _NUMBERS.size
        _NUMBERS.pack_into(self._memory, at, *row.counted)

    def _add_successes(self, queue: int, ended: EndedRuns, offset: float) -> None:
        for command, successes in list(ended.successes.items()):
            if successes.times:
                place, numbers = self._row_of(queue, command)
                _add_successes(numbers, successes, offset)
                self._write(place, numbers)

    def _add_others(self, queue: int, ended: EndedRuns, offset: float) -> None:
        while ended.others:
            note = ended.others.popleft()
            place, numbers = self._row_of(queue, note.command)
            _add_other(numbers, note, offset)
            self._write(place, numbers)

    def _write(self, place: int, numbers: Numbers) -> None:
        _NUMBERS.pack_into(self._memory, place * _ROW + _NAME.size, *numbers)

    def _row_of(self, queue: int, command: str) -> tuple[int, Numbers]:
        if found := self._own.get((queue, command)):
            return found
        name = command.encode("utf-8", "replace")
        if command != OTHERS and (len(self._own) >= _ROWS or len(name) > _LONGEST_NAME):
            return self._row_of(queue, OTHERS)
        found = self._own[queue, command] = len(self._own), [0] * WIDTH
        _NAME.pack_into(self._memory, found[0] * _ROW, queue + 1, name)
        return found


def _add_successes(numbers: Numbers, successes: Successes, offset: float) -> None:
    """Add and remove what is there now; more may be appended meanwhile."""
    waits, times = successes.waits[:], successes.times[:]
    del successes.waits[: len(waits)]
    del successes.times[: len(times)]
    numbers[End.SUCCEEDED] += len(times)
    numbers[RAN] += int(sum(times) * 1e6)
    # Of many, a part is put in buckets, and stands for all.
    for seconds, weight in _weighted(times):
        numbers[RUNS + bucket_of(int(seconds * 1e6))] += weight
    for wait, weight in _weighted(waits, len(times)):
        _add_wait(numbers, wait, offset, weight)


def _add_other(numbers: Numbers, note: Note, offset: float) -> None:
    numbers[note.end] += 1
    if note.seconds is not None:
        ran = int(note.seconds * 1e6)
        numbers[RAN] += ran
        numbers[RUNS + bucket_of(ran)] += 1
        _add_wait(numbers, note.wait, offset, 1)


def _add_wait(numbers: Numbers, wait: Wait, offset: float, weight: int) -> None:
    due, began = wait
    if due:
        waited = max(0, int((began + offset - due) * 1e6))
        numbers[WAITED] += weight * waited
        numbers[WAITS + bucket_of(waited)] += weight


def _weighted(items: Sequence[T], whole: int | None = None) -> Iterator[tuple[T, int]]:
    """Yield some of ``items``, evenly spread, and for how many of the ``whole`` each stands."""
    step = -(-len(items) // MOST_TIMED) or 1
    chosen = items[::step]
    left = len(items) if whole is None else whole
    for number, item in enumerate(chosen):
        weight = left // (len(chosen) - number)
        left -= weight
        yield item, weight
