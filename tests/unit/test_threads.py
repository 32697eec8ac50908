"""The threads of a worker process, without a pump."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from djutils.queue.executor import Executor
from djutils.queue.message import Action
from djutils.queue.workers.board import Board, Report
from djutils.queue.workers.threads import Threads, Waiting

from .commands_for_tests import fail, gates, hold, record
from .helpers import make_delivery, until

Start = Callable[..., Threads]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts threads on their own board; ends them after the test."""
    made: list[Threads] = []

    def make(count: int, board: Board | None = None, wake: Callable[[], None] = lambda: None) -> Threads:
        threads = Threads(count, [Executor("unit"), Executor("unit.second")], board or Board(count), wake)
        made.append(threads)
        threads.start()
        until(lambda: threads.idle == count)
        return threads

    yield make
    for threads in made:
        for gate in gates.values():
            gate.set()
        threads.take_back()
        threads.close()


def test_what_is_put_runs_and_its_outcome_is_left(start: Start, ran: list[Any]) -> None:
    board = Board(1)
    threads = start(1, board)
    good, bad = make_delivery(record, "x"), make_delivery(fail)
    threads.put([(0, good), (0, bad)])
    until(lambda: len(threads.finished) == 2)
    first, second = threads.finished
    assert (first.channel, first.delivery, first.outcome.action) == (0, good, Action.ACK)
    assert (second.delivery, second.outcome.action) == (bad, Action.RETRY)
    assert board.report() == Report({0: [good.id]}, {})


def test_one_thread_keeps_the_order(start: Start, ran: list[Any]) -> None:
    threads = start(1)
    threads.put([(0, make_delivery(record, number)) for number in range(50)])
    until(lambda: len(threads.finished) == 50)
    assert ran == list(range(50))


def test_each_channel_has_its_executor(start: Start, ran: list[Any]) -> None:
    threads = start(1)
    threads.put([(1, make_delivery(record, "x", queue="unit.second"))])
    until(lambda: threads.finished)
    assert (threads.finished[0].channel, threads.finished[0].outcome.action) == (1, Action.ACK)


def test_they_run_at_the_same_time_and_the_board_shows_it(start: Start, ran: list[Any]) -> None:
    gates.update(a=threading.Event(), b=threading.Event())
    board = Board(2)
    threads = start(2, board)
    threads.put([(0, make_delivery(hold, "a")), (0, make_delivery(hold, "b"))])
    until(lambda: len(board.running()) == 2)
    assert (threads.idle, threads.busy) == (0, True)
    gates["b"].set()
    until(lambda: len(board.running()) == 1)
    assert "b ends" in ran
    assert "a ends" not in ran
    gates["a"].set()
    until(lambda: not threads.busy)
    assert len(threads.finished) == 2


def test_what_no_thread_has_begun_can_be_taken_back(start: Start, ran: list[Any]) -> None:
    gates.update(a=threading.Event())
    threads = start(1)
    waiting: list[Waiting] = [(0, make_delivery(record, number)) for number in range(3)]
    threads.put([(0, make_delivery(hold, "a"))])
    until(lambda: "a begins" in ran)
    threads.put(waiting)
    assert threads.take_back() == waiting
    assert threads.take_back() == []
    gates["a"].set()
    until(lambda: not threads.busy)
    assert ran == ["a begins", "a ends"]


def test_every_delivery_is_run_by_exactly_one_of_many_threads(start: Start, ran: list[Any]) -> None:
    threads = start(8)
    for batch in range(20):
        threads.put([(0, make_delivery(record, (batch, number))) for number in range(20)])
    until(lambda: len(threads.finished) == 400)
    assert Counter(ran) == Counter((batch, number) for batch in range(20) for number in range(20))


def test_the_pump_is_woken_when_the_buffer_runs_low(start: Start, ran: list[Any]) -> None:
    woken = threading.Event()
    threads = start(1, wake=woken.set)
    until(woken.is_set)
    woken.clear()
    threads.put([(0, make_delivery(record, 1))])
    until(lambda: threads.finished and woken.is_set())


def test_the_cost_follows_what_commands_take(start: Start, ran: list[Any]) -> None:
    threads = start(1)
    before = threads.cost
    threads.put([(0, make_delivery(record, number)) for number in range(40)])
    until(lambda: len(threads.finished) == 40)
    assert 0 < threads.cost < before


class Looking(deque[Waiting]):
    """A buffer that asks, each time something was taken, whether the threads count as busy."""

    ask: Callable[[], bool]

    def popleft(self) -> Waiting:
        taken = super().popleft()
        answers.append(self.ask())
        return taken


answers: list[bool] = []


def test_what_an_idle_thread_has_taken_counts_as_busy_at_once(ran: list[Any]) -> None:
    answers.clear()
    threads = Threads(1, [Executor("unit")], Board(1), lambda: None)
    threads.buffer = Looking()
    threads.buffer.ask = lambda: threads.busy
    threads.start()
    until(lambda: threads.idle == 1)
    threads.put([(0, make_delivery(record, "x"))])
    until(lambda: threads.finished)
    threads.close()
    assert answers == [True]


def test_they_end_when_closed(ran: list[Any]) -> None:
    threads = Threads(3, [Executor("unit")], Board(3), lambda: None)
    threads.start()
    until(lambda: threads.idle == 3)
    threads.close()
    for thread in threads._threads:
        thread.join(5)
        assert not thread.is_alive()
