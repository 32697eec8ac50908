"""A worker's death in a test of a project, as users play it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import TestCase
from pytest_django import Settings

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import TooDangerous
from djutils.queue.ids import new_id
from djutils.testing import QueueAssertions, assert_enqueued, crash, drain, enqueued
from tests.project.app import ledger
from tests.project.app.models import Note

from .commands_for_tests import fail, look_at_myself, record
from .helpers import ListQueue


@queue_command
def remind(days: int) -> None:
    """Write it down, and remind again a day later."""
    record.call(days)
    if days:
        remind.using(run_after=timedelta(days=1))(days - 1)


def test_a_command_that_has_run_and_was_not_settled_runs_again(memory: MemoryQueue, ran: list[Any]) -> None:
    record("x")
    with crash(at="after_run"):
        calls = drain()
    assert ran == ["x", "x"]
    assert [call.args for call in calls] == [("x",)]
    assert enqueued() == drain() == []
    assert memory.owners() == {}


def test_a_command_that_had_not_begun_runs_once(memory: MemoryQueue, ran: list[Any]) -> None:
    record("x")
    with crash(at="before_run"):
        drain()
    assert ran == ["x"]


def test_no_attempt_is_spent_by_a_second_delivery(memory: MemoryQueue, ran: list[Any]) -> None:
    result = look_at_myself()
    with crash(at="before_run"):
        drain()
    assert ran == [(result.id, memory.name, 1, 2, True)]


def test_what_the_command_raised_dies_with_its_worker(memory: MemoryQueue) -> None:
    fail()
    with pytest.raises(ValueError, match="it failed"), crash():
        drain()
    assert assert_enqueued(fail).attempt == 2


def test_a_command_that_kills_every_worker_becomes_a_dead_letter(memory: MemoryQueue, ran: list[Any]) -> None:
    record("x")
    with pytest.raises(TooDangerous), crash(at="before_run", times=3):
        drain()
    assert ran == []
    (letter,) = memory.dead_letters()
    assert letter.crashes == 3
    assert "crash()" in letter.error


def test_a_queue_with_four_methods_loses_it(four_methods: ListQueue, ran: list[Any]) -> None:
    record("x")
    record("y")
    with crash(at="before_run"):
        drain()
    assert ran == ["y"]


def test_a_crash_that_did_not_happen_fails_the_test(memory: MemoryQueue) -> None:
    with pytest.raises(AssertionError, match="1 of 1 did not happen"), crash():
        drain()
    record("x")
    assert [call.args for call in drain()] == [("x",)]


def test_too_few_crashes_fail_it_as_well(four_methods: ListQueue) -> None:
    record("x")
    with pytest.raises(AssertionError, match="1 of 2 did not happen"), crash(times=2):
        drain()


@pytest.mark.parametrize("wrong", [{"at": "during_run"}, {"times": 0}, {"times": True}, {"times": 1.5}])
def test_another_moment_or_number_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^crash\("), crash(**wrong):
        pass


def test_time_passes_as_far_as_it_is_told(memory: MemoryQueue, ran: list[Any]) -> None:
    remind.using(run_after=timedelta(days=1))(9)
    record.using(run_after=timedelta(days=2, hours=1))("between")

    drain(until=timedelta(days=3, minutes=1))

    assert ran == [9, 8, "between", 7]
    assert_enqueued(remind, 6)


@pytest.mark.parametrize("wrong", [timedelta(days=-1), 3, "3 days"])
def test_what_is_no_time_ahead_is_refused(memory: MemoryQueue, ran: list[Any], wrong: Any) -> None:
    record("x")
    with pytest.raises(ValueError, match=r"drain\(until=.* must be a timedelta"):
        drain(until=wrong)
    assert ran == []


def test_a_retry_beyond_that_time_waits(memory: MemoryQueue) -> None:
    fail()
    assert drain(retries=True, until=timedelta(0)) == []
    assert assert_enqueued(fail).attempt == 2


@pytest.mark.django_db
class InATestCase(QueueAssertions, TestCase):
    """On the connection of a TestCase, whose transaction is rolled back."""

    @pytest.fixture(autouse=True)
    def database_queue(self, settings: Settings) -> None:
        settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
        settings.QUEUE_CONNECTION, settings.QUEUE_NAME = "", f"unit.{new_id()}"

    def test_a_plain_command_writes_twice(self) -> None:
        ledger.enter("plain")
        with self.crash(at="after_run"):
            self.drain()
        assert Note.objects.filter(text="plain").count() == 2
        assert self.enqueued() == []

    def test_an_atomic_command_writes_once(self) -> None:
        ledger.enter_atomically("atomic")
        with self.crash(at="after_run"):
            self.drain()
        assert Note.objects.filter(text="atomic").count() == 1

    def test_days_pass(self) -> None:
        ledger.enter.using(run_after=timedelta(days=2))("in two days")
        ledger.enter.using(run_after=timedelta(days=4))("in four days")
        assert [call.args for call in self.drain(until=timedelta(days=3))] == [("in two days",)]
