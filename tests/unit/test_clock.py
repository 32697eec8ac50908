"""The clock. Time is given by the test."""

from __future__ import annotations

import logging
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_django import Settings

from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.queue import invoker

from .conftest import Declare, Heard
from .helpers import ListQueue
from .times import LEAP, MODULE, Times, names_on

# The clock


def test_two_clocks_enqueue_each_minutes_commands_once(memory: MemoryQueue, times: Times) -> None:
    clocks = [times.clock(queues.fresh(memory.name)) for _ in range(2)]
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == []
    times.elapse(60)
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == ["leap"]
    times.elapse(60)
    for clock in clocks:
        clock.tick()
    assert names_on(memory) == []


def test_a_clock_started_again_in_the_same_minute_enqueues_nothing_again(memory: MemoryQueue) -> None:
    for second in (1, 20, 59):
        Times(LEAP.replace(second=second)).clock(memory).tick()
    assert names_on(memory) == ["LeapClass", "leap"]


def test_what_the_clock_enqueued_runs(memory: MemoryQueue, times: Times, ran: list[Any]) -> None:
    times.clock(memory).tick()
    while invoker.dequeue():
        pass
    assert sorted(ran) == ["leap", "leap class"]


def test_a_minute_that_passed_while_the_consumer_was_busy_is_looked_at_late(memory: MemoryQueue) -> None:
    times = Times(LEAP.replace(minute=5))
    clock = times.clock(memory)
    clock.tick()
    times.elapse(5 * 60)
    clock.tick()
    assert names_on(memory) == ["LeapClass", "leap"]
    clock.tick()
    assert names_on(memory) == []


def test_it_is_never_asked_to_wait_longer_than_its_minute_or_than_a_few_seconds(
    memory: MemoryQueue, times: Times
) -> None:
    clock = times.clock(memory)
    clock.tick()
    assert clock.seconds_left() == 5
    times.elapse(3)
    assert clock.seconds_left() == 2
    times.until(LEAP.replace(second=59, microsecond=500_000))
    assert clock.seconds_left() < 0
    clock.tick()
    assert clock.seconds_left() == 0.5
    times.elapse(0.5)
    assert clock.seconds_left() == 0


def test_the_hour_is_that_of_the_projects_time_zone(memory: MemoryQueue, settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Vienna"
    Times(LEAP.replace(tzinfo=ZoneInfo("Europe/Vienna"))).clock(memory).tick()
    assert names_on(memory) == ["LeapClass", "leap"]


def test_without_time_zones_the_local_hour_counts(memory: MemoryQueue, settings: Settings) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Vienna"
    Times(LEAP.replace(tzinfo=ZoneInfo("Europe/Vienna"))).clock(memory).tick()
    assert names_on(memory) == ["LeapClass", "leap"]


def test_what_it_enqueues_is_logged_by_id_and_name(
    memory: MemoryQueue, times: Times, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "djutils.queue.workers.clock"):
        for _ in range(2):
            times.clock(memory).tick()
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert len(lines) == 2
    assert all(line.endswith("enqueued by the clock") for line in lines)


def test_what_it_enqueues_is_announced_by_the_signal(memory: MemoryQueue, times: Times, heard: Heard) -> None:
    for _ in range(2):
        times.clock(memory).tick()
    announced = [facts["message"].command for name, facts in heard if name == "command_enqueued"]
    assert sorted(announced) == [f"{MODULE}.LeapClass", f"{MODULE}.leap"]


def declare_here(declare: Declare, queue: BaseQueue) -> None:
    declare(
        f"""
        @periodic_command(crontab(month=2, day=29), queue_name="{queue.name}")
        def here(): pass
        """
    )


def test_a_command_goes_to_its_queue_and_otherwise_to_the_projects(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    other = MemoryQueue(f"{memory.name}.other")
    declare_here(declare, other)
    times.clock(memory, other).tick()
    assert names_on(other) == ["made_up.here"]
    assert names_on(memory) == ["LeapClass", "leap"]


def test_consumers_of_different_queues_enqueue_each_minutes_commands_once_between_them(
    memory: MemoryQueue, times: Times, declare: Declare
) -> None:
    other = MemoryQueue(f"{memory.name}.other")
    declare_here(declare, other)
    times.clock(memory).tick()
    times.clock(other).tick()
    assert names_on(other) == ["made_up.here"]
    assert names_on(memory) == ["LeapClass", "leap"]


def test_four_methods_get_each_minutes_command_once_from_one_clock(
    four_methods: ListQueue, times: Times
) -> None:
    clock = times.clock(four_methods)
    clock.tick()
    clock.tick()
    assert names_on(four_methods) == ["LeapClass", "leap"]
