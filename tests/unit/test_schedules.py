"""Schedules that are seen and switched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from djutils.queue import schedules
from djutils.queue.backends import queues
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import (
    ScheduleError,
    ScheduleNotFound,
)
from djutils.queue.message import Rejection
from djutils.queue.schedule import every
from djutils.queue.workers.clock import Clock
from djutils.testing import drain

from .commands_for_tests import record
from .conftest import Declare
from .helpers import ListQueue
from .times import Times, minutes, names_on


@pytest.fixture
def times() -> Times:
    """The clocks of the consumers; a few seconds after a whole hour, so that what is added now is due later."""
    now = datetime.now(UTC).replace(minute=0, second=10, microsecond=0)
    return Times(now + timedelta(hours=1))


@pytest.fixture
def clock(memory: MemoryQueue, times: Times) -> Clock:
    return times.clock(queues.fresh(memory.name))


def declare_one(declare: Declare, options: str = "") -> None:
    declare(f"@periodic_command(every(minutes=1), {options})\ndef one(): pass")


# Seen


def test_every_schedule_is_listed_with_its_last_and_next_runs(
    memory: MemoryQueue, times: Times, clock: Clock, declare: Declare
) -> None:
    declare("@periodic_command('45 2 * * *', time_zone='Asia/Kolkata', misfire='once')\ndef nightly(): pass")
    declare_one(declare)
    clock.tick()
    (waiting,) = memory.peek("ready")

    nightly, one = schedules.get("made_up.nightly"), schedules.get("made_up.one")

    assert {nightly.name, one.name} <= {found.name for found in schedules.all()}
    assert (nightly.rule, nightly.misfire, nightly.last_run, nightly.last_result) == (
        "<crontab 45 2 * * *> Asia/Kolkata",
        "once",
        None,
        None,
    )
    assert [f"{moment:%H:%M %Z}" for moment in nightly.next(3)] == ["02:45 IST"] * 3
    assert one.last_run == times.shown().replace(second=0)
    assert one.last_result is not None
    assert one.last_result[:] == (waiting.id, "made_up.one", memory.name)
    assert one.next(2)[1] - one.next(2)[0] == timedelta(minutes=1)


def test_of_a_function_only_the_next_day_is_known(memory: MemoryQueue, declare: Declare) -> None:
    declare("@periodic_command(lambda when: when.minute == 0)\ndef own(): pass")
    assert len(schedules.get("made_up.own").next(100)) == 24


def test_a_name_that_does_not_exist_is_refused(memory: MemoryQueue) -> None:
    for act in (schedules.get, schedules.enable, schedules.disable, schedules.run_now, schedules.remove):
        with pytest.raises(ScheduleNotFound, match="There is no schedule 'nothing'"):
            act("nothing")


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (lambda queue, owner, id: None, "RUNNING"),
        (lambda queue, owner, id: queue.reject(owner, [Rejection(id, "boom")]), "FAILED"),
        (lambda queue, owner, id: queue.ack(owner, [id]), None),
    ],
)
def test_what_has_become_of_the_last_run_of_a_command_that_keeps_no_results(
    memory: MemoryQueue, clock: Clock, declare: Declare, ends: Any, status: str | None
) -> None:
    declare_one(declare)
    assert schedules.get("made_up.one").last_status() is None
    clock.tick()
    assert schedules.get("made_up.one").last_status() == "READY"
    owner = new_owner()
    memory.enroll(owner)
    (lent,) = memory.receive(owner, 1).deliveries
    ends(memory, owner, lent.id)
    assert schedules.get("made_up.one").last_status() == status


def test_what_has_become_of_the_last_run_of_a_command_that_keeps_results(
    memory: MemoryQueue, clock: Clock, declare: Declare
) -> None:
    declare_one(declare, "result=True")
    clock.tick()
    drain()
    one = schedules.get("made_up.one")
    assert one.last_status() == "SUCCESSFUL"
    assert one.last_result is not None
    assert one.last_result.wait(1) is None


# Switched


def test_one_that_is_switched_off_stays_off_until_it_is_switched_on(
    memory: MemoryQueue, times: Times, clock: Clock, declare: Declare
) -> None:
    declare_one(declare, "misfire='all'")
    clock.tick()
    assert names_on(memory) == ["made_up.one"]
    schedules.disable("made_up.one")
    assert minutes(clock, times, memory, 5) == []
    later = times.clock(queues.fresh(memory.name))
    later.tick()
    assert names_on(memory) == []
    assert not schedules.get("made_up.one").enabled
    assert schedules.get("made_up.one").next() == []

    schedules.enable("made_up.one")

    assert minutes(later, times, memory) == ["made_up.one"], "in the next minute, and nothing is caught up"


def test_one_that_is_declared_as_off_can_be_switched_on(
    memory: MemoryQueue, times: Times, clock: Clock, declare: Declare
) -> None:
    declare_one(declare, "enabled=False")
    assert minutes(clock, times, memory, 2) == []
    schedules.enable("made_up.one")
    assert minutes(clock, times, memory, 2) == ["made_up.one"] * 2


def test_run_now_enqueues_at_once_and_counts_as_the_last_run(
    memory: MemoryQueue, times: Times, clock: Clock, declare: Declare
) -> None:
    declare_one(declare, "enabled=False, args=()")
    result = schedules.run_now("made_up.one")
    assert [one.id for one in memory.peek("ready")] == [result.id]
    found = schedules.get("made_up.one")
    assert found.last_result is not None
    assert found.last_result.id == result.id
    assert not found.enabled


# Neither


def test_a_backend_without_a_store_refuses_and_its_periodic_commands_run(
    four_methods: ListQueue, times: Times, declare: Declare
) -> None:
    declare_one(declare)
    for act in (
        lambda: schedules.disable("made_up.one"),
        lambda: schedules.add("mine", record, every(minutes=1), args=("x",)),
    ):
        with pytest.raises(ScheduleError, match="ListQueue keeps nothing beside its messages"):
            act()
    times.clock(four_methods).tick()
    assert names_on(four_methods) == ["made_up.one"]
