"""Deliveries that are not run: not ours, not known, not readable, too dangerous, too early."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.command import Command
from djutils.queue.exceptions import NotUnpicklable, UnknownCommand
from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Action, Delivery
from djutils.queue.retry import MAX_REDELIVERIES, UNKNOWN

from .commands_for_tests import (
    Bomb,
    Spoilt,
    fail,
    record,
)
from .conftest import Heard
from .helpers import make_delivery

executor = Executor("unit")

# It is not ours, not known, not readable


@pytest.mark.parametrize("data", [b"", b"hello", b"djq\x02" + b"x" * 100])
def test_bytes_that_are_no_message_are_dead_at_once(data: bytes, heard: Heard) -> None:
    outcome = executor.execute(Delivery("id", data))
    assert (outcome.action, outcome.charge) == (Action.REJECT, 0)
    assert outcome.error.startswith("djutils.queue.exceptions.InvalidMessage: ")
    assert heard == []


def test_a_genuine_message_is_dead_on_another_queue() -> None:
    outcome = executor.execute(make_delivery(record, 1, queue="another"))
    assert (outcome.action, outcome.charge) == (Action.REJECT, 0)
    assert "Signed for the queue 'another', but found on 'unit'" in outcome.error


def test_a_tampered_message_is_never_unpickled(tmp_path: Path) -> None:
    bomb = tmp_path / "went off"
    data = bytearray(make_delivery(record, Bomb(str(bomb))).data)
    data[-1] ^= 1
    assert executor.execute(Delivery("id", bytes(data))).action is Action.REJECT
    assert not bomb.exists()


def test_an_unknown_command_is_offered_again_later_and_then_dead(heard: Heard, tmp_path: Path) -> None:
    bomb = Bomb(str(tmp_path / "went off"))
    outcome = executor.execute(make_delivery("no.such", bomb))
    assert outcome.action is Action.RETRY
    assert 15 <= outcome.delay <= 30
    assert "No command named 'no.such' is registered here" in outcome.error
    last = executor.execute(make_delivery("no.such", bomb, offers=UNKNOWN.max_attempts - 1))
    assert (outcome.charge, last.charge) == (0, 0), "its own attempts are for its runs"
    assert last.action is Action.REJECT
    assert [name for name, _ in heard] == ["command_retried", "command_died"]
    assert all(told["sender"] is Command for _, told in heard)
    assert isinstance(heard[0][1]["exception"], UnknownCommand)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_unpickled_is_tried_again_by_the_commands_own_policy(heard: Heard) -> None:
    body = codec.dump(Spoilt())
    outcome = executor.execute(make_delivery(fail, body=body))
    assert outcome.action is Action.RETRY
    assert 5 <= outcome.delay <= 10
    assert "Unpickling failed with LookupError: the class has changed" in outcome.error
    assert executor.execute(make_delivery(fail, body=body, attempts=2)).action is Action.REJECT
    assert [name for name, _ in heard] == ["command_retried", "command_died"]
    assert isinstance(heard[0][1]["exception"], NotUnpicklable)
    assert heard[0][1]["sender"] is fail.command_class


# It kills


@pytest.mark.parametrize(("crashes", "redeliveries"), [(3, 0), (0, MAX_REDELIVERIES)])
def test_what_killed_its_processes_is_not_run_again(
    ran: list[Any], log: pytest.LogCaptureFixture, crashes: int, redeliveries: int
) -> None:
    outcome = executor.execute(make_delivery(record, 1, crashes=crashes, redeliveries=redeliveries))
    assert (outcome.action, outcome.charge, ran) == (Action.REJECT, 0, [])
    assert outcome.error.startswith(("It was running in 3 processes", "Its worker was lost"))
    assert log.records[0].levelno == logging.ERROR


def test_its_death_by_crashes_is_told_like_every_other(heard: Heard) -> None:
    executor.execute(make_delivery(record, 1, crashes=3))
    assert [name for name, _ in heard] == ["command_died"]


def test_the_limit_of_crashes_is_a_setting(settings: Settings, ran: list[Any]) -> None:
    settings.QUEUE_MAX_CRASHES = 4
    assert executor.execute(make_delivery(record, 1, crashes=3)) == ACKED
    assert executor.execute(make_delivery(record, 1, crashes=4)).action is Action.REJECT


def test_crashes_and_lost_hosts_are_not_failed_attempts() -> None:
    outcome = executor.execute(make_delivery(fail, crashes=2, redeliveries=MAX_REDELIVERIES - 1, attempts=1))
    assert outcome.action is Action.RETRY


# It is early


def test_what_is_not_due_is_released_for_the_time_that_is_left(ran: list[Any], heard: Heard) -> None:
    outcome = executor.execute(make_delivery(record, 1, eta=time.time() + 60))
    assert outcome.action is Action.RELEASE
    assert 55 < outcome.delay <= 60
    assert (ran, heard) == ([], [])


def test_what_is_due_runs(ran: list[Any]) -> None:
    assert executor.execute(make_delivery(record, 1, eta=time.time() - 0.001)) == ACKED
    assert ran == [1]
