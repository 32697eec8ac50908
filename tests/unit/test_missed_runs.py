"""What was due while no consumer ran, and what is due while the last run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.message import Rejection
from djutils.queue.signals import command_enqueued
from djutils.queue.workers.clock import Clock

from .conftest import Declare
from .helpers import ListQueue
from .times import Times, names_on

NOON = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)


class Site:
    """Some consumers of one queue, their clocks, and what was enqueued when."""

    def __init__(self, memory: MemoryQueue) -> None:
        self.memory = memory
        self.times = Times(NOON)
        self.clocks: list[Clock] = []
        self.owner = new_owner()
        self.lent: list[str] = []
        memory.enroll(self.owner)

    def start(self, consumers: int = 1) -> list[str]:
        for _ in range(consumers):
            self.clocks.append(self.times.clock(queues.fresh(self.memory.name)))
        return self.tick()

    def stop(self) -> None:
        """All consumers end."""
        self.clocks.clear()

    def tick(self) -> list[str]:
        for clock in self.clocks:
            clock.tick()
        return self.waiting()

    def minutes(self, count: int) -> list[str]:
        """Let so many minutes pass; return when something new was found on the queue."""
        found = []
        for _ in range(count):
            self.times.elapse(60)
            found += self.tick()
        return found

    def waiting(self) -> list[str]:
        """Lend what waits; return the minute of the clock for each, with the name where it is not ``one``."""
        deliveries = self.memory.receive(self.owner, 1000).deliveries
        self.lent += [delivery.id for delivery in deliveries]
        names = [codec.decode(one.data, self.memory.name).command for one in deliveries]
        return [f"{self.times.shown():%H:%M}{name.removeprefix('made_up.one')}" for name in names]

    def end_all(self) -> None:
        """Everything that was lent has ended."""
        self.memory.ack(self.owner, self.lent)
        self.lent.clear()


@pytest.fixture
def site(memory: MemoryQueue) -> Site:
    return Site(memory)


def declare_one(declare: Declare, options: str = "", schedule: str = "every(minutes=10)") -> None:
    declare(f"@periodic_command({schedule}, {options})\ndef one(): pass")


# Missed runs


@pytest.mark.parametrize(
    ("misfire", "caught_up"), [("skip", []), ("once", ["13:05"]), ("all", ["13:05"] * 6)]
)
def test_what_was_due_while_no_consumer_ran(
    site: Site, declare: Declare, misfire: str, caught_up: list[str]
) -> None:
    declare_one(declare, f"misfire='{misfire}'")
    assert site.start() == ["12:00"]
    site.stop()
    site.times.elapse(65 * 60)
    assert site.start(consumers=3) == caught_up
    assert site.minutes(5) == ["13:10"], "and then it goes on as ever"
    assert site.start() == []


@pytest.mark.parametrize("misfire", ["once", "all"])
def test_nothing_was_missed_before_a_schedule_was_there(site: Site, declare: Declare, misfire: str) -> None:
    declare("@periodic_command(every(minutes=1))\ndef other(): pass")
    site.start()
    site.stop()
    site.times.elapse(65 * 60)
    declare_one(declare, f"misfire='{misfire}'")
    assert [found for found in site.start() if "other" not in found] == []


def test_a_schedule_that_was_changed_has_missed_nothing(site: Site, declare: Declare) -> None:
    declare_one(declare, "misfire='all'")
    site.start()
    site.stop()
    site.times.elapse(65 * 60)
    declare_one(declare, "misfire='all'", "every(minutes=1)")
    assert site.start() == ["13:05"]


def test_one_that_was_switched_off_in_between_has_missed_nothing(site: Site, declare: Declare) -> None:
    declare_one(declare, "misfire='all'")
    site.start()
    declare_one(declare, "misfire='all', enabled=False")
    assert site.minutes(65) == []
    declare_one(declare, "misfire='all'")
    assert site.minutes(10) == ["13:10"]


def test_only_so_many_are_caught_up_and_the_log_says_so(
    site: Site, declare: Declare, caplog: pytest.LogCaptureFixture
) -> None:
    declare_one(declare, "misfire='all'", "every(minutes=1)")
    site.start()
    site.stop()
    site.times.elapse(24 * 3600)
    assert len(site.start(consumers=2)) == 101, "100 of the past, and the one that is due now"
    assert caplog.text.count("made_up.one was due more than 100 times while no consumer ran") >= 1


def test_a_long_time_is_looked_through_quickly(site: Site, declare: Declare) -> None:
    declare_one(declare, "misfire='once'", "'0 3 29 2 *'")
    site.start()
    site.stop()
    site.times.until(NOON + timedelta(days=4 * 366))
    assert len(site.start()) == 1


def test_a_machine_that_slept_catches_up(site: Site, declare: Declare) -> None:
    declare_one(declare, "misfire='once'")
    site.start(consumers=2)
    site.times.set_clock(NOON + timedelta(minutes=65))
    assert site.tick() == ["13:05"]
    assert site.minutes(5) == ["13:10"]


def test_what_is_late_because_the_consumer_was_busy_is_caught_up_too(site: Site, declare: Declare) -> None:
    declare_one(declare, "misfire='all'")
    site.start()
    site.times.elapse(35 * 60)
    assert site.tick() == ["12:35"] * 3


def test_an_own_function_is_asked_for_the_last_day(site: Site, declare: Declare) -> None:
    declare_one(declare, "misfire='all'", "lambda when: when.minute == 0")
    site.start()
    site.stop()
    site.times.elapse(3 * 24 * 3600 + 60)
    assert len(site.start()) == 24


def test_a_moment_that_was_missed_is_caught_up_once(site: Site, declare: Declare) -> None:
    declare("from datetime import datetime")
    declare_one(declare, "misfire='once'", "at=datetime(2024, 5, 2, 12, 30), time_zone='UTC'")
    site.start()
    site.stop()
    site.times.elapse(3600)
    assert site.start(consumers=2) == ["13:00"]
    site.stop()
    site.times.elapse(3600)
    assert site.start() == []


# A consumer that is killed at the tick


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def kill_at_the_tick() -> Iterator[None]:
    """Kills the next clock that has sent a message, before it can note that."""

    def kill(**kwargs: Any) -> None:
        command_enqueued.disconnect(kill)
        raise Killed

    command_enqueued.connect(kill)
    yield
    command_enqueued.disconnect(kill)


@pytest.mark.parametrize("misfire", ["skip", "once", "all"])
@pytest.mark.usefixtures("kill_at_the_tick")
def test_a_consumer_killed_between_sending_and_noting_neither_doubles_nor_loses(
    site: Site, declare: Declare, misfire: str
) -> None:
    declare_one(declare, f"misfire='{misfire}'")
    with suppress(Killed):
        site.start(consumers=2)
    assert site.waiting() == ["12:00"]

    site.stop()
    site.times.elapse(9 * 60)
    assert site.start(consumers=2) == []
    assert site.minutes(1) == ["12:10"]


@pytest.mark.parametrize("misfire", ["once", "all"])
@pytest.mark.usefixtures("kill_at_the_tick")
def test_what_comes_after_such_a_kill_is_caught_up(site: Site, declare: Declare, misfire: str) -> None:
    declare_one(declare, f"misfire='{misfire}'")
    with suppress(Killed):
        site.start()
    site.waiting()

    site.stop()
    site.times.elapse(15 * 60)
    assert site.start(consumers=2) == ["12:15"]


@pytest.mark.usefixtures("kill_at_the_tick")
def test_a_run_that_a_killed_consumer_could_not_note_is_not_overlapped(site: Site, declare: Declare) -> None:
    declare_one(declare, "overlap='skip'")
    with suppress(Killed):
        site.start()
    site.waiting()

    site.stop()
    site.times.elapse(15 * 60)
    assert site.start() == []
    assert site.minutes(10) == []
    site.end_all()
    assert site.minutes(5) == ["12:30"]


# Overlapping runs


def test_runs_overlap_unless_something_else_is_said(site: Site, declare: Declare) -> None:
    declare_one(declare)
    site.start()
    assert site.minutes(20) == ["12:10", "12:20"]


def test_with_skip_a_run_is_left_out_while_the_last_one_goes_on(
    site: Site, declare: Declare, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    declare_one(declare, "overlap='skip', misfire='all'")
    site.start(consumers=2)
    (last,) = site.lent
    assert site.minutes(25) == []
    assert (
        f"12:10+00:00 was not enqueued: its last run, {last}, has not ended; this run is left out"
        in caplog.text
    )
    site.end_all()
    assert site.minutes(5) == ["12:30"], "what was left out is no missed run"


def test_what_was_left_out_is_not_caught_up_by_a_consumer_that_starts_later(
    site: Site, declare: Declare
) -> None:
    declare_one(declare, "overlap='skip', misfire='all'")
    site.start()
    assert site.minutes(12) == []
    site.stop()
    site.end_all()
    site.times.elapse(60)
    assert site.start() == []
    assert site.minutes(7) == ["12:20"]


def test_a_run_that_waits_has_not_ended(site: Site, declare: Declare) -> None:
    declare_one(declare, "overlap='skip'")
    clock = site.times.clock(site.memory)
    for _ in range(25):
        clock.tick()
        site.times.elapse(60)
    assert site.waiting() == ["12:25"], "the one of 12:00"


def test_a_run_that_became_a_dead_letter_has_ended(site: Site, declare: Declare) -> None:
    declare_one(declare, "overlap='skip'")
    site.start()
    site.memory.reject(site.owner, [Rejection(site.lent.pop(), "no")])
    assert site.minutes(10) == ["12:10"]


def test_with_queue_one_run_waits_until_the_last_one_has_ended(site: Site, declare: Declare) -> None:
    declare_one(declare, "overlap='queue'")
    site.start(consumers=2)
    assert site.minutes(35) == []
    site.end_all()
    assert site.tick() == ["12:35"], "one, for three that were due"
    assert site.minutes(5) == []
    site.end_all()
    assert site.tick() == ["12:40"]


def test_what_waits_for_the_last_run_outlives_the_consumers(site: Site, declare: Declare) -> None:
    declare_one(declare, "overlap='queue'")
    site.start()
    assert site.minutes(12) == []
    site.stop()
    site.times.elapse(120)
    site.end_all()
    assert site.start(consumers=2) == ["12:14"]
    assert site.start() == []


@pytest.mark.parametrize(
    ("option", "says"),
    [("overlap='skip'", "cannot show what waits or runs in it"), ("misfire='once'", "remembers no runs")],
)
def test_a_backend_that_cannot_keep_a_policy_refuses_it_and_no_other_command(
    four_methods: ListQueue, declare: Declare, caplog: pytest.LogCaptureFixture, option: str, says: str
) -> None:
    declare_one(declare, option)
    declare("@periodic_command(every(minutes=1))\ndef other(): pass")
    Times(NOON).clock(four_methods).tick()
    assert names_on(four_methods) == ["made_up.other"]
    assert says in caplog.text
    assert "nothing was sent" in caplog.text


@pytest.mark.parametrize(
    ("option", "rule"), [("misfire='twice'", "'once' or 'all'"), ("overlap=1", "'allow', 'skip'")]
)
def test_a_policy_that_does_not_exist_is_refused(declare: Declare, option: str, rule: str) -> None:
    with pytest.raises(Exception, match=rule):
        declare_one(declare, option)
