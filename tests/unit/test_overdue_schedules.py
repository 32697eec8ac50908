"""A schedule that did not run within its grace."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from djutils.queue import schedules
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue

from .conftest import Declare
from .times import Times

AGO = timedelta(minutes=30)


@pytest.fixture
def times() -> Times:
    """A consumer ran half an hour ago, and has not run since."""
    return Times(datetime.now(UTC) - AGO)


def overdue(name: str = "made_up.one") -> datetime | None:
    return schedules.get(name).overdue_since()


def declare_one(declare: Declare, options: str = "") -> None:
    declare(f"@periodic_command(every(minutes=1), {options})\ndef one(): pass")


def test_one_that_has_not_run_for_longer_than_its_grace_is_overdue(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare_one(declare)
    assert overdue() is None, "no consumer has seen it yet"
    times.clock(memory).tick()

    since = overdue()

    assert since == times.shown().replace(second=0, microsecond=0) + timedelta(minutes=1)
    times.until(datetime.now(UTC))
    times.clock(memory).tick()
    assert overdue() is None, "it has run"


def test_the_grace_is_a_setting(
    memory: MemoryQueue, times: Times, declare: Declare, settings: Settings
) -> None:
    declare_one(declare)
    times.clock(memory).tick()
    for grace, is_overdue in ((timedelta(minutes=20), True), (3600, False), (None, False), (60.5, True)):
        settings.QUEUE_SCHEDULE_GRACE = grace
        assert (overdue() is not None) is is_overdue


def test_running_it_now_settles_it_and_so_does_switching_it_off(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare_one(declare)
    times.clock(memory).tick()
    schedules.disable("made_up.one")
    assert overdue() is None
    schedules.enable("made_up.one")
    assert overdue() is not None
    schedules.run_now("made_up.one")
    assert overdue() is None


def run_for_half_an_hour(memory: MemoryQueue, times: Times) -> None:
    clock = times.clock(memory)
    for _ in range(31):
        clock.tick()
        times.elapse(60)


def test_one_that_is_enqueued_and_that_no_worker_begins_is_overdue(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare_one(declare)
    run_for_half_an_hour(memory, times)

    since = overdue()

    assert since is not None
    assert timedelta(minutes=5) <= datetime.now(UTC) - since < timedelta(minutes=7)
    owner = new_owner()
    memory.enroll(owner)
    lent = [one.id for one in memory.receive(owner, 100).deliveries]
    assert overdue() is None, "each has begun"
    memory.ack(owner, lent)
    assert overdue() is None


def test_the_grace_begins_when_the_jitter_may_have_ended(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare_one(declare, "jitter=600")
    run_for_half_an_hour(memory, times)
    since = overdue()
    assert since is not None
    assert timedelta(minutes=15) <= datetime.now(UTC) - since < timedelta(minutes=17)


def test_what_was_left_out_because_the_last_run_goes_on_is_not_overdue(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare_one(declare, "overlap='skip'")
    clock = times.clock(memory)
    for _ in range(31):
        clock.tick()
        times.elapse(60)
    assert len(memory) == 1
    assert overdue() is None


def test_a_schedule_that_was_changed_is_not_overdue_before_a_consumer_has_seen_it(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    declare("@periodic_command('0 3 29 2 *')\ndef one(): pass")
    times.clock(memory).tick()
    assert time.time() > times.now()
    declare_one(declare)
    assert overdue() is None
