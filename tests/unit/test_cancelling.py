"""Cancelling at the wrong moment: nothing but the call that is meant is touched, and no result is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextvars import Context
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from pytest_django import Settings

from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.cancelling import Cancellation, cancel
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import TimeLimitExceeded
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.interrupting import interrupt, interruptible
from djutils.queue.message import Action
from djutils.queue.queue import invoker
from djutils.queue.results import Result
from djutils.queue.signals import command_succeeded
from djutils.queue.workers.board import Board, Entry, Slot

from .helpers import make_delivery


@queue_command(result=True)
def double(number: int) -> int:
    return 2 * number


@queue_command(result=True, max_attempts=1)
def fail() -> None:
    raise LookupError("no")


@queue_command(result=True)
async def double_later(number: int) -> int:
    return 2 * number


@queue_command(time_limit=0.2)
def be_interrupted_and_go_on(id: str) -> None:
    try:
        interrupt(id)
        for _ in range(100_000):
            pass
        raise LookupError("not interrupted")
    except TimeLimitExceeded:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass


class HastyQueue(MemoryQueue):
    """What is to be removed has just begun elsewhere, and ends before the reply arrives."""

    def remove(self, ids: Collection[str]) -> set[str]:
        run_next(self)
        return super().remove(ids)


def run_next(queue: MemoryQueue, owner: int = 7) -> None:
    """Run the next message as a worker does, and settle it."""
    queue.enroll(owner)
    (delivery,) = queue.receive(owner, 1).deliveries
    queue.channel(owner).settle([(delivery, Executor(queue.name).execute(delivery))])


@pytest.fixture
def board() -> Board:
    board = Board(1)
    board.begin_life()
    return board


def begin(board: Board, id: str) -> Slot:
    slot = board.free.popleft()
    slot.start(0, id, time.monotonic())
    return slot


def only(board: Board) -> Entry:
    (entry,) = board.running()
    return entry


@pytest.mark.parametrize("kill", [False, True])
def test_a_command_is_asked_and_its_process_is_due_if_it_is_to_be_killed(board: Board, kill: bool) -> None:
    id = new_id()
    slot = begin(board, id)

    board.ask_to_end(id, kill=kill)

    assert only(board).asked
    assert slot.is_asked_to_end(id)
    assert board.overdue(time.monotonic()) is kill


@pytest.mark.parametrize("kill", [False, True])
def test_what_runs_in_the_same_slot_next_is_not_meant(board: Board, kill: bool) -> None:
    first, second = new_id(), new_id()
    slot = begin(board, first)
    board.ask_to_end(first, kill=kill)
    slot.finish(succeeded=True)
    # Without clear(): the same slot, as if the maintainer had written just now.
    slot.start(0, second, time.monotonic())

    assert not only(board).asked
    assert not slot.is_asked_to_end(second)
    assert not board.overdue(time.monotonic())


def test_a_request_leaves_the_limit_of_a_command_as_it_is(board: Board) -> None:
    id = new_id()
    slot = begin(board, id)
    slot.must_end(time.monotonic() + 60)
    board.ask_to_end(id, kill=False)
    assert not board.overdue(time.monotonic())
    board.ask_to_end(id, kill=True)
    assert board.overdue(time.monotonic())


@pytest.mark.django_db
def test_a_call_that_ends_while_it_is_being_cancelled_keeps_its_result(settings: Settings) -> None:
    settings.QUEUE_BACKEND = f"{__name__}.HastyQueue"
    result = double(4)

    assert cancel(queues[result.queue_name], result.id, kill=False) == Cancellation.ASKED

    assert result.wait(0) == 8


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["", "database"])
@pytest.mark.parametrize(("call", "action"), [(lambda: double(4), Action.FINISH), (fail, Action.REJECT)])
def test_a_worker_that_lost_its_lease_does_not_write_over_the_result_of_the_next_one(
    settings: Settings, place: str, call: Callable[[], Result], action: Action
) -> None:
    settings.QUEUE_RESULT_STORE = place
    id, queue = call().id, cast(MemoryQueue, invoker.queue)
    queue.enroll(1)
    (delivery,) = queue.receive(1, 1).deliveries
    outcome = Executor(queue.name).execute(delivery)
    assert outcome.action is action
    queue.reap(1)
    queue.enroll(2)
    queue.receive(2, 1)
    queue.finish(2, {id: b"what the next one keeps"}, 60)

    queue.channel(1).settle([(delivery, outcome)])

    assert queue.results is not None
    assert queue.results.get([id]) == {id: b"what the next one keeps"}


def test_it_is_interrupted_once_however_often_that_is_asked() -> None:
    """The first exception was caught; a second one, at the limit, would hit what the command does about it."""
    delivery = make_delivery(be_interrupted_and_go_on, id := new_id(), id=id)
    assert Executor("unit").execute(delivery).action is Action.ACK


def test_what_has_ended_is_not_interrupted() -> None:
    rung: list[str] = []
    with interruptible("a", lambda is_running: rung.append(f"{is_running()}")):
        assert not interrupt("b")
        assert interrupt("a")
    assert not interrupt("a")
    assert rung == ["True"]


def test_two_runs_of_one_message_are_both_interrupted_and_end_by_themselves() -> None:
    rung: list[int] = []
    with interruptible("a", lambda _: rung.append(1)):
        with interruptible("a", lambda _: rung.append(2)):
            assert interrupt("a")
        assert interrupt("a")
    assert rung == [1, 2, 1]


@pytest.fixture
def at_success() -> Iterator[list[bool]]:
    """What an interruption finds when a command has succeeded and its outcome is being decided."""
    found: list[bool] = []

    def receive(message: Any, **kwargs: Any) -> None:
        found.append(interrupt(message.id))

    command_succeeded.connect(receive)
    yield found
    command_succeeded.disconnect(receive)


def test_a_coroutine_that_has_just_ended_is_not_cancelled_any_more(at_success: list[bool]) -> None:
    delivery = make_delivery(double_later, 2)
    # In its own context, as in a worker: async_to_sync brings back what is set in it.
    outcome = Context().run(async_to_sync(Executor("unit").aexecute), delivery)
    assert outcome.action is Action.FINISH
    assert at_success == [False]
