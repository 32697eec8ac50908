"""Counters: figures of each command by the minute and by the hour."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection

import pytest

from djutils.queue import counters
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.counters import BUCKETS, HOUR, MINUTE, RAN, RUNS, WAITED, WAITS, WIDTH, End, Figures
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.stores.memory_store import MemoryStore

from .helpers import ListQueue, until

NOON = 1_800_000_000.0 // HOUR * HOUR


class FreezingStore(MemoryStore):
    """If it ``freezes``, a turn ends while it looks a value up, and another consumer adds to the counters."""

    freezes = False

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        found = super().get(keys)
        if self.freezes:
            self.freezes = False
            until(lambda: self.add("counters:turn", b"1", 60))
            self.delete(["counters:turn"])
            counters.add(self, {"a": numbers(5)}, NOON)
        return found


def numbers(succeeded: int = 0, died: int = 0, run: float = 0.0, waited: float = 0.0) -> list[int]:
    """Return the numbers of runs that all took ``run`` seconds and waited ``waited``."""
    runs = succeeded + died
    found = [0] * WIDTH
    found[End.SUCCEEDED], found[End.DIED] = succeeded, died
    found[RAN], found[WAITED] = round(runs * run * 1e6), round(runs * waited * 1e6)
    found[RUNS + counters.bucket_of(round(run * 1e6))] = runs
    found[WAITS + counters.bucket_of(round(waited * 1e6))] = runs
    return found


def test_what_several_consumers_add_is_summed_by_minute_and_by_hour() -> None:
    queue = MemoryQueue("counted")
    counters.add(queue.store, {"a": numbers(2), "b": numbers(1)}, NOON + 1)
    counters.add(queue.store, {"a": numbers(3, died=1)}, NOON + 59)
    counters.add(queue.store, {"a": numbers(4)}, NOON + 61)

    by_minute = counters.read(queue, NOON, NOON + 120)
    by_hour = counters.read(queue, NOON, NOON, HOUR)

    assert by_minute is not None and by_hour is not None
    assert {start: {name: one.runs for name, one in found.items()} for start, found in by_minute.items()} == {
        NOON: {"a": 6, "b": 1},
        NOON + 60: {"a": 4},
    }
    assert {name: (one.succeeded, one.died) for name, one in by_hour[int(NOON)].items()} == {
        "a": (9, 1),
        "b": (1, 0),
    }
    assert counters.sums(by_minute.values())["a"].numbers == by_hour[int(NOON)]["a"].numbers


def test_the_total_is_that_of_all_times() -> None:
    queue = MemoryQueue("counted")
    assert counters.read_total(queue) == {}
    for moment, died in ((NOON, 1), (NOON + 60, 0), (NOON + 40 * 24 * HOUR, 2)):
        counters.add(queue.store, {"a": numbers(5, died=died, run=0.5)}, moment)

    found = counters.read_total(queue)

    assert found is not None
    assert (found["a"].succeeded, found["a"].died) == (15, 3)
    assert (found["a"].run_time.timed, found["a"].run_time.total) == (18, 9.0)


def test_however_many_commands_are_counted_the_value_can_be_kept() -> None:
    queue = MemoryQueue("counted")
    most = counters.MOST_COMMANDS
    full = [10**12] * WIDTH
    for start in range(0, most + 200, 200):
        names = [f"{number:0240}" for number in range(start, start + 200)]
        counters.add(queue.store, dict.fromkeys(names, full), NOON)
    counters.add(queue.store, {f"{0:0240}": full, "new": full}, NOON)

    found = counters.read_total(queue)

    assert found is not None
    assert len(found) == most + 1
    assert found[f"{0:0240}"].succeeded == 2 * 10**12
    assert found[counters.OTHERS].succeeded == 201 * 10**12


def test_nothing_is_written_where_nothing_ended() -> None:
    queue = MemoryQueue("counted")
    counters.add(queue.store, {"a": [0] * WIDTH}, NOON)
    assert counters.read(queue, NOON - HOUR, NOON) == {}


def test_what_cannot_be_known_is_not_zero() -> None:
    assert counters.read(ListQueue("four methods"), NOON, NOON) is None
    assert counters.read_total(ListQueue("four methods")) is None


def test_none_of_what_many_add_at_once_is_lost() -> None:
    queue = MemoryQueue("counted")
    threads = [
        threading.Thread(
            target=lambda: [counters.add(queue.store, {"a": numbers(1)}, NOON) for _ in range(5)]
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = counters.read(queue, NOON, NOON)
    assert found is not None and found[int(NOON)]["a"].succeeded == 40


def test_a_consumer_whose_turn_never_comes_adds_later(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = MemoryQueue("counted")
    monkeypatch.setattr(counters, "_LONGEST_PAUSE", 0.0)
    queue.store.add("counters:turn", b"1", 60)
    with pytest.raises(BackendUnavailable, match="later"):
        counters.add(queue.store, {"a": numbers(1)}, NOON)
    assert counters.read(queue, NOON, NOON) == {}


def test_a_consumer_that_stood_still_in_its_turn_overwrites_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "_LOCKED", 0.05)
    store = FreezingStore("counted")
    counters.add(store, {"a": numbers(10)}, NOON)
    store.freezes = True

    with pytest.raises(BackendUnavailable, match="later"):
        counters.add(store, {"a": numbers(1)}, NOON)

    told = json.loads(store.get(["counters:total"])["counters:total"])
    assert told["a"][str(int(End.SUCCEEDED))] == 15


@pytest.mark.parametrize(
    "damaged", [b"", b"\xff", b"7", b'{"a": 3}', b'{"a": {"900": 1}}', b'{"a": {"x": 1}}']
)
def test_a_damaged_value_counts_as_nothing_and_is_replaced(damaged: bytes) -> None:
    queue = MemoryQueue("counted")
    queue.store.set({f"counters:{MINUTE}:{int(NOON)}": damaged}, 60)
    counters.add(queue.store, {"a": numbers(1)}, NOON)
    found = counters.read(queue, NOON, NOON)
    assert found is not None and found[int(NOON)]["a"].runs == 1


def test_a_mean_is_exact_and_a_percentile_within_a_factor_of_two() -> None:
    figures = Figures(numbers(90, run=0.010, waited=2.0))
    figures.add(numbers(10, run=1.0, waited=2.0))
    times = figures.run_time
    assert times.mean == pytest.approx(0.109)
    assert 0.005 <= (times.percentile(0.5) or 0) <= 0.020
    assert 0.5 <= (times.percentile(0.95) or 0) <= 2.0
    assert 1.0 <= (times.longest or 0) <= 2.0
    assert figures.waiting_time.mean == pytest.approx(2.0)


def test_times_of_which_none_was_taken_are_unknown() -> None:
    times = Figures().run_time
    assert (times.mean, times.percentile(0.95), times.longest) == (None, None, None)


def test_however_long_it_took_there_is_a_bucket() -> None:
    assert counters.bucket_of(0) == 0
    assert counters.bucket_of(1 << 60) == BUCKETS - 1


def test_what_is_kept_is_small_json() -> None:
    queue = MemoryQueue("counted")
    counters.add(queue.store, {"a": numbers(3, run=0.1)}, NOON)
    key = f"counters:{MINUTE}:{int(NOON)}"
    told = json.loads(queue.store.get([key])[key])
    assert set(told) == {"a"} and len(told["a"]) == 4
