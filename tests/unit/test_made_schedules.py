"""Schedules that are made at run time."""

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
from tests.project.app.models import Place

from .commands_for_tests import record
from .commands_once import fire
from .commands_with_models import look_at, seen
from .conftest import Declare
from .times import Times, minutes

RECORD = "record"


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
    assert "message" not in repr(added), "the arguments do not get into a log"
    assert added.next()[0].astimezone(ZoneInfo("Europe/Berlin")).hour == 3
    schedules.run_now("mine")
    (sent,) = [codec.decode(one.data or b"", memory.name) for one in memory.peek("ready", data=True)]
    assert sent.priority == 7


def test_each_run_of_one_that_is_added_expires_so_long_after_its_own_moment(
    memory: MemoryQueue, times: Times, clock: Clock
) -> None:
    expires = timedelta(minutes=5)
    schedules.add("mine", record.using(expires=expires).command("x"), every(minutes=1))
    for _ in range(2):
        times.elapse(60)
        clock.tick()
    sent = [codec.decode(one.data or b"", memory.name) for one in memory.peek("ready", data=True)]
    assert [one.extras["expires"] - one.created for one in sent] == [expires.total_seconds()] * 2
    assert sent[0].extras["expires"] != sent[1].extras["expires"]


@pytest.mark.django_db
def test_one_that_is_added_for_a_model_instance_finds_the_row_as_it_is_then(
    memory: MemoryQueue, times: Times, clock: Clock
) -> None:
    place = Place.objects.create(name="before")
    schedules.add("mine", look_at, every(minutes=1), args=(place,))
    Place.objects.update(name="after")
    seen.clear()
    times.elapse(60)
    clock.tick()
    while invoker.dequeue():
        pass
    assert [found.name for (found,) in seen] == ["after"]


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
        (
            {"schedule": every(minutes=1), "command": record.using(run_after=timedelta(hours=1))},
            InvalidCommand,
            "run_after is for a single call, and the schedule 'mine' makes many; nothing was changed",
        ),
        (
            {
                "schedule": every(minutes=1),
                "command": record.using(expires=datetime(2040, 1, 1, tzinfo=UTC)),
            },
            InvalidCommand,
            "expires of the schedule 'mine' must be a timedelta",
        ),
        (
            {"schedule": every(minutes=1), "command": fire, "overlap": "skip"},
            InvalidCommand,
            "at_most_once and overlap='skip' of the schedule 'mine' exclude each other",
        ),
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
