"""What ``@periodic_command`` takes beside ``crontab(...)``, and its options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.crontab import from_cron
from djutils.queue.exceptions import InvalidCommand
from djutils.queue.queue import invoker
from djutils.queue.registry import registry
from djutils.queue.schedule import At, Every, every

from .conftest import Declare
from .times import LEAP, Times, names_on

NOON = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)  # a Thursday
MINUTE = timedelta(minutes=1)


def due(command: str, moments: int = 60, start: datetime = NOON, step: timedelta = MINUTE) -> list[str]:
    """Return the times, of so many minutes, at which the only command that is declared is due."""
    ((_, schedule),) = [(one, one.validate_datetime) for one in registry if one.name == f"made_up.{command}"]
    all_ = [start + step * number for number in range(moments)]
    return [f"{when:%H:%M}" for when in all_ if schedule(when)]


def test_a_line_of_cron(declare: Declare) -> None:
    declare("@periodic_command('*/15 9-17 * * mon-fri')\ndef one(): pass")
    assert due("one") == ["12:00", "12:15", "12:30", "12:45"]
    assert due("one", start=NOON + timedelta(days=2)) == []


def test_in_a_line_of_cron_one_of_the_two_day_fields_is_enough() -> None:
    schedule = from_cron("0 12 13 * fri")
    days = [NOON + timedelta(days=number) for number in range(14)]
    assert [f"{day:%d}" for day in days if schedule(day)] == ["03", "10", "13"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 3 * *", "'0 3 . .' has 4 fields, and cron has five"),
        ("@daily", "has 1 fields"),
        ("0 25 * * *", r"crontab\(hour='25'\) can never match"),
        ("0 0 31 2 *", "can never match: these months have no such day"),
        ("0 0 * * fri#2", "can never match: use"),
    ],
)
def test_a_line_that_is_not_crons_is_refused(expression: str, message: str) -> None:
    with pytest.raises(InvalidCommand, match=message):
        from_cron(expression)


def test_every_so_many_minutes_counts_from_the_epoch(declare: Declare) -> None:
    declare("@periodic_command(every(minutes=25))\ndef one(): pass")
    assert due("one", moments=24 * 60)[:3] == ["12:05", "12:30", "12:55"]
    assert [when.timestamp() % 1500 for when in (NOON + 5 * MINUTE, NOON + 30 * MINUTE)] == [0, 0]


def test_every_is_the_same_with_and_without_time_zones(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    settings.USE_TZ = False
    assert every(hours=1)(datetime(2024, 5, 2, 17, 30))
    assert not every(hours=1)(datetime(2024, 5, 2, 17, 0))


@pytest.mark.parametrize("period", [{"seconds": 30}, {"seconds": 90}, {"minutes": 0}, {}, {"hours": -1}])
def test_a_period_that_the_clock_cannot_keep_is_refused(period: dict[str, int]) -> None:
    with pytest.raises(
        InvalidCommand, match=r"whole minutes, one at least.*the clock of a consumer looks once a minute"
    ):
        every(**period)


def test_the_next_moments() -> None:
    assert every(minutes=25).following(NOON) == NOON + 5 * MINUTE
    assert every(minutes=10).following(NOON) == NOON + 10 * MINUTE
    assert At(NOON).following(NOON - timedelta(days=400)) == NOON
    assert At(NOON).following(NOON) is None
    assert from_cron("7 4 29 2 *").following(LEAP) == datetime(2024, 2, 29, 4, 7, tzinfo=UTC)
    assert from_cron("7 3 29 2 *").following(LEAP) == datetime(2028, 2, 29, 3, 7, tzinfo=UTC)


def test_once_at_a_moment(declare: Declare, memory: MemoryQueue) -> None:
    declare(
        """
        from datetime import datetime, timezone

        @periodic_command(at=datetime(2024, 5, 2, 12, 3, 40, tzinfo=timezone.utc))
        def aware(): pass

        @periodic_command(at=datetime(2024, 5, 2, 17, 34), time_zone="Asia/Kolkata")
        def naive(): pass
        """
    )
    times = Times(NOON)
    clock, found = times.clock(memory), []
    for _ in range(8):
        clock.tick()
        found += [(f"{times.shown():%H:%M}", name) for name in names_on(memory)]
        times.elapse(60)
    assert found == [("12:03", "made_up.aware"), ("12:04", "made_up.naive")]


def test_the_clock_leaves_out_what_is_not_enabled(declare: Declare, memory: MemoryQueue) -> None:
    declare(
        """
        @periodic_command(every(minutes=1), enabled=False)
        def one(): pass

        class Two(PeriodicQueueCommand):
            enabled = False
            def validate_datetime(self, when): return True
            def execute(self): pass
        """
    )
    Times(NOON).clock(memory).tick()
    assert names_on(memory) == []
    assert invoker.enqueue_periodic_commands(NOON) == []


def test_the_arguments_of_a_call_by_the_clock(declare: Declare, memory: MemoryQueue) -> None:
    module = declare(
        """
        seen = []

        @periodic_command(every(minutes=1), args=(1, "b"), kwargs={"c": 3})
        def one(a, b, *, c): seen.append((a, b, c))
        """
    )
    Times(NOON).clock(memory).tick()
    while invoker.dequeue():
        pass
    assert module.seen == [(1, "b", 3)]


def test_an_own_function_gets_the_local_time_of_the_time_zone(
    declare: Declare, memory: MemoryQueue, settings: Settings
) -> None:
    settings.USE_TZ = False
    module = declare(
        """
        seen = []

        @periodic_command(lambda when: seen.append(when), time_zone="Asia/Kolkata")
        def one(): pass
        """
    )
    Times(NOON).clock(memory).tick()
    assert [when.isoformat() for when in module.seen] == ["2024-05-02T17:30:00+05:30"]


def test_jitter_spreads_the_runs_of_a_minute_and_is_the_same_for_every_consumer(
    declare: Declare, memory: MemoryQueue
) -> None:
    declare(
        "\n".join(
            f"@periodic_command(every(minutes=1), jitter=600)\ndef number_{number}(): pass"
            for number in range(40)
        )
    )
    Times(NOON).clock(memory).tick()
    messages = [codec.decode(one.data or b"", memory.name) for one in memory.peek("delayed", data=True)]
    waits = {message.command: (message.eta or 0) - message.created for message in messages}
    assert len(waits) == 40
    assert all(-1 < wait <= 600 for wait in waits.values())
    assert len({round(wait / 60) for wait in waits.values()}) > 5

    memory.flush()
    again = MemoryQueue(f"{memory.name}")
    again._shared.once.clear()
    Times(NOON).clock(again).tick()
    messages = [codec.decode(one.data or b"", memory.name) for one in memory.peek("delayed", data=True)]
    assert {m.command: pytest.approx(waits[m.command], abs=1) for m in messages} == waits


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("time_zone='Europe/Berlni'", "must be the name of a time zone"),
        ("time_zone=1", "must be the name of a time zone"),
        ("tim_zone='Europe/Berlin'", "did you mean 'time_zone'"),
        ("enabled='no'", "must be True or False"),
        ("jitter=-1", "from 0 to a day"),
        ("args='abc'", "must be a tuple of the positional arguments"),
        ("args=(1, 2)", "'one' must not require arguments, except"),
        ("kwargs={'b': 1}", "'one' must not require arguments, except"),
        ("kwargs={1: 1}", "must be a dictionary"),
        ("at=5", "must be a datetime"),
        ("overlap='queue', at_most_once=True", "at_most_once and overlap='queue' of .* exclude each other"),
    ],
)
def test_an_option_that_cannot_work_is_refused(declare: Declare, declaration: str, message: str) -> None:
    what = "" if declaration.startswith("at") else "every(minutes=1), "
    with pytest.raises(InvalidCommand, match=message):
        declare(f"@periodic_command({what}{declaration})\ndef one(a=0): pass")


def test_a_schedule_and_a_moment_are_too_much(declare: Declare) -> None:
    with pytest.raises(InvalidCommand, match="it needs one of"):
        declare("from datetime import datetime\nperiodic_command(every(minutes=1), at=datetime(2030, 1, 1))")


def test_options_of_a_class_are_checked_too(declare: Declare) -> None:
    with pytest.raises(InvalidCommand, match="must be the name of a time zone"):
        declare("class One(PeriodicQueueCommand):\n  time_zone = 'x'\n  def execute(self): pass")


def test_a_schedule_says_what_it_is() -> None:
    shown: list[Any] = [Every(90), At(NOON), from_cron("0 3 * * mon")]
    assert [*map(repr, shown)] == ["<every 1:30:00>", "<at 2024-05-02T12:00+00:00>", "<crontab 0 3 * * 1>"]
