"""``expires``: a run that would begin later is dropped with the reason; what carries no such moment pays nothing."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import QueueCommand, codec, decorators, queue_command
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.chain import chain_of
from djutils.queue.exceptions import Cancelled, InvalidCommand
from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Action, Message
from djutils.queue.queue import invoker
from djutils.queue.record import ResultStatus
from djutils.testing import drain

from .commands_for_tests import Greeting, fail_at_first, ran, record, record_later
from .conftest import Heard
from .helpers import ListQueue, make_delivery, make_message, until
from .middlewares import seen
from .times import LEAP, Times

PAST = datetime.now(UTC) - timedelta(hours=1)
FUTURE = datetime(2040, 7, 1, 12, tzinfo=UTC)


@queue_command(expires=timedelta(minutes=5))
def record_soon(value: Any) -> None:
    ran.append(value)


@queue_command(result=True)
def tell(value: Any) -> Any:
    return value


class SoonGreeting(QueueCommand):
    expires = timedelta(minutes=5)

    def execute(self) -> None:
        ran.append(self.data)


@decorators.periodic_command(
    decorators.crontab(month=2, day=29, hour=5, minute=0), expires=timedelta(minutes=5)
)
def leap_soon() -> None:
    ran.append("leap soon")


def plain() -> None:
    """A function that tests decorate."""


def sent(queue: Any) -> Message:
    """Return the message that waits in ``queue``, due or not."""
    delayed = queue.peek("delayed", data=True) if isinstance(queue, MemoryQueue) else []
    data = delayed[0].data if delayed else queue.read()
    assert data is not None
    return codec.decode(data, queue.name)


# The moment that a message carries


@pytest.mark.parametrize("call", [record_soon, record.using(expires=timedelta(minutes=5)), SoonGreeting])
def test_a_timedelta_counts_from_the_call(memory: MemoryQueue, call: Any) -> None:
    invoker.enqueue(SoonGreeting("x")) if call is SoonGreeting else call("x")
    message = sent(memory)
    assert message.extras == {"expires": message.created + 300}


def test_with_run_after_it_counts_from_the_moment_it_is_due(memory: MemoryQueue) -> None:
    record_soon.using(run_after=FUTURE)("x")
    assert sent(memory).extras == {"expires": FUTURE.timestamp() + 300}


def test_with_a_run_after_that_is_past_it_counts_from_the_call(memory: MemoryQueue) -> None:
    record_soon.using(run_after=PAST)("x")
    message = sent(memory)
    assert message.extras == {"expires": message.created + 300}


def test_a_datetime_is_that_moment_whenever_it_is_due(memory: MemoryQueue) -> None:
    record_soon.using(expires=FUTURE, run_after=timedelta(days=1))("x")
    assert sent(memory).extras == {"expires": FUTURE.timestamp()}


def test_an_attribute_of_one_command_of_a_class_counts(memory: MemoryQueue) -> None:
    greeting = Greeting("x")
    greeting.expires = FUTURE
    invoker.enqueue(greeting)
    assert sent(memory).extras == {"expires": FUTURE.timestamp()}


def test_an_older_release_need_not_understand_it(memory: MemoryQueue) -> None:
    record_soon("x")
    assert "crit" not in sent(memory).extras


def test_the_clock_sends_it_with_periodic_commands(memory: MemoryQueue, times: Times) -> None:
    times.until(LEAP.replace(hour=5, minute=0))
    times.clock(memory).tick()
    message = sent(memory)
    assert message.command.endswith("leap_soon")
    assert message.extras == {"expires": message.created + 300}


@pytest.mark.parametrize(
    "wrong",
    ["5m", 60, timedelta(0), timedelta(seconds=-1), datetime(2040, 7, 1), True],
)
def test_what_is_no_moment_is_refused_where_it_is_said(memory: MemoryQueue, wrong: Any) -> None:
    must = "must be a timedelta above 0 or an aware datetime"
    with pytest.raises(InvalidCommand, match=f"expires=.* of the command 'plain' {must}"):
        queue_command(expires=wrong)(plain)
    with pytest.raises(InvalidCommand, match=f"expires=.* of record.using.* {must}"):
        record.using(expires=wrong)
    greeting = Greeting("x")
    greeting.expires = wrong
    with pytest.raises(InvalidCommand, match=must):
        invoker.enqueue(greeting)
    assert len(memory) == 0


def test_a_moment_beyond_the_calendar_is_refused_at_the_call(memory: MemoryQueue) -> None:
    with pytest.raises(InvalidCommand, match=r"expires=.* is beyond the year 9999"):
        record.using(expires=timedelta.max)("x")
    assert len(memory) == 0


# The run


def expired(command: Any, *args: Any, **fields: Any) -> Any:
    extras = make_message(command).with_extras(expires=time.time() - 60).extras_json
    return make_delivery(command, *args, extras_json=extras, **fields)


@pytest.mark.parametrize("command", [record, record_soon])
def test_what_has_expired_is_dropped_with_the_reason(
    ran: list[Any], heard: Heard, log: pytest.LogCaptureFixture, command: Any
) -> None:
    outcome = Executor("unit").execute(expired(command, "x"))

    assert (outcome.action, ran) == (Action.DROP, [])
    assert outcome.error.startswith("It expired at 20")
    assert [name for name, _ in heard] == ["command_started", "command_dropped"]
    assert "dropped: It expired at" in log.text


def test_a_class_that_has_run_without_it_drops_it_all_the_same(ran: list[Any]) -> None:
    executor = Executor("unit")
    assert executor.execute(make_delivery(record, "plain")) == ACKED
    assert executor.execute(expired(record, "x")).action is Action.DROP
    assert executor.execute(make_delivery(record, "plain again")) == ACKED
    assert ran == ["plain", "plain again"]


def test_a_coroutine_that_has_expired_is_dropped(ran: list[Any]) -> None:
    executor = Executor("unit")
    assert asyncio.run(executor.aexecute(make_delivery(record_later, "plain"))) == ACKED
    assert asyncio.run(executor.aexecute(expired(record_later, "x"))).action is Action.DROP
    assert ran == ["plain"]


def test_a_run_that_begins_in_time_runs(memory: MemoryQueue, ran: list[Any]) -> None:
    record_soon("declared")
    record.using(expires=FUTURE)("called")
    drain()
    assert ran == ["declared", "called"]


def test_a_project_middleware_sees_nothing_of_what_has_expired(settings: Settings, ran: list[Any]) -> None:
    settings.QUEUE_MIDDLEWARE = ["tests.unit.middlewares.Outer"]
    seen.clear()
    Executor("unit").execute(expired(record, "x"))
    assert seen == []


def test_a_retry_that_comes_too_late_is_dropped(memory: MemoryQueue, ran: list[Any]) -> None:
    fail_at_first.using(expires=timedelta(seconds=0.3))("x")
    called = time.time()
    with pytest.raises(ValueError, match="the first time"):
        drain()
    until(lambda: time.time() > called + 0.3)

    drain()

    assert (ran, memory.stats()) == (["x"], (0, 0, 0, 0, 0))


def test_on_four_methods_a_retry_carries_it(four_methods: ListQueue, ran: list[Any]) -> None:
    fail_at_first.using(expires=FUTURE)("x")
    with pytest.raises(ValueError, match="the first time"):
        drain()
    assert sent(four_methods).extras == {"expires": FUTURE.timestamp()}


def test_a_dropped_call_is_no_dead_letter(memory: MemoryQueue, ran: list[Any]) -> None:
    record.using(expires=PAST)("x")
    drain()
    assert (ran, memory.stats()) == ([], (0, 0, 0, 0, 0))


def test_its_result_says_why(memory: MemoryQueue) -> None:
    result = tell.using(expires=PAST)("x")
    drain()
    result.refresh()
    assert result.status == ResultStatus.CANCELLED
    with pytest.raises(Cancelled, match="It expired at"):
        result.wait(5)


def test_in_eager_mode_a_call_that_has_expired_does_not_run(eager: MemoryQueue, ran: list[Any]) -> None:
    record.using(expires=PAST)("late")
    record_soon.using(run_after=FUTURE)("in time")
    assert ran == ["in time"]


# What others pay


def test_a_command_without_it_is_not_touched(memory: MemoryQueue) -> None:
    assert chain_of(record.command_class) == ((), (), ())
    record.using(priority=5)("x")
    assert sent(memory).extras_json == b""
