"""Schedules that are seen, switched and made at run time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from djutils.queue import codec, schedules
from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.crontab import crontab
from djutils.queue.exceptions import (
    InvalidCommand,
    ScheduleError,
    ScheduleExists,
    ScheduleNotFound,
    WrongArguments,
)
from djutils.queue.queue import invoker
from djutils.queue.schedule import every
from djutils.queue.schedule_records import MOST_MADE
from djutils.queue.workers.clock import Clock

from .commands_for_tests import record
from .conftest import Declare
from .helpers import ListQueue
from .times import Times, names_on

RECORD = "record"


@pytest.fixture
def times() -> Times:
    """The clocks of the consumers; a few seconds after a whole hour, so that what is added now is due later."""
    now = datetime.now(UTC).replace(minute=0, second=10, microsecond=0)
    return Times(now + timedelta(hours=1))


@pytest.fixture
def clock(memory: MemoryQueue, times: Times) -> Clock:
    return times.clock(queues.fresh(memory.name))


def minutes(clock: Clock, times: Times, memory: MemoryQueue, count: int = 1) -> list[str]:
    """Let so many minutes pass; return the names of what was enqueued."""
    found = []
    for _ in range(count):
        times.elapse(60)
        clock.tick()
        found += names_on(memory)
    return found


def declare_one(declare: Declare, options: str = "") -> None:
    declare(f"@periodic_command(every(minutes=1), {options})\ndef one(): pass")


# Seen


def test_every_schedule_is_listed_with_its_last_and_next_runs(
    memory: MemoryQueue, times: Times, clock: Clock, declare: Declare
) -> None:
    declare("@periodic_command('30 2 * * *', time_zone='Asia/Kolkata', misfire='once')\ndef nightly(): pass")
    declare_one(declare)
    clock.tick()
    (waiting,) = memory.peek("ready")

    nightly, one = schedules.get("made_up.nightly"), schedules.get("made_up.one")

    assert {nightly.name, one.name} <= {found.name for found in schedules.all()}
    assert (nightly.rule, nightly.misfire, nightly.last_run, nightly.last_result) == (
        "<crontab 30 2 * * *> Asia/Kolkata",
        "once",
        None,
        None,
    )
    assert [f"{moment:%H:%M %Z}" for moment in nightly.next(3)] == ["02:30 IST"] * 3
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


# Made at run time


def test_one_that_is_added_runs_in_all_consumers_together_once_with_its_arguments(
    memory: MemoryQueue, times: Times, clock: Clock, ran: list[Any]
) -> None:
    clock.tick()
    schedules.add("mine", record, every(minutes=1), args=("x",), kwargs={"times": 2})
    other = times.clock(queues.fresh(memory.name))
    times.elapse(60)
    clock.tick()
    other.tick()
    while invoker.dequeue():
        pass
    assert ran == ["x", "x"]


def test_what_is_said_of_one_that_is_added_is_kept(memory: MemoryQueue, times: Times, clock: Clock) -> None:
    added = schedules.add(
        "mine",
        record.using(priority=7).command("x"),
        crontab(hour=3, minute=0),
        time_zone="Europe/Berlin",
        jitter=timedelta(seconds=30),
        misfire="once",
        overlap="skip",
    )
    assert added == schedules.get("mine")
    assert (added.made, added.misfire, added.overlap, added.time_zone) == (
        True,
        "once",
        "skip",
        "Europe/Berlin",
    )
    assert added.command == record.command_class.name
    assert added.next()[0].astimezone(ZoneInfo("Europe/Berlin")).hour == 3
    schedules.run_now("mine")
    (sent,) = [codec.decode(one.data or b"", memory.name) for one in memory.peek("ready", data=True)]
    assert sent.priority == 7


@pytest.mark.parametrize(
    "schedule", ["0 3 13 * fri", every(hours=5), crontab(day=13, day_of_week="fri", hour=3, minute=0)]
)
def test_a_schedule_comes_back_from_the_store_as_it_was(memory: MemoryQueue, schedule: Any) -> None:
    added = schedules.add("mine", record, schedule, args=("x",))
    declared = schedules.as_rule(schedule, None)
    days = [datetime(2024, 9, day, hour, tzinfo=UTC) for day in range(1, 31) for hour in range(24)]
    assert [*map(added.planned.validate_datetime, days)] == [*map(declared, days)]


def test_once_at_a_moment(memory: MemoryQueue, times: Times, clock: Clock) -> None:
    schedules.add("mine", record, times.shown() + timedelta(minutes=2), args=("x",))
    assert minutes(clock, times, memory, 5) == [RECORD]
    assert schedules.get("mine").next(3)[:1] != []


def test_one_that_is_removed_runs_no_more(memory: MemoryQueue, times: Times, clock: Clock) -> None:
    schedules.add("mine", record, every(minutes=1), args=("x",))
    assert minutes(clock, times, memory, 2) == [RECORD] * 2
    schedules.remove("mine")
    assert minutes(clock, times, memory, 3) == []
    with pytest.raises(ScheduleNotFound):
        schedules.get("mine")
    schedules.add("mine", record, every(minutes=1), args=("x",))
    assert minutes(clock, times, memory) == [RECORD]


def test_one_that_is_replaced_runs_as_the_new_one(
    memory: MemoryQueue, times: Times, clock: Clock, ran: list[Any]
) -> None:
    schedules.add("mine", record, every(minutes=1), args=("old",))
    minutes(clock, times, memory)
    schedules.add("mine", record, every(minutes=1), args=("new",), replace=True)
    times.elapse(60)
    clock.tick()
    while invoker.dequeue():
        pass
    assert ran == ["new"]


def test_a_name_is_given_once(memory: MemoryQueue, declare: Declare) -> None:
    declare_one(declare)
    schedules.add("mine", record, every(minutes=1), args=("x",))
    for name, replace in (("mine", False), ("made_up.one", False), ("made_up.one", True)):
        with pytest.raises(
            ScheduleExists, match=f"There is a schedule '{name}' already; nothing was changed"
        ):
            schedules.add(name, record, every(minutes=1), args=("x",), replace=replace)


def test_one_whose_maker_was_killed_halfway_can_be_added(memory: MemoryQueue) -> None:
    memory.store.add("schedule made mine", b"{}", 3600)
    assert [one for one in schedules.all() if one.made] == []
    schedules.add("mine", record, every(minutes=1), args=("x",))
    assert schedules.get("mine").command == record.command_class.name


def test_too_many_are_refused_and_nothing_is_left(memory: MemoryQueue) -> None:
    for number in range(MOST_MADE):
        memory.store.add(f"schedule slot {number}", b"other", 3600)
    with pytest.raises(ScheduleError, match="There are 500 schedules already"):
        schedules.add("mine", record, every(minutes=1), args=("x",))
    assert memory.store.get(["schedule made mine"]) == {}


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"schedule": lambda when: True}, InvalidCommand, "is kept in the store"),
        ({"schedule": "0 3 * *"}, InvalidCommand, "cron has five"),
        ({"schedule": every(minutes=1), "args": (1, 2, 3)}, WrongArguments, "nothing was sent"),
        ({"schedule": every(minutes=1), "time_zone": "x"}, InvalidCommand, "the name of a time zone"),
        ({"schedule": every(minutes=1), "command": len}, InvalidCommand, "cannot be scheduled like this"),
        ({"schedule": every(minutes=1), "name": ""}, InvalidCommand, "a string of 1 to 200"),
    ],
)
def test_what_cannot_work_is_refused_and_changes_nothing(
    memory: MemoryQueue, arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        schedules.add(**{"name": "mine", "command": record, "args": ("x",), **arguments})
    assert [one for one in schedules.all() if one.made] == []


def test_a_declared_one_cannot_be_removed(memory: MemoryQueue, declare: Declare) -> None:
    declare_one(declare)
    with pytest.raises(ScheduleError, match=r"declared in code, at made_up.py:\d+; nothing was changed"):
        schedules.remove("made_up.one")


def test_whoever_writes_to_the_store_lets_no_other_command_run(
    memory: MemoryQueue, times: Times, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    schedules.add("mine", record, every(minutes=1), args=("x",))
    kept = json.loads(memory.store.get(["schedule made mine"])["schedule made mine"])
    kept["message"] = kept["message"][:-8] + "AAAAAAA="
    memory.store.set({"schedule made mine": json.dumps(kept).encode()}, 3600)
    assert minutes(clock, times, memory, 2) == []
    assert "was not enqueued: it cannot be sent" in caplog.text
    assert "InvalidMessage" in caplog.text
    assert schedules.get("mine").command == "?"
    schedules.remove("mine")


def test_what_cannot_be_read_stops_no_other_schedule(
    memory: MemoryQueue, times: Times, clock: Clock, caplog: pytest.LogCaptureFixture, declare: Declare
) -> None:
    declare_one(declare)
    schedules.add("mine", record, every(minutes=1), args=("x",))
    memory.store.set({"schedule made mine": b"spoilt"}, 3600)
    assert minutes(clock, times, memory, 2) == ["made_up.one"] * 2
    assert caplog.text.count("What is kept as the schedule 'mine'") == 1
    schedules.remove("mine")
    assert memory.store.get(["schedule made mine", "schedule slot 0"]) == {}


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
