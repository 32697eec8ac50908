"""What a call tells while it runs, and how it is cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from djutils.queue import progress, track
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.cancelling import Cancellation
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import Cancelled
from djutils.queue.queue import invoker
from djutils.queue.record import Progress, ResultStatus
from djutils.queue.results import Speed
from djutils.testing import drain

pytestmark = pytest.mark.django_db


@queue_command(result=True)
def add(one: int, other: int) -> int:
    return one + other


@queue_command(result=True)
def count_to(number: int) -> int:
    for _ in track(range(number), note="counting"):
        pass
    return number


@queue_command(result=True)
def go_half_way() -> None:
    with progress(10, "begins") as bar:
        bar.advance(5, "is half way there")


def test_progress_is_in_the_record() -> None:
    counted, half = count_to(100_000), go_half_way()
    assert counted.progress is None
    drain()
    counted.refresh()
    half.refresh()
    assert counted.progress == Progress(100_000, 100_000, "counting")
    assert half.progress == Progress(5, 10, "is half way there")
    assert counted.progress.eta == timedelta(0)


def test_how_fast_it_is_tells_how_long_it_takes() -> None:
    speed = Speed.of(Progress(250, 1000), seconds=5)
    assert (speed.rate, speed.eta) == (50, timedelta(seconds=15))
    for done, total, seconds in [(0, 10, 5), (5, None, 5), (5, 10, 0)]:
        assert Speed.of(Progress(done, total), seconds).eta is None


def test_progress_outside_a_worker_does_nothing() -> None:
    assert count_to.call(10) == 10


@pytest.mark.parametrize("delay", [None, timedelta(hours=1)])
def test_a_waiting_call_is_cancelled_by_being_removed(delay: timedelta | None) -> None:
    call = add.using(run_after=delay) if delay else add
    result, other = call(1, 2), call(3, 4)

    assert result.cancel() == Cancellation.REMOVED

    assert (result.status, result.is_finished, result.attempts) == (ResultStatus.CANCELLED, True, 0)
    with pytest.raises(Cancelled, match="was cancelled"):
        result.wait(0)
    assert result.cancel() == Cancellation.TOO_LATE
    drain(delays=True)
    assert other.wait(0) == 7
    assert other.cancel() == Cancellation.TOO_LATE
    assert other.return_value == 7


def test_a_lent_call_is_asked_and_a_run_that_ends_well_all_the_same_counts() -> None:
    result, queue = add(1, 2), invoker.queue
    assert isinstance(queue, LeasedQueue)
    queue.enroll(1)
    queue.receive(1, 1)
    assert (result.cancel(), result.cancel(kill=True)) == (Cancellation.ASKED, Cancellation.KILLING)
    assert result.status == ResultStatus.READY
    queue.reap(1, running={})
    drain()
    assert result.wait(0) == 3
