"""Limits as a project declares them: the lane of a call, what contradicts itself, and who refuses what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import QueueCommand, codec, decorators, queue_command, schedules
from djutils.queue.backends.lanes import WIDEST
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import EnqueueError, InvalidCommand, UnsupportedOption
from djutils.queue.message import Lane, Message
from djutils.queue.queue import invoker
from djutils.testing import drain

from .commands_for_tests import ran, record
from .helpers import ListQueue


@queue_command(key="{account}", concurrency=2)
def two_at_once(account: int, value: Any = None) -> None:
    ran.append(value)


@queue_command(concurrency=3)
def three_at_once() -> None:
    ran.append("three")


@queue_command(key=lambda account: account, rate="10/m", burst=5)
def ten_a_minute(account: int) -> None:
    ran.append(account)


@queue_command(rate="2/h", lane="api")
def two_an_hour() -> None:
    ran.append("hour")


@queue_command(key="{account}", ordered=True)
def in_order(account: int, value: int) -> None:
    ran.append(value)


@queue_command(concurrency=1, key="{account}", result=True)
def fail_alone(account: int) -> None:
    raise ValueError("no")


@queue_command(concurrency=1, key="{account}", unique="until_started", on_duplicate="replace")
def only_the_last(account: int, value: int) -> None:
    ran.append(value)


class OneAtATime(QueueCommand):
    concurrency = 1

    def execute(self) -> None:
        ran.append(self.data)


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def plain(account: int = 1) -> None:
    """A function that tests decorate."""


def sent_last(memory: MemoryQueue) -> Message:
    """Return the newest message that waits in a lane or is ready."""
    shared = memory._shared
    newest = max(shared.entries.values(), key=lambda entry: entry.order)
    return codec.decode(newest.envelope.data, memory.name)


@pytest.mark.parametrize(
    ("call", "name", "rule"),
    [
        (lambda: two_at_once(7), '["command","{}.two_at_once","7"]', (2, 0.0, 1, False)),
        (lambda: two_at_once.using(key="x")(7), '["command","{}.two_at_once","x"]', (2, 0.0, 1, False)),
        (three_at_once, '["command","{}.three_at_once"]', (3, 0.0, 1, False)),
        (lambda: ten_a_minute(7), '["command","{}.ten_a_minute","7"]', (WIDEST, 6.0, 5, False)),
        (two_an_hour, '["lane","api"]', (WIDEST, 1800.0, 1, False)),
        (lambda: in_order(7, 0), '["command","{}.in_order","7"]', (1, 0.0, 1, True)),
        (lambda: invoker.enqueue(OneAtATime(1)), '["command","{}.OneAtATime"]', (1, 0.0, 1, False)),
    ],
    ids=["key", "key of the call", "command", "rate", "shared", "ordered", "class"],
)
def test_a_call_travels_with_its_lane(memory: MemoryQueue, call: Any, name: str, rule: Any) -> None:
    call()

    assert sent_last(memory).lane == Lane(name.format(__name__), *rule)


def test_what_is_not_limited_travels_without(memory: MemoryQueue) -> None:
    record(1)

    message = sent_last(memory)
    assert message.lane is None
    assert message.extras == {}


def test_long_keys_keep_their_lanes_apart_and_their_beginning(memory: MemoryQueue) -> None:
    names = set()
    for end in ("a", "b"):
        two_at_once.using(key="k" * 5000 + end)(1)
        lane = sent_last(memory).lane
        assert lane is not None
        names.add(lane.name)

    assert len(names) == 2
    assert all(len(name) <= 120 and name.startswith('["command",') for name in names)


def test_a_limited_command_can_be_unique_too(memory: MemoryQueue) -> None:
    ids = {only_the_last(1, value).id for value in range(3)}
    others = {only_the_last(2, value).id for value in range(3)}
    by_key = {two_at_once.using(idempotency_key="a")(1, value).id for value in (7, 8)}

    assert list(map(len, (ids, others, by_key))) == [1, 1, 1]
    assert memory.stats() == (3, 0, 0, 0, 0)
    assert sent_last(memory).lane is not None
    drain()
    assert sorted(ran) == [2, 2, 7]


def test_drain_runs_what_waits_in_lanes(memory: MemoryQueue) -> None:
    for value in range(5):
        two_at_once(1, value)

    assert memory.stats() == (2, 0, 0, 0, 3)
    drain()
    assert ran == [0, 1, 2, 3, 4]
    assert memory.stats() == (0, 0, 0, 0, 0)


def test_dequeue_settles_in_lanes(memory: MemoryQueue) -> None:
    for value in range(3):
        in_order(1, value)

    while invoker.dequeue() is not None:
        pass

    assert ran == [0, 1, 2]


def test_eager_mode_knows_no_limits(settings: Settings, memory: MemoryQueue) -> None:
    settings.QUEUE_EAGER = True

    three_at_once()
    two_an_hour()
    two_an_hour()

    assert ran == ["three", "hour", "hour"]


def test_calls_that_are_sent_together_wait_in_their_lanes(memory: MemoryQueue) -> None:
    calls = [OneAtATime(number) for number in range(3)]

    invoker.enqueue_many(calls)

    assert memory.stats() == (1, 0, 0, 0, 2)


def test_what_is_sent_again_waits_in_its_lane(memory: MemoryQueue) -> None:
    two_at_once(1, 0)
    message = sent_last(memory)
    memory.flush()
    for value in range(2):
        two_at_once(1, value)

    invoker.resend(message)

    assert memory.stats() == (2, 0, 0, 0, 1)


def test_a_queue_without_lanes_refuses_at_the_call(settings: Settings) -> None:
    settings.QUEUE_BACKEND = f"{ListQueue.__module__}.ListQueue"

    with pytest.raises(UnsupportedOption, match="ListQueue has no lanes"):
        two_at_once(1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"burst": 2, "concurrency": 1}, "burst has no effect on .* without rate"),
        ({"lane": "api"}, "lane has no effect on .* without a limit"),
        ({"ordered": True, "concurrency": 2}, "cannot be ordered and run 2 at once"),
        ({"at_most_once": True, "concurrency": 1}, "at_most_once and a limit"),
        ({"at_most_once": True, "ordered": True}, "at_most_once and a limit"),
        ({"key": "{account}"}, "key has no effect on .* without unique or concurrency or rate or ordered"),
        ({"key": "{acount}", "concurrency": 1}, "acount"),
        ({"key": "{account!x}", "concurrency": 1}, "is no format string"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"rate": "10"}, "'10/m'"),
        ({"rate": "0/s"}, "'10/m'"),
        ({"rate": 10}, "'10/m'"),
        ({"rate": "10/w"}, "'10/m'"),
        ({"rate": "1/s", "burst": 0}, "burst"),
        ({"ordered": 1}, "ordered"),
        ({"concurrency": 1, "lane": ""}, "lane"),
    ],
)
def test_what_cannot_be_kept_is_refused_where_it_is_declared(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidCommand, match=told):
        queue_command(**options)(plain)


def test_what_the_clock_enqueues_has_no_lane(memory: MemoryQueue) -> None:
    with pytest.raises(InvalidCommand, match="enqueued by the clock"):
        decorators.periodic_command(decorators.crontab(minute=0), concurrency=1)(plain)
    with pytest.raises(InvalidCommand, match="unique or limited, and what the clock enqueues"):
        schedules.add("each minute", three_at_once, decorators.crontab())


def test_a_key_that_cannot_be_computed_sends_nothing(memory: MemoryQueue) -> None:
    with pytest.raises(EnqueueError, match="must return text, an integer or a UUID"):
        ten_a_minute(1.5)  # type: ignore[arg-type]  # what is tested

    assert len(memory) == 0


def test_a_postponed_command_lets_another_one_of_its_lane_run(memory: MemoryQueue) -> None:
    two_at_once.using(run_after=timedelta(hours=1))(1, "later")
    two_at_once(1, "now")

    drain()

    assert ran == ["now"]


def test_a_failed_command_is_rejected_in_its_lane(memory: MemoryQueue) -> None:
    fail_alone(1)
    fail_alone(1)

    with pytest.raises(ValueError, match="no"):
        invoker.dequeue()

    assert memory.stats() == (1, 0, 0, 1, 0)


def test_keys_of_calls_must_be_text(memory: MemoryQueue) -> None:
    with pytest.raises((InvalidCommand, EnqueueError)):
        two_at_once.using(key=7)(1)


@queue_command(key="{account}", concurrency=1, max_attempts=3, backoff=60)
def fail_at_first(account: int, value: int) -> None:
    ran.append(value)
    if ran.count(value) == 1:
        raise ValueError("the first run fails")


def test_drain_retries_what_failed_in_its_lane(memory: MemoryQueue) -> None:
    for value in range(3):
        fail_at_first(1, value)

    assert len(drain(retries=True)) == 3
    assert sorted(ran) == [0, 0, 1, 1, 2, 2]
    assert memory.stats() == (0, 0, 0, 0, 0)


def test_drain_runs_what_a_rate_holds_back_once_each(memory: MemoryQueue) -> None:
    for account in range(3):
        for _ in range(12):
            ten_a_minute(account)

    assert len(drain()) == 15, "what may start at once"
    assert len(drain(delays=True)) == 21
    assert memory.stats() == (0, 0, 0, 0, 0)
