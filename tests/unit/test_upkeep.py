"""The chores of a maintainer, over MemoryQueue and boards of an arena."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator
from itertools import cycle
from typing import Any

import pytest

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.executor import Executor
from djutils.queue.message import Delivery
from djutils.queue.workers import handback as handback_module
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.beating import Beating
from djutils.queue.workers.board import Board, Slot
from djutils.queue.workers.chore import Chore, Guard, Stores
from djutils.queue.workers.crew import Crew
from djutils.queue.workers.handback import Handback
from djutils.queue.workers.inline import Inline
from djutils.queue.workers.options import ConsumerOptions
from djutils.queue.workers.threads import Threads
from djutils.queue.workers.worker import Born, Deaf

from .commands_for_tests import record
from .helpers import make_delivery, make_envelope, until

LEASE = 0.3


class Post:
    """A worker's place, its board, its owner, and the queue it works for."""

    def __init__(self, queue: MemoryQueue, arena: Arena, crew: Crew, place: int = 0) -> None:
        self.queue, self.owner, self.board = queue, new_owner(), arena.boards[place]
        queue.enroll(self.owner)
        self.born = Born({queue.name: self.owner}, place, self.board.begin_life())
        crew.join(self.born)

    def beats(self) -> int:
        return self.queue.owners()[self.owner]

    def take(self, count: int) -> list[Delivery]:
        lent = self.queue.receive(self.owner, count).deliveries
        self.board.hold(len(lent))
        return lent


def begin(board: Board, id: str) -> Slot:
    slot = board.free.popleft()
    slot.start(0, id, time.monotonic())
    return slot


@pytest.fixture
def arena() -> Arena:
    return Arena(2, 2)


@pytest.fixture
def crew(arena: Arena) -> Crew:
    return Crew(arena)


@pytest.fixture
def stores(memory: MemoryQueue) -> Stores:
    return Stores([memory.name])


@pytest.fixture
def post(memory: MemoryQueue, arena: Arena, crew: Crew) -> Post:
    return Post(memory, arena, crew)


# Beating


@pytest.fixture
def beating(memory: MemoryQueue, stores: Stores, crew: Crew) -> Beating:
    return Beating(stores, crew, ConsumerOptions((memory.name,), lease=LEASE))


def silence(beating: Beating, leases: float) -> None:
    """Look so often that its watch has seen this many leases pass."""
    end = time.monotonic() + leases * LEASE
    until(lambda: beating.do() or time.monotonic() > end)


def test_who_hears_the_backend_is_beaten_for(beating: Beating, post: Post) -> None:
    until(lambda: post.board.hear() or beating.do() or post.beats() > 20)
    assert not beating.deaf


def test_who_hears_nothing_for_the_lease_is_not_beaten_for(beating: Beating, post: Post) -> None:
    post.board.hear()
    silence(beating, 1.2)
    before = post.beats()
    beating.do()
    assert post.beats() == before
    assert not beating.deaf


def test_who_hears_nothing_for_twice_the_lease_is_reported(beating: Beating, post: Post) -> None:
    post.board.hear()
    silence(beating, 2.2)
    assert beating.deaf[0] == Deaf(post.born.owners)


def test_who_hears_again_is_beaten_for_again(beating: Beating, post: Post) -> None:
    post.board.hear()
    silence(beating, 1.2)
    post.board.hear()
    beating.do()
    before = post.beats()
    beating.do()
    assert post.beats() > before


def test_who_runs_a_long_command_has_nothing_to_hear(beating: Beating, post: Post) -> None:
    post.board.hear()
    slot = begin(post.board, "a" * 32)
    silence(beating, 2.5)
    before = post.beats()
    slot.finish(succeeded=True)
    beating.do()
    assert post.beats() > before
    assert not beating.deaf


def test_the_dead_are_beaten_for_until_their_messages_are_reclaimed(
    beating: Beating, post: Post, crew: Crew
) -> None:
    post.board.hear()
    crew.mark_dead(post.born.owners)
    post.board.begin_life()
    silence(beating, 2.2)
    before = post.beats()
    beating.do()
    assert post.beats() > before
    crew.forget(post.born.owners)
    beating.do()
    assert post.beats() == before + 1


# One chore and the others


class Troubled(Chore):
    """Fails as planned."""

    name = "being troubled"

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.tries = self.done = 0

    def due_in(self) -> float:
        return 0.0

    def do(self) -> None:
        self.tries += 1
        if self.error:
            raise self.error
        self.done += 1


@pytest.mark.parametrize("error", [BackendUnavailable("gone"), TypeError("a fault of ours")], ids=repr)
def test_a_chore_that_fails_says_so_once_waits_and_goes_on(
    stores: Stores, log: pytest.LogCaptureFixture, error: Exception
) -> None:
    chore = Troubled()
    guard = Guard(chore, stores, logging.getLogger("djutils.queue.workers.maintainer"), 0.02)
    chore.error = error
    until(lambda: guard.do_if_due() or chore.tries >= 5)
    assert guard.due_in() > 0
    chore.error = None
    until(lambda: guard.do_if_due() or chore.done)
    assert log.text.count("Upkeep is delayed (being troubled)") == 1
    assert log.text.count("The backend answers again.") == 1


# Handing back


@pytest.fixture
def handback(stores: Stores, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> Handback:
    monkeypatch.setattr(handback_module, "STUCK", 0.05)
    return Handback(stores, crew)


def fill(queue: MemoryQueue, count: int) -> None:
    queue.send([make_envelope(record, number, queue=queue.name) for number in range(count)])


def test_what_waits_behind_a_stuck_command_goes_back_and_what_runs_stays(
    handback: Handback, post: Post, log: pytest.LogCaptureFixture
) -> None:
    fill(post.queue, 20)
    first, failed, stuck, *_ = post.take(10)
    for delivery, succeeded in ((first, True), (failed, False)):
        begin(post.board, delivery.id).finish(succeeded)
    begin(post.board, stuck.id)
    until(lambda: handback.do() or post.queue.stats().ready == 17)
    assert {one.id for one in post.queue.adopt(post.owner, ())} == {first.id, failed.id, stuck.id}
    assert post.board.word == 2
    assert f" by {stuck.id}: 7 messages" in log.text
    again = post.queue.receive(post.owner, 20).deliveries
    assert not any(any(delivery[2:]) for delivery in again), "no message is charged"


def test_a_process_that_gets_on_or_holds_nothing_more_is_left_alone(handback: Handback, post: Post) -> None:
    fill(post.queue, 3)
    lent = post.take(3)
    slot, others = begin(post.board, lent[0].id), cycle(lent[1:])
    end = time.monotonic() + 0.3

    def get_on() -> bool:
        slot.finish(succeeded=True)
        slot.start(0, next(others).id, time.monotonic())
        post.board.hold(1000)
        handback.do()
        return time.monotonic() > end

    until(get_on)
    post.board.hold(1)
    end = time.monotonic() + 0.3
    until(lambda: handback.do() or time.monotonic() > end)
    assert post.board.word == 0


def test_a_process_that_can_give_back_by_itself_is_left_to_do_so(handback: Handback, post: Post) -> None:
    fill(post.queue, 3)
    begin(post.board, post.take(3)[0].id)
    end = time.monotonic() + 0.3
    until(lambda: post.board.stir() or handback.do() or time.monotonic() > end)
    assert post.board.word == 0


def test_one_command_is_asked_about_once(handback: Handback, post: Post) -> None:
    fill(post.queue, 3)
    begin(post.board, post.take(3)[0].id)
    until(lambda: handback.do() or post.board.word == 2)
    end = time.monotonic() + 0.3
    until(lambda: handback.do() or time.monotonic() > end)
    assert post.board.word == 2


class Refusing(MemoryQueue):
    """Does not release."""

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        raise BackendUnavailable("whether it took effect is not known")


def test_a_recall_whose_end_is_not_known_is_not_ended(handback: Handback, post: Post, stores: Stores) -> None:
    fill(post.queue, 3)
    begin(post.board, post.take(3)[0].id)
    stores.leased[post.queue.name] = Refusing(post.queue.name)
    with pytest.raises(BackendUnavailable):
        until(handback.do)
    assert post.board.word == 1


# What is recalled is not begun


def deliveries(count: int) -> list[tuple[int, Delivery]]:
    return [(0, make_delivery(record, number)) for number in range(count)]


def test_one_thread_begins_nothing_after_a_recall_until_it_is_over(ran: list[Any]) -> None:
    board = Board(1)
    runner = Inline([Executor("unit")], board)
    runner.put(deliveries(3))
    board.recall()
    with runner.duty:
        runner.run(threading.Event())
        assert (ran, board.begun(), len(runner.take_returned())) == ([], set(), 1)
        board.recall_ends()
        runner.run(threading.Event())
        assert ran == []
        runner.take_returned()
        runner.accept(board.word)
        runner.run(threading.Event())
    assert ran == [2]


@pytest.fixture
def board() -> Board:
    return Board(3)


@pytest.fixture
def threads(board: Board) -> Iterator[Threads]:
    threads = Threads(3, [Executor("unit")], board, lambda: None)
    threads.start()
    until(lambda: threads.idle == 3)
    yield threads
    threads.take_back()
    threads.close()


def test_several_threads_begin_nothing_after_a_recall_until_it_is_over(
    threads: Threads, board: Board, ran: list[Any]
) -> None:
    board.recall()
    threads.put(deliveries(10))
    until(lambda: len(threads.returned) + len(threads.buffer) == 10 and threads.idle == 3)
    board.recall_ends()
    threads.put(deliveries(1))
    until(lambda: threads.idle == 3)
    threads.take_back()
    threads.take_returned()
    assert ran == []
    threads.accept(board.word)
    threads.put(deliveries(5))
    until(lambda: sorted(ran) == list(range(5)))


def test_what_was_taken_before_a_recall_is_not_begun_when_it_is_over(ran: list[Any]) -> None:
    board = Board(1)
    runner = Inline([Executor("unit")], board)
    runner.put(deliveries(1))
    accepted, waiting = board.word, runner.buffer.popleft()
    board.recall()
    board.recall_ends()
    runner.accept(board.word)
    assert runner._run(accepted, waiting, time.monotonic()) is None
    assert ran == []
    assert len(runner.take_returned()) == 1


def test_a_life_that_begins_during_a_recall_is_not_held_up_by_it() -> None:
    board = Board(1)
    board.recall()
    board.begin_life()
    runner = Inline([Executor("unit")], board)
    assert not runner.recalled
    board.recall_ends()
    assert runner.recalled
