"""The maintainer's judgement of others, and its clock. Time is given by the test."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.queue import invoker
from djutils.queue.workers.clock import Clock
from djutils.queue.workers.maintainer import Watch

from .conftest import Declare
from .helpers import ListQueue

# Whose beats stand still


def test_an_owner_whose_counter_stands_still_for_the_lease_is_named() -> None:
    watch = Watch(lease=30)
    assert watch.still({1: 5}, now=100) == []
    assert watch.still({1: 5}, now=129.9) == []
    assert watch.still({1: 5}, now=130) == [(1, 5)]


def test_one_whose_counter_moves_is_not() -> None:
    watch = Watch(lease=30)
    for beats in range(10):
        assert watch.still({1: beats, 2: 0}, now=29.0 * beats) == ([(2, 0)] if beats > 1 else [])


def test_a_counter_that_moved_in_any_direction_lives() -> None:
    watch = Watch(lease=30)
    watch.still({1: 5}, now=0)
    assert watch.still({1: 4}, now=30) == []
    assert watch.still({1: 4}, now=60) == [(1, 4)]


def test_one_seen_late_has_a_whole_lease() -> None:
    watch = Watch(lease=30)
    watch.still({1: 0}, now=0)
    assert watch.still({1: 1, 2: 0}, now=30) == []
    assert watch.still({1: 1, 2: 0}, now=60) == [(1, 1), (2, 0)]


def test_after_forgetting_everybody_has_a_whole_lease() -> None:
    watch = Watch(lease=30)
    watch.still({1: 5}, now=0)
    watch.forget()
    assert watch.still({1: 5}, now=40) == []
    assert watch.still({1: 5}, now=69) == []
    assert watch.still({1: 5}, now=70) == [(1, 5)]


def test_one_that_is_gone_and_comes_again_has_a_whole_lease() -> None:
    watch = Watch(lease=30)
    watch.still({1: 5}, now=0)
    assert watch.still({}, now=40) == []
    assert watch.still({1: 5}, now=41) == []


# The clock

SetTime = Callable[[datetime], None]
MODULE = "tests.unit.commands_for_tests"
LEAP = datetime(2024, 2, 29, 3, 7, 30, tzinfo=UTC)


@pytest.fixture
def set_time(monkeypatch: pytest.MonkeyPatch) -> SetTime:
    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)

    set_to(LEAP)
    return set_to


def names_on(queue: BaseQueue) -> list[str]:
    waiting = iter(queue.read, None)
    return sorted(codec.decode(data, queue.name).command.removeprefix(f"{MODULE}.") for data in waiting)


def test_two_clocks_enqueue_each_minutes_commands_once(memory: MemoryQueue, set_time: SetTime) -> None:
    clocks = [Clock({memory.name: queues.fresh(memory.name)}) for _ in range(2)]
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == []
    set_time(LEAP.replace(minute=8))
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == ["leap"]
    set_time(LEAP.replace(minute=9))
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == []


def test_a_clock_started_again_in_the_same_minute_enqueues_nothing_anew(
    memory: MemoryQueue, set_time: SetTime
) -> None:
    for second in (1, 20, 59):
        set_time(LEAP.replace(second=second))
        Clock({memory.name: memory}).tick()
    assert names_on(memory) == ["LeapClass", "leap"]


def test_what_the_clock_enqueued_runs(memory: MemoryQueue, set_time: SetTime, ran: list[Any]) -> None:
    Clock({memory.name: memory}).tick()
    for command in iter(invoker.dequeue, None):
        command.execute()
    assert sorted(ran) == ["leap", "leap class"]


def test_minutes_slept_through_are_not_caught_up(memory: MemoryQueue, set_time: SetTime) -> None:
    set_time(LEAP.replace(minute=5))
    clock = Clock({memory.name: memory})
    clock.tick()
    set_time(LEAP.replace(minute=9))
    clock.tick()
    assert names_on(memory) == []


def test_a_clock_that_goes_back_enqueues_nothing_twice(memory: MemoryQueue, set_time: SetTime) -> None:
    clock = Clock({memory.name: memory})
    clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    set_time(LEAP.replace(minute=6, second=59))
    clock.tick()
    set_time(LEAP)
    clock.tick()
    assert names_on(memory) == []


def test_it_knows_how_long_the_minute_lasts(memory: MemoryQueue, set_time: SetTime) -> None:
    clock = Clock({memory.name: memory})
    clock.tick()
    assert clock.seconds_left() == 30
    set_time(LEAP.replace(second=59, microsecond=500_000))
    assert clock.seconds_left() == 0.5


def test_the_hour_is_that_of_the_projects_time_zone(
    memory: MemoryQueue, settings: Settings, set_time: SetTime
) -> None:
    settings.TIME_ZONE = "Europe/Vienna"
    set_time(datetime(2024, 2, 29, 3, 7, tzinfo=ZoneInfo("Europe/Vienna")).astimezone(UTC))
    Clock({memory.name: memory}).tick()
    assert names_on(memory) == ["LeapClass", "leap"]


def test_without_time_zones_the_local_hour_counts(
    memory: MemoryQueue, settings: Settings, set_time: SetTime
) -> None:
    settings.USE_TZ = False
    set_time(LEAP.replace(tzinfo=None))
    Clock({memory.name: memory}).tick()
    assert names_on(memory) == ["LeapClass", "leap"]


def test_one_bad_clock_does_not_stop_the_others(
    memory: MemoryQueue, set_time: SetTime, caplog: pytest.LogCaptureFixture
) -> None:
    Clock({memory.name: memory}).tick()
    assert f"validate_datetime of {MODULE}.LeapError failed." in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert len(memory) == 2


def test_what_it_enqueues_is_logged_by_id_and_name(
    memory: MemoryQueue, set_time: SetTime, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "djutils.queue.workers.clock"):
        for _ in range(2):
            Clock({memory.name: memory}).tick()
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert len(lines) == 2
    assert all(line.endswith("enqueued by the clock") for line in lines)


def test_a_command_goes_to_its_queue_and_otherwise_to_the_projects(
    memory: MemoryQueue, set_time: SetTime, declare: Declare
) -> None:
    other = MemoryQueue(f"{memory.name}.other")
    declare(
        f"""
        @periodic_command(crontab(month=2, day=29), queue_name="{other.name}")
        def here(): pass
        """
    )
    Clock({memory.name: memory, other.name: other}).tick()
    assert names_on(other) == ["made_up.here"]
    assert names_on(memory) == ["LeapClass", "leap"]


def test_consumers_of_different_queues_enqueue_each_minutes_commands_once_between_them(
    memory: MemoryQueue, set_time: SetTime, declare: Declare
) -> None:
    other = MemoryQueue(f"{memory.name}.other")
    declare(
        f"""
        @periodic_command(crontab(month=2, day=29), queue_name="{other.name}")
        def here(): pass
        """
    )
    Clock({memory.name: memory}).tick()
    Clock({other.name: other}).tick()
    assert names_on(other) == ["made_up.here"]
    assert names_on(memory) == ["LeapClass", "leap"]


def test_four_methods_get_each_minutes_command_once_from_one_clock(
    four_methods: ListQueue, set_time: SetTime
) -> None:
    clock = Clock({four_methods.name: four_methods})
    clock.tick()
    clock.tick()
    assert names_on(four_methods) == ["LeapClass", "leap"]


def test_an_outage_in_the_middle_of_a_minutes_commands_loses_and_doubles_none(
    four_methods: ListQueue, settings: Settings, set_time: SetTime
) -> None:
    settings.QUEUE_BACKEND = "tests.unit.helpers.FailingWrite"
    clock = Clock({four_methods.name: queues[four_methods.name]})
    with pytest.raises(BackendUnavailable):
        clock.tick()
    clock.tick()
    assert names_on(four_methods) == ["LeapClass", "leap"]


def test_what_somebodys_own_backend_raises_is_an_outage_for_the_clock_too(
    four_methods: ListQueue, set_time: SetTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(data: bytes) -> None:
        raise OSError("The disk is full.")

    clock = Clock({four_methods.name: four_methods})
    with monkeypatch.context() as full, pytest.raises(BackendUnavailable, match="The disk is full"):
        full.setattr(four_methods, "write", write)
        clock.tick()
    clock.tick()
    assert names_on(four_methods) == ["LeapClass", "leap"]
