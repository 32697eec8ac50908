"""What becomes of a command with ``at_most_once``: its result, and its runs without a worker."""

from __future__ import annotations

from contextvars import Context
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import TestCase
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import Lease, Running, running
from djutils.queue.exceptions import (
    Cancelled,
    CommandFailed,
)
from djutils.queue.ids import new_id
from djutils.queue.middleware.at_most_once import AtMostOnce
from djutils.queue.queue import invoker
from djutils.queue.record import ResultStatus
from djutils.queue.workers.dead_worker import DeadWorker
from djutils.queue.workers.worker import Died
from djutils.testing import crash, drain

from .commands_once import break_a_rule, fire, fire_and_tell, look_at_result
from .conftest import Heard
from .helpers import ListQueue
from .test_in_a_test_case import DATABASE, run_as_a_test

# Its result


def test_while_it_runs_its_result_says_so(memory: MemoryQueue, ran: list[Any]) -> None:
    result = look_at_result()
    drain()
    assert ran == [(ResultStatus.RUNNING, False, 1, None)]
    assert result.wait(5) is None


def test_what_it_returns_is_kept(memory: MemoryQueue, ran: list[Any]) -> None:
    result = fire_and_tell(7)
    drain()
    assert result.wait(5) == 7
    assert (result.attempts, result.errors) == (1, [])
    assert memory.stats() == (0, 0, 0, 0, 0)


def test_what_it_raises_is_kept(memory: MemoryQueue, ran: list[Any]) -> None:
    result = fire_and_tell(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        drain()
    with pytest.raises(ValueError, match="no"):
        result.wait(5)
    assert result.status == ResultStatus.FAILED
    assert memory.stats() == (0, 0, 0, 0, 0)


def test_in_a_test_case_a_failed_statement_brings_nothing_back(
    settings: Settings, sqlite_alias: str, ran: list[Any]
) -> None:
    settings.QUEUE_BACKEND, settings.QUEUE_NAME = DATABASE, f"unit.{new_id()}"

    def body(case: TestCase) -> None:
        result = break_a_rule()
        with pytest.raises(IntegrityError):
            drain()
        drain()
        assert ran == ["ran"]
        with pytest.raises(IntegrityError):
            result.wait(1)

    run_as_a_test(TestCase, body)


def test_what_it_discards_is_kept(memory: MemoryQueue, ran: list[Any]) -> None:
    result = fire_and_tell(KeyError("order 7"))
    drain()
    with pytest.raises(Cancelled, match="order 7"):
        result.wait(5)


def test_of_a_worker_that_died_meanwhile_it_says_that(
    memory: MemoryQueue, log: pytest.LogCaptureFixture
) -> None:
    result = fire_and_tell(7)
    waits = fire_and_tell(8)
    memory.enroll(owner := new_owner())
    first, second = memory.receive(owner, 2).deliveries
    lease = Lease(memory, owner)
    with pytest.raises(GeneratorExit):
        begin_and_die(lease, first)
    running = {memory.name: [first.id]}
    died = Died({memory.name: owner}, {}, running, {}, "killed by SIGKILL")

    DeadWorker(died, memory.name).settle(memory)

    with pytest.raises(CommandFailed, match="Its process died while it ran, and it does not run again"):
        result.wait(5)
    assert result.status == ResultStatus.FAILED
    assert (second.id, memory.stats()) == (waits.id, (1, 0, 0, 0, 0))
    assert f"{first.id} {result.command} was lost: Its process died" in log.text


def begin_and_die(lease: Lease, delivery: Any) -> None:
    """Acknowledge a delivery as its run does, and go no further."""
    message = codec.decode(delivery.data, lease.queue.name)

    def begin() -> None:
        running.set(Running(message, delivery, lease))
        step = AtMostOnce().run(fire_and_tell.command_class(), message)
        next(step)
        step.throw(GeneratorExit)

    Context().run(begin)


# Elsewhere


def test_a_crash_after_it_began_runs_it_no_second_time(memory: MemoryQueue, ran: list[Any]) -> None:
    fire("x")
    with crash():
        drain()
    drain()
    assert (ran, memory.stats()) == ([("x", False)], (0, 0, 0, 0, 0))


def test_a_crash_before_it_began_does(memory: MemoryQueue, ran: list[Any]) -> None:
    fire("x")
    with crash("before_run"):
        drain()
    assert ran == [("x", False)]


def test_on_four_methods_what_fails_is_not_written_again(
    four_methods: ListQueue, ran: list[Any], heard: Heard
) -> None:
    fire(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        drain(retries=True)
    assert (len(ran), four_methods.stats()) == (1, (0, 0, 0, 0, 0))
    assert heard[-1][0] == "command_died"


@pytest.mark.parametrize("kind", ["memory", "four_methods"])
def test_dequeue_runs_it_once_and_raises_what_it_raised(
    request: pytest.FixtureRequest, ran: list[Any], kind: str
) -> None:
    queue = request.getfixturevalue(kind)
    fire(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        invoker.dequeue()
    assert (invoker.dequeue(), queue.stats(), len(ran)) == (None, (0, 0, 0, 0, 0), 1)


def test_in_eager_mode_it_is_a_call(eager: MemoryQueue, ran: list[Any]) -> None:
    assert fire_and_tell(7).wait(5) == 7
    failed = None
    with pytest.raises(ValueError, match="no"):
        failed = fire_and_tell(ValueError("no"))
    assert failed is None
    assert len(ran) == 2
