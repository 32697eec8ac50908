"""Nights in which the clocks are changed: docs/explanation/time.rst has the rule.

Two clocks are stepped through every real minute of each night.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.crontab import Crontab, crontab, from_cron

from .conftest import Declare
from .times import Times

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)
AROUND = timedelta(hours=2)


class Night(NamedTuple):
    """One change of the clocks, and when commands of a fixed time run in that night."""

    zone: str
    changed: datetime
    fixed: dict[str, str]

    def minutes(self) -> list[datetime]:
        start = self.changed - AROUND
        return [start + MINUTE * number for number in range(2 * AROUND // MINUTE)]

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.zone))


# What is skipped runs right after the gap; what comes twice runs the first time.
NIGHTS = {
    "Berlin, spring": Night(
        "Europe/Berlin",
        datetime(2024, 3, 31, 1, 0, tzinfo=UTC),
        {
            "1:59": "01:59+0100",
            "2:00": "03:00+0200",
            "2:30": "03:00+0200",
            "3:00": "03:00+0200",
            "3:30": "03:30+0200",
        },
    ),
    "Berlin, autumn": Night(
        "Europe/Berlin",
        datetime(2024, 10, 27, 1, 0, tzinfo=UTC),
        {"1:59": "01:59+0200", "2:00": "02:00+0200", "2:30": "02:30+0200", "3:00": "03:00+0100"},
    ),
    "New York, spring": Night(
        "America/New_York",
        datetime(2024, 3, 10, 7, 0, tzinfo=UTC),
        {"1:30": "01:30-0500", "2:30": "03:00-0400", "3:30": "03:30-0400"},
    ),
    "New York, autumn": Night(
        "America/New_York",
        datetime(2024, 11, 3, 6, 0, tzinfo=UTC),
        {"0:30": "00:30-0400", "1:30": "01:30-0400", "2:30": "02:30-0500"},
    ),
    "Lord Howe, spring": Night(
        "Australia/Lord_Howe",
        datetime(2024, 10, 5, 15, 30, tzinfo=UTC),
        {"1:45": "01:45+1030", "2:15": "02:30+1100", "2:30": "02:30+1100", "2:45": "02:45+1100"},
    ),
    "Lord Howe, autumn": Night(
        "Australia/Lord_Howe",
        datetime(2024, 4, 6, 15, 0, tzinfo=UTC),
        {"1:15": "01:15+1100", "1:30": "01:30+1100", "1:45": "01:45+1100", "2:00": "02:00+1030"},
    ),
    "Santiago, spring": Night(
        "America/Santiago",
        datetime(2024, 9, 8, 4, 0, tzinfo=UTC),
        {"23:30": "23:30-0400", "0:00": "01:00-0300", "0:30": "01:00-0300", "1:30": "01:30-0300"},
    ),
    "Santiago, autumn": Night(
        "America/Santiago",
        datetime(2024, 4, 7, 3, 0, tzinfo=UTC),
        {"22:30": "22:30-0300", "23:30": "23:30-0300", "0:00": "00:00-0400"},
    ),
}


@pytest.fixture(params=NIGHTS.values(), ids=NIGHTS)
def night(request: pytest.FixtureRequest) -> Night:
    one: Night = request.param
    return one


@pytest.fixture(params=[True, False], ids=["USE_TZ", "naive"])
def project(request: pytest.FixtureRequest, night: Night, settings: Settings) -> bool:
    """The project lives in the time zone of the night, with USE_TZ or without."""
    settings.TIME_ZONE = night.zone
    settings.USE_TZ = request.param
    return bool(request.param)


Runs = dict[str, list[datetime]]
StepThrough = Callable[[Night], Runs]


def steps(memory: MemoryQueue, night: Night) -> Runs:
    runs: Runs = defaultdict(list)
    times = Times(night.minutes()[0])
    clocks = [times.clock(queues.fresh(memory.name)) for _ in range(2)]
    for minute in night.minutes():
        times.until(minute)
        for clock in clocks:
            clock.tick()
        for data in iter(memory.read, None):
            runs[codec.decode(data, memory.name).command].append(minute)
    return runs


@pytest.fixture
def step_through(memory: MemoryQueue, project: bool) -> StepThrough:
    """Steps the clocks of two consumers through a night; returns when each command was enqueued."""

    return partial(steps, memory)


def declare_fixed(declare: Declare, night: Night) -> None:
    for number, text in enumerate(night.fixed):
        hour, _, minute = text.partition(":")
        declare(f"@periodic_command(crontab(hour={hour}, minute={int(minute)}))\ndef at_{number}(): pass")


def test_a_command_of_a_fixed_time_runs_once_in_a_night_in_which_clocks_are_changed(
    night: Night, step_through: StepThrough, declare: Declare
) -> None:
    declare_fixed(declare, night)
    runs = step_through(night)
    found = [[f"{night.local(m):%H:%M%z}" for m in runs[f"made_up.at_{n}"]] for n in range(len(night.fixed))]
    assert dict(zip(night.fixed, found, strict=True)) == {text: [run] for text, run in night.fixed.items()}


def test_each_schedule_keeps_the_rule_in_its_own_time_zone(
    memory: MemoryQueue, settings: Settings, declare: Declare, night: Night
) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    for number, text in enumerate(night.fixed):
        hour, _, minute = text.partition(":")
        declare(
            f"@periodic_command('{int(minute)} {hour} * * *', time_zone='{night.zone}')\ndef at_{number}(): pass"
        )
    runs = steps(memory, night)
    found = [[f"{night.local(m):%H:%M%z}" for m in runs[f"made_up.at_{n}"]] for n in range(len(night.fixed))]
    assert dict(zip(night.fixed, found, strict=True)) == {text: [run] for text, run in night.fixed.items()}


@pytest.mark.parametrize(
    "expression", ["* * * * *", "*/15 * * * *", "30 * * * *", "*/7 2 * * *", "15 2 * * *", "45 1,23 * * *"]
)
def test_the_next_moments_are_those_at_which_it_is_due(night: Night, expression: str) -> None:
    schedule, zone = from_cron(expression), ZoneInfo(night.zone)
    minutes = night.minutes()
    moment, following = minutes[0] - MINUTE, []
    while (moment := schedule.following(moment.astimezone(zone)).astimezone(UTC)) <= minutes[-1]:
        following.append(moment)
    assert following == [minute for minute in minutes if schedule(minute.astimezone(zone))]


def test_a_star_in_the_hour_or_the_minute_follows_real_time(
    night: Night, step_through: StepThrough, declare: Declare
) -> None:
    hour = night.local(night.changed - MINUTE).hour
    declare(
        f"""
        @periodic_command(crontab())
        def every_minute(): pass

        @periodic_command(crontab(minute=30))
        def half_past(): pass

        @periodic_command(crontab(hour={hour}, minute="*/15"))
        def quarters(): pass

        @periodic_command(crontab(hour={(hour + 1) % 24}, minute="7,*/20"))
        def after(): pass
        """
    )
    runs = step_through(night)
    locals_ = {minute: night.local(minute) for minute in night.minutes()}
    assert runs["made_up.every_minute"] == night.minutes()
    assert runs["made_up.half_past"] == [m for m, at in locals_.items() if at.minute == 30]
    assert runs["made_up.quarters"] == [
        m for m, at in locals_.items() if at.hour == hour and at.minute % 15 == 0
    ]
    assert runs["made_up.after"] == [
        m for m, at in locals_.items() if at.hour == (hour + 1) % 24 and at.minute in {0, 7, 20, 40}
    ]


def test_a_function_of_the_projects_own_is_asked_for_every_real_minute(
    night: Night, project: bool, step_through: StepThrough, declare: Declare
) -> None:
    module: ModuleType = declare(
        """
        asked = []

        @periodic_command(lambda when: asked.append(when) or when.minute == 10)
        def own(): pass
        """
    )
    runs = step_through(night)
    for asked in (module.asked[::2], module.asked[1::2]):
        assert [(when.replace(tzinfo=None), when.fold) for when in asked] == [
            (night.local(minute).replace(tzinfo=None), night.local(minute).fold) for minute in night.minutes()
        ]
        assert {when.tzinfo for when in asked} == {ZoneInfo(night.zone) if project else None}
    assert runs["made_up.own"] == [minute for minute in night.minutes() if night.local(minute).minute == 10]


def test_a_crontab_inside_a_class_or_a_function_keeps_the_rule_too(
    night: Night, step_through: StepThrough, declare: Declare
) -> None:
    text, run = list(night.fixed.items())[1]
    hour, minute = map(int, text.split(":"))
    declare(
        f"""
        when = crontab(hour={hour}, minute={minute})

        class Inside(PeriodicQueueCommand):
            def validate_datetime(self, moment): return when(moment)
            def execute(self): pass

        class Attribute(PeriodicQueueCommand):
            validate_datetime = when
            def execute(self): pass

        @periodic_command(lambda moment: when(moment) or crontab(day=30, hour=0, minute=0)(moment))
        def either(): pass
        """
    )
    runs = step_through(night)
    for name in ("Inside", "Attribute", "either"):
        assert [f"{night.local(m):%H:%M%z}" for m in runs[f"made_up.{name}"]] == [run]


def test_fixed_times_that_fall_on_one_minute_run_once(settings: Settings) -> None:
    zone = ZoneInfo("Europe/Berlin")
    several: Crontab = crontab(hour="2,3", minute="0-59/15")
    night = NIGHTS["Berlin, spring"]
    due = [night.local(minute) for minute in night.minutes() if several(minute.astimezone(zone))]
    assert [f"{when:%H:%M}" for when in due] == ["03:00", "03:15", "03:30", "03:45"]


def test_a_naive_datetime_is_compared_by_its_fields_when_the_project_has_time_zones(
    settings: Settings,
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    half_past_two: Any = crontab(hour=2, minute=30)
    assert half_past_two(datetime(2024, 3, 31, 2, 30))
    assert not half_past_two(datetime(2024, 3, 31, 3, 0))
    settings.USE_TZ = False
    assert half_past_two(datetime(2024, 3, 31, 3, 0))
    assert half_past_two(datetime(2024, 10, 27, 2, 30))
    assert not half_past_two(datetime(2024, 10, 27, 2, 30, fold=1))


def test_a_project_whose_time_zone_is_the_machines_compares_fields(settings: Settings) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = None
    assert crontab(hour=2, minute=30)(datetime(2024, 3, 31, 2, 30))
