"""The clock of a machine is set, or the machine sleeps, while its consumers run."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.workers.clock import Clock

from .conftest import Declare
from .times import Times

pytestmark = pytest.mark.slow

NOON = datetime(2024, 5, 2, 12, 0, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)


@pytest.fixture(autouse=True)
def _commands(declare: Declare) -> None:
    declare(
        """
        @periodic_command(crontab())
        def every(): pass

        @periodic_command(crontab(hour=10, minute=45))
        def daily(): pass
        """
    )


class Machine:
    """The clocks of some consumers, and what they enqueued."""

    def __init__(self, memory: MemoryQueue, moment: datetime) -> None:
        self.times = Times(moment)
        self._memory = memory
        self.clocks: list[Clock] = []
        self.runs: list[tuple[str, str]] = []

    def start(self, consumers: int = 1) -> None:
        for _ in range(consumers):
            self.clocks.append(self.times.clock(queues.fresh(self._memory.name)))
        self._tick()

    def live(self, minutes: float) -> list[tuple[str, str]]:
        """Let the time pass, a few seconds at a time; return what was enqueued, and at what time of the clock."""
        before = len(self.runs)
        for _ in range(round(minutes * 60 / 5)):
            self.times.elapse(5)
            self._tick()
        return self.runs[before:]

    def _tick(self) -> None:
        for clock in self.clocks:
            clock.tick()
        for data in iter(self._memory.read, None):
            command = codec.decode(data, self._memory.name).command.removeprefix("made_up.")
            self.runs.append((f"{self.times.shown():%H:%M}", command))


def minutes(first: str, count: int) -> list[tuple[str, str]]:
    start = datetime.fromisoformat(f"2024-05-02T{first}")
    return [(f"{start + timedelta(minutes=number):%H:%M}", "every") for number in range(count)]


def test_a_clock_two_hours_ahead_is_set_right_and_the_commands_go_on_each_minute(
    memory: MemoryQueue, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(memory, NOON - TWO_HOURS)
    machine.start(consumers=2)
    ahead = machine.live(minutes=150)
    assert [run for run in ahead if run[1] == "every"] == minutes("10:01", 150)
    machine.times.set_clock(machine.times.shown() - TWO_HOURS)

    again = machine.live(minutes=130)

    assert [run for run in again if run[1] == "every"] == minutes("10:30", 131)
    assert [run for run in again if run[1] == "daily"] == [("10:45", "daily")]
    jumps = [record.getMessage() for record in caplog.records if "jumped" in record.getMessage()]
    assert len(jumps) == 2, "each consumer says it once"
    assert "The clock of this machine jumped back by 7,200 s" in jumps[0]


def test_a_clock_set_back_again_and_again_stops_nothing(memory: MemoryQueue) -> None:
    machine = Machine(memory, NOON)
    machine.start(consumers=2)
    for _ in range(5):
        machine.live(minutes=10)
        machine.times.set_clock(NOON)
    assert Counter(machine.live(minutes=10.5)) == Counter(minutes("12:00", 11))


def test_a_consumer_that_started_after_the_clock_was_wrong_doubles_nothing(memory: MemoryQueue) -> None:
    machine = Machine(memory, NOON)
    machine.start()
    machine.live(minutes=30)
    machine.start()
    machine.live(minutes=5)
    machine.times.set_clock(NOON)
    machine.live(minutes=10)
    machine.start()
    assert set(Counter(machine.live(minutes=40)).values()) == {1}
    assert machine.runs[-1] == ("12:50", "every")


def test_a_consumer_on_a_machine_with_the_right_time_doubles_nothing(memory: MemoryQueue) -> None:
    wrong, right = Machine(memory, NOON), Machine(memory, NOON - TWO_HOURS)
    wrong.start()
    right.start()
    for _ in range(150):
        wrong.live(minutes=1)
        right.live(minutes=1)
    wrong.times.set_clock(right.times.shown())
    wrong.live(minutes=5 / 60)
    right.live(minutes=5 / 60)
    wrong.runs.clear()
    right.runs.clear()
    for _ in range(30):
        wrong.live(minutes=1)
        right.live(minutes=1)
    every = [run for run in wrong.runs + right.runs if run[1] == "every"]
    assert sorted(every) == minutes("12:31", 30)


def test_a_clock_set_forward_goes_on_there_and_does_not_catch_up(
    memory: MemoryQueue, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(memory, datetime(2024, 5, 2, 10, 40, tzinfo=UTC))
    machine.start()
    machine.live(minutes=1)
    machine.times.set_clock(machine.times.shown() + TWO_HOURS)
    assert machine.live(minutes=3) == minutes("12:41", 4)
    assert "The clock of this machine jumped forward by 7,200 s, or the machine slept" in caplog.text


def test_a_machine_that_slept_goes_on_within_seconds_of_waking(memory: MemoryQueue) -> None:
    machine = Machine(memory, NOON)
    machine.start()
    machine.live(minutes=1)
    machine.times.set_clock(NOON + timedelta(hours=9, seconds=42))
    assert machine.clocks[0].seconds_left() <= 5
    assert machine.live(minutes=5 / 60) == [("21:00", "every")]


def test_a_correction_of_less_than_a_minute_is_nothing_to_speak_of(
    memory: MemoryQueue, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(memory, NOON)
    machine.start()
    machine.live(minutes=2)
    for seconds in (-50, 50, -3, 3):
        machine.times.set_clock(machine.times.shown() + timedelta(seconds=seconds))
        machine.live(minutes=1)
    assert machine.runs == minutes("12:00", 7)
    assert "jumped" not in caplog.text


def test_a_consumer_that_was_stopped_for_half_an_hour_catches_up_each_command_once(
    memory: MemoryQueue,
) -> None:
    machine = Machine(memory, datetime(2024, 5, 2, 10, 40, tzinfo=UTC))
    machine.start()
    machine.times.elapse(30 * 60)
    assert sorted(machine.live(minutes=5 / 60)) == [("11:10", "daily"), ("11:10", "every")]


def test_what_it_remembers_of_past_minutes_stays_small(memory: MemoryQueue, declare: Declare) -> None:
    machine = Machine(memory, NOON)
    machine.start()
    (clock,) = machine.clocks
    for _ in range(25):
        machine.times.elapse(3600)
        clock.tick()
        list(iter(memory.read, None))
    assert len(clock._times) == 24 * 60
