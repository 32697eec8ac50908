"""Counters: what became of the runs of each command, minute by minute, without counting rows.

Consumers add to them every few seconds. Each minute is kept for two days, each hour for ninety, and the total for ten years
after the last run, in the store beside the queue.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from .backends.base import BaseQueue
from .exceptions import BackendUnavailable
from .stores.base import Store

MINUTE, HOUR = 60, 3600
"""The lengths of the periods that are kept, in seconds."""
_KEPT = {MINUTE: 2 * 24 * HOUR, HOUR: 90 * 24 * HOUR}
_TOTAL = "counters:total"
_TOTAL_KEPT = 10 * 365 * 24 * HOUR
_TURN = "counters:turn"

BUCKETS = 36
"""The n-th bucket counts what took less than 2^n microseconds, and not less than half of that; the last one all longer ones."""


class End(IntEnum):
    """How a run ended, and the place of its number."""

    SUCCEEDED = 0
    RETRIED = 1
    DIED = 2
    DROPPED = 3
    POSTPONED = 4


RAN, WAITED, RUNS, WAITS = 5, 6, 7, 7 + BUCKETS
"""The places of the microseconds run and waited, and of the buckets of both."""
WIDTH = 7 + 2 * BUCKETS
OTHERS = "(others)"
"""What commands are counted as for which a worker process, or a value in the store, has no place left."""
MOST_COMMANDS = 400
"""How many commands one value in the store tells apart: whatever they have counted, it fits into a mebibyte."""

Numbers = list[int]
Counts = Mapping[str, Sequence[int]]
"""The numbers of each command."""

MOST_TIMED = 100
"""Of how many successes of a command, between two times that they are added up, it is noted how long their messages waited."""

Wait = tuple[float, float]
"""When a message was due, in seconds since the epoch, 0 if it was run before; and when its run began, by ``perf_counter()``."""

_LOCKED = 5.0
_TRIES = 40
_LONGEST_PAUSE = 0.1


class Successes:
    """The runs of one command that have succeeded since they were last added up: a list for each fact, to be appended to."""

    __slots__ = "times", "waits"

    def __init__(self) -> None:
        self.times: list[float] = []
        """How many seconds each took."""
        self.waits: list[Wait] = []
        """Of the first of them."""


class Note(NamedTuple):
    """A run that did not succeed."""

    command: str
    end: End
    seconds: float | None = None
    """How long it took; None if it never began."""
    wait: Wait = (0.0, 0.0)


class EndedRuns:
    """What has ended on one queue since it was last added up. Threads that run commands only append."""

    def __init__(self) -> None:
        self.successes: dict[str, Successes] = {}
        self.others: deque[Note] = deque()

    def of(self, command: str) -> Successes:
        """Return where to note the successes of ``command``."""
        return self.successes.setdefault(command, Successes())


class Times(NamedTuple):
    """How long something took: how often, the sum in seconds, and buckets."""

    total: float
    buckets: Sequence[int]

    @property
    def timed(self) -> int:
        """How many were timed."""
        return sum(self.buckets)

    @property
    def mean(self) -> float | None:
        """The mean in seconds; None if none was timed."""
        return self.total / self.timed if self.timed else None

    def percentile(self, share: float) -> float | None:
        """Return the seconds within which that share of them was done, to within a factor of two; None if none was timed.

        Within a bucket they are taken to be spread evenly.
        """
        wanted = share * self.timed
        for number, inside in enumerate(self.buckets):
            if inside and wanted <= inside:
                low, high = _bounds(number)
                return low + (high - low) * wanted / inside
            wanted -= inside
        return None

    @property
    def longest(self) -> float | None:
        """The seconds that none of them exceeded, at most twice what the longest took; None if none was timed."""
        used = [number for number, inside in enumerate(self.buckets) if inside]
        return _bounds(used[-1])[1] if used else None


class Figures:
    """What became of the runs of one command, or of several, in some time."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.numbers = [*numbers] or [0] * WIDTH

    def add(self, numbers: Sequence[int]) -> None:
        """Add the numbers of other runs."""
        self.numbers = list(map(int.__add__, self.numbers, numbers))

    @property
    def succeeded(self) -> int:
        """How many runs succeeded."""
        return self.numbers[End.SUCCEEDED]

    @property
    def retried(self) -> int:
        """How many runs failed and were retried later."""
        return self.numbers[End.RETRIED]

    @property
    def died(self) -> int:
        """How many failed for the last time and became dead letters."""
        return self.numbers[End.DIED]

    @property
    def dropped(self) -> int:
        """How many were dropped: expired, cancelled, or by their own decision."""
        return self.numbers[End.DROPPED]

    @property
    def postponed(self) -> int:
        """How many were postponed."""
        return self.numbers[End.POSTPONED]

    @property
    def failed(self) -> int:
        """How many runs failed, retried or not."""
        return self.retried + self.died

    @property
    def runs(self) -> int:
        """How many runs succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def run_time(self) -> Times:
        """How long the runs took."""
        return Times(self.numbers[RAN] / 1e6, self.numbers[RUNS:WAITS])

    @property
    def waiting_time(self) -> Times:
        """How long messages waited for their first run, from when they were due."""
        return Times(self.numbers[WAITED] / 1e6, self.numbers[WAITS:])


def bucket_of(microseconds: int) -> int:
    """Return the number of the bucket in which a duration is counted."""
    return min(microseconds.bit_length(), BUCKETS - 1)


def add(store: Store, counts: Counts, now: float) -> None:
    """Add ``counts`` to the minute and the hour of ``now``, in seconds since the epoch, and to the total.

    Consumers take turns, by a key that one of them adds; one that stood still until its turn was over writes nothing.
    Raises ``BackendError``: then the minute may be written and the rest not.
    """
    with_numbers = {name: numbers for name, numbers in counts.items() if any(numbers)}
    if not with_numbers:
        return
    lives: dict[str, float] = {_key(length, int(now)): life for length, life in _KEPT.items()}
    lives[_TOTAL] = _TOTAL_KEPT
    end = _take_turn(store)
    try:
        kept = store.get(lives)
        for key, life in lives.items():
            value = _packed(_unpacked(kept.get(key, b"")), with_numbers)
            # What another consumer has added since would be lost, and a total would decrease.
            if time.monotonic() >= end:
                raise BackendUnavailable("Adding to the counters took too long; it is repeated later.")
            store.set({key: value}, life)
    finally:
        if time.monotonic() < end:
            store.delete([_TURN])


def read(
    queue: BaseQueue, since: float, until: float, length: int = MINUTE
) -> dict[int, dict[str, Figures]] | None:
    """Return the figures of each command in each period of ``length`` seconds that begins from ``since`` to ``until``.

    ``length`` is ``MINUTE`` or ``HOUR``. The keys are the beginnings of periods, in seconds since the epoch; one in
    which nothing ended is left out. None if the queue has no store, so nothing is known. Raises ``BackendError``.
    """
    if queue.store is None:
        return None
    starts = range(int(since) // length * length, int(until) + 1, length)
    keys = {_key(length, start): start for start in starts}
    kept = queue.store.get(keys)
    return {keys[key]: _unpacked(kept[key]) for key in keys if key in kept}


def read_total(queue: BaseQueue) -> dict[str, Figures] | None:
    """Return the figures of each command since the first run that was counted; they never decrease while they are kept.

    None if the queue has no store, so nothing is known. Raises ``BackendError``.
    """
    if queue.store is None:
        return None
    return _unpacked(queue.store.get([_TOTAL]).get(_TOTAL, b""))


def sums(periods: Iterable[Mapping[str, Figures]]) -> dict[str, Figures]:
    """Return the figures of each command over several periods."""
    found = defaultdict[str, Figures](Figures)
    for period in periods:
        for name, figures in period.items():
            found[name].add(figures.numbers)
    return dict(found)


def together(figures: Collection[Figures]) -> Figures:
    """Return the figures of several commands as one."""
    whole = Figures()
    for one in figures:
        whole.add(one.numbers)
    return whole


def _bounds(bucket: int) -> tuple[float, float]:
    """Return between which seconds the durations in a bucket are."""
    return (2 ** (bucket - 1) / 1e6 if bucket else 0.0), 2**bucket / 1e6


def _key(length: int, moment: int) -> str:
    return f"counters:{length}:{moment // length * length}"


def _take_turn(store: Store) -> float:
    """Return when the turn is over, by the monotonic clock; raise ``BackendUnavailable`` if it does not come."""
    for _ in range(_TRIES):
        end = time.monotonic() + _LOCKED
        if store.add(_TURN, b"1", _LOCKED):
            return end
        time.sleep(random.uniform(0, _LONGEST_PAUSE))
    raise BackendUnavailable("Other consumers write these counters all the time; they are added later.")


def _packed(before: Mapping[str, Figures], counts: Counts) -> bytes:
    after = defaultdict[str, Figures](Figures, before)
    for name, numbers in counts.items():
        has_place = name in after or len(after) < MOST_COMMANDS
        after[name if has_place else OTHERS].add(numbers)
    told = {
        name: {place: number for place, number in enumerate(figures.numbers) if number}
        for name, figures in after.items()
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _unpacked(value: bytes) -> dict[str, Figures]:
    """Return figures as they were kept; what another program has damaged counts as nothing."""
    found: dict[str, Figures] = {}
    try:
        for name, told in json.loads(value or b"{}").items():
            numbers = [0] * WIDTH
            for place, number in told.items():
                numbers[int(place)] = int(number)
            found[name] = Figures(numbers)
    except (ValueError, AttributeError, TypeError, IndexError):
        return {}
    return found
