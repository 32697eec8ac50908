"""``run_after``: which moment is meant, with ``USE_TZ`` on and off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone as django_timezone
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.command import Command
from djutils.queue.exceptions import InvalidCommand
from djutils.queue.ids import new_id
from djutils.queue.queue import Invoker, invoker

from .commands_for_tests import Greeting, record

BERLIN = ZoneInfo("Europe/Berlin")
EVERYWHERE = pytest.mark.parametrize("use_tz", [True, False])


@pytest.fixture
def use_tz(request: pytest.FixtureRequest, settings: Settings) -> bool:
    return bool(request.param)


@pytest.fixture
def berlin(settings: Settings, use_tz: bool) -> Iterator[None]:
    """A project in Berlin; a request has activated another time zone, which must not count."""
    settings.USE_TZ = use_tz
    settings.TIME_ZONE = "Europe/Berlin"
    with django_timezone.override("Asia/Tokyo"):
        yield


def by_using(run_after: Any) -> Command:
    return record.using(run_after=run_after).command("x")


def by_attribute(run_after: Any) -> Command:
    command = Greeting("x")
    command.run_after = run_after
    return command


WAYS = pytest.mark.parametrize("way", [by_using, by_attribute])
Way = Callable[[Any], Command]


def due(command: Command) -> float:
    """Return when the message of ``command`` is due."""
    queue = MemoryQueue(f"unit.{new_id()}")
    Invoker(queue).enqueue(command)
    (entry,) = queue._shared.entries.values()
    eta = codec.decode(entry.envelope.data, queue.name).eta
    assert eta is not None
    return eta


@EVERYWHERE
@WAYS
def test_a_timedelta_counts_from_the_call(berlin: None, way: Way) -> None:
    before = datetime.now(UTC).timestamp()
    moment = due(way(timedelta(hours=1)))
    assert before <= moment - 3600 <= datetime.now(UTC).timestamp()


@EVERYWHERE
@WAYS
@pytest.mark.parametrize("tz", [UTC, BERLIN, timezone(timedelta(hours=-5))])
def test_an_aware_datetime_is_that_moment(berlin: None, way: Way, tz: Any) -> None:
    moment = datetime(2040, 7, 1, 12, tzinfo=tz)
    assert due(way(moment)) == moment.timestamp()


@pytest.mark.parametrize("use_tz", [False], indirect=True)
@WAYS
@pytest.mark.parametrize(
    ("naive", "in_utc"),
    [
        (datetime(2040, 1, 15, 12), datetime(2040, 1, 15, 11)),
        (datetime(2040, 7, 15, 12), datetime(2040, 7, 15, 10)),
        # The clocks go back at three: half past two comes twice.
        (datetime(2040, 10, 28, 2, 30), datetime(2040, 10, 28, 0, 30)),
        (datetime(2040, 10, 28, 2, 30, fold=1), datetime(2040, 10, 28, 1, 30)),
        # They go forward at two: half past two is half past three.
        (datetime(2040, 3, 25, 2, 30), datetime(2040, 3, 25, 1, 30)),
    ],
)
def test_without_use_tz_a_naive_datetime_is_in_the_projects_time_zone(
    berlin: None, way: Way, naive: datetime, in_utc: datetime
) -> None:
    assert due(way(naive)) == in_utc.replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("use_tz", [True], indirect=True)
@WAYS
def test_with_use_tz_a_naive_datetime_is_refused_and_nothing_is_sent(
    berlin: None, memory: MemoryQueue, way: Way
) -> None:
    with pytest.raises(InvalidCommand, match="a naive one says which time zone only where USE_TZ is off"):
        invoker.enqueue(way(datetime(2040, 1, 1)))
    assert len(memory) == 0


@EVERYWHERE
@pytest.mark.parametrize("moment", [timedelta.max, datetime.max.replace(tzinfo=UTC)])
def test_a_moment_after_the_end_of_the_calendar_is_refused(
    berlin: None, memory: MemoryQueue, moment: Any
) -> None:
    with pytest.raises(InvalidCommand, match="beyond the year 9999"):
        record.using(run_after=moment)("x")
    assert len(memory) == 0


@EVERYWHERE
@pytest.mark.parametrize("moment", [timedelta.min, datetime.min.replace(tzinfo=UTC), timedelta(0)])
def test_a_moment_that_is_past_is_now(berlin: None, memory: MemoryQueue, moment: Any) -> None:
    record.using(run_after=moment)("x")
    assert memory.stats().ready == 1


def test_a_class_may_say_it_for_all_its_calls(memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Greeting, "run_after", timedelta(hours=1))
    invoker.enqueue(Greeting())
    assert memory.stats().delayed == 1
    monkeypatch.setattr(Greeting, "run_after", "tomorrow")
    with pytest.raises(InvalidCommand, match="run_after='tomorrow' of this command must be"):
        invoker.enqueue(Greeting())


def test_many_are_due_from_when_they_are_enqueued(memory: MemoryQueue) -> None:
    invoker.enqueue_many(record.using(run_after=timedelta(hours=n)).command(n) for n in range(3))
    assert (memory.stats().ready, memory.stats().delayed) == (1, 2)
