"""The tally of a worker process, and the chore that tells the store of it."""

from __future__ import annotations

import time
from math import inf

import pytest

from djutils.queue import counters
from djutils.queue.counters import MOST_TIMED, OTHERS, End, Figures, Note
from djutils.queue.workers import tally as tallies
from djutils.queue.workers.chore import Guard, Stores
from djutils.queue.workers.counting import Counting
from djutils.queue.workers.maintainer import logger
from djutils.queue.workers.tally import Tally

from .fading import FadingQueue
from .helpers import ListQueue

NAME = "unit"


class Consumer:
    """A consumer of one queue with two seats, and the chore that looks at them."""

    def __init__(self) -> None:
        self.queue = FadingQueue(NAME)
        self.stores = Stores(())
        self.stores.queues[NAME] = self.stores.leased[NAME] = self.queue
        self.tallies = [Tally(1), Tally(1)]
        self.chore = Counting(self.stores, self.tallies)
        self.guard = Guard(self.chore, self.stores, logger, 1.0)

    def run(self, command: str, count: int = 1, end: End = End.SUCCEEDED, seat: int = 0) -> None:
        """Note that runs have ended that took 10 ms, and began a second after they were due."""
        ended, wait = self.tallies[seat].ended[0], (time.time() - 1, time.perf_counter())
        for number in range(count):
            if end is not End.SUCCEEDED:
                ended.others.append(Note(command, end, 0.01, wait))
                continue
            ended.of(command).times.append(0.01)
            if number < MOST_TIMED:
                ended.of(command).waits.append(wait)
        self.tallies[seat].add_up()

    def tell(self) -> None:
        """Do the chore."""
        self.chore.hurry()
        self.guard.do_if_due()

    def known(self) -> dict[str, Figures]:
        """Return the figures of the last hours."""
        now = time.time()
        return counters.sums((counters.read(self.queue, now - 3600, now, counters.HOUR) or {}).values())


def test_the_store_is_told_what_all_processes_have_counted_and_only_once() -> None:
    consumer = Consumer()
    consumer.run("a", 3)
    consumer.run("a", 2, seat=1)
    consumer.run("b", end=End.DIED)
    consumer.tell()
    consumer.tell()
    consumer.run("a")
    consumer.tell()

    known = consumer.known()
    assert (known["a"].succeeded, known["b"].died, known["b"].runs) == (6, 1, 1)
    assert known["a"].run_time.mean == pytest.approx(0.01)
    assert known["a"].waiting_time.mean == pytest.approx(1.0, abs=0.5)


def test_the_next_process_in_a_seat_goes_on_and_a_new_maintainer_tells_nothing_twice() -> None:
    consumer = Consumer()
    consumer.run("a", 3)
    consumer.tell()
    consumer.run("a", 4)

    consumer.tallies[0].begin()
    consumer.run("b")
    consumer.run("a")
    consumer.chore = Counting(consumer.stores, consumer.tallies)
    consumer.guard = Guard(consumer.chore, consumer.stores, logger, 1.0)
    consumer.tell()

    assert {name: one.succeeded for name, one in consumer.known().items()} == {"a": 8, "b": 1}


def test_what_a_store_that_is_down_was_not_told_it_is_told_later() -> None:
    consumer = Consumer()
    consumer.queue.kept.down = True
    consumer.run("a", 3)
    consumer.tell()
    assert consumer.known() == {}

    consumer.queue.kept.down = False
    consumer.guard = Guard(consumer.chore, consumer.stores, logger, 1.0)
    consumer.run("a")
    consumer.tell()

    assert consumer.known()["a"].succeeded == 4


def test_of_many_runs_a_part_is_timed_and_stands_for_all() -> None:
    consumer = Consumer()
    consumer.run("a", 1234)
    (row,) = consumer.tallies[0].rows()
    figures = Figures(row.counted)
    assert (figures.succeeded, figures.run_time.timed, figures.waiting_time.timed) == (1234, 1234, 1234)
    assert figures.run_time.mean == pytest.approx(0.01)


def test_a_run_that_never_began_is_counted_and_not_timed() -> None:
    tally = Tally(1)
    tally.ended[0].others.append(Note("a", End.DIED))
    tally.add_up()
    (row,) = tally.rows()
    assert (Figures(row.counted).died, Figures(row.counted).run_time.timed) == (1, 0)


def test_commands_beyond_the_memory_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "_ROWS", 3)
    tally = Tally(2)
    for queue, name in [(0, "a"), (0, "b"), (1, "a"), (0, "c"), (1, "d"), (1, "e"), (0, "a")]:
        tally.ended[queue].of(name).times.append(0.1)
        tally.add_up()
    found = {(row.queue, row.command): Figures(row.counted).runs for row in tally.rows()}
    assert found == {(0, "a"): 2, (0, "b"): 1, (1, "a"): 1, (0, OTHERS): 1, (1, OTHERS): 2}


def test_a_name_that_is_too_long_for_the_memory_is_counted_with_the_others() -> None:
    tally = Tally(1)
    tally.ended[0].of("ä" * 200).times.append(0.1)
    tally.add_up()
    assert [row.command for row in tally.rows()] == [OTHERS]


def test_a_queue_without_a_store_is_not_looked_at() -> None:
    stores = Stores(())
    stores.queues[NAME] = ListQueue(NAME)
    assert Counting(stores, [Tally(1)]).due_in() == inf
