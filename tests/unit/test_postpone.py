"""A command that asks to be run later: no attempt is counted, on every kind of queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import Postpone
from djutils.queue.executor import Executor
from djutils.queue.message import Action
from djutils.queue.queue import invoker
from djutils.testing import drain

from .commands_for_tests import not_now
from .conftest import Heard
from .helpers import ListQueue, make_delivery

executor = Executor("unit")


def test_it_is_released_for_that_time_and_nothing_is_counted(
    ran: list[Any], heard: Heard, log: pytest.LogCaptureFixture
) -> None:
    outcome = executor.execute(make_delivery(not_now, timedelta(minutes=2), attempts=5))

    assert (outcome.action, outcome.delay, outcome.error) == (Action.RELEASE, 120.0, "")
    assert [name for name, _ in heard] == ["command_started", "command_postponed"]
    assert heard[-1][1]["delay"] == 120.0
    assert "postponed by 120.0 s: the shop is closed" in log.text
    assert not [record for record in log.records if record.levelname in {"WARNING", "ERROR"}]


@pytest.mark.parametrize(("delay", "seconds"), [(0, 1.0), (-5, 1.0), (float("inf"), 31_536_000_000.0)])
def test_it_is_never_run_again_at_once(ran: list[Any], delay: float, seconds: float) -> None:
    outcome = executor.execute(make_delivery(not_now, delay))
    assert outcome.action is Action.RELEASE
    assert 1.0 <= outcome.delay <= seconds


@pytest.mark.parametrize("delay", ["soon", None, float("nan")])
def test_a_delay_that_makes_no_sense_is_a_failed_attempt(ran: list[Any], delay: Any) -> None:
    outcome = executor.execute(make_delivery(not_now, delay))
    assert (outcome.action, outcome.charge) == (Action.REJECT, 1)
    assert outcome.error.startswith(("ValueError", "TypeError"))


def test_a_consumer_holds_it_back(memory: MemoryQueue, ran: list[Any]) -> None:
    not_now(3600)
    drain()
    assert (ran, memory.stats()) == (["asked"], (0, 1, 0, 0, 0))
    (held,) = memory.peek("delayed")
    assert (held.attempts, held.offers, held.crashes) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["memory", "four_methods"])
def test_dequeue_puts_it_back_and_raises_it(
    request: pytest.FixtureRequest, ran: list[Any], kind: str
) -> None:
    queue = request.getfixturevalue(kind)
    not_now(3600)

    with pytest.raises(Postpone, match="the shop is closed"):
        invoker.dequeue()

    assert (len(queue), queue.dead_letters(), invoker.dequeue(), ran) == (1, [], None, ["asked"])


def test_on_four_methods_it_keeps_its_attempts(four_methods: ListQueue, ran: list[Any]) -> None:
    not_now(3600)
    drain()
    message = codec.decode(four_methods.read() or b"", four_methods.name)
    assert (message.attempt, message.eta is None, ran) == (1, False, ["asked"])


def test_in_eager_mode_the_caller_hears_it(memory: MemoryQueue, settings: Settings, heard: Heard) -> None:
    settings.QUEUE_EAGER = True
    with pytest.raises(Postpone):
        not_now(5)
    assert [name for name, _ in heard] == ["command_enqueued", "command_started", "command_postponed"]
