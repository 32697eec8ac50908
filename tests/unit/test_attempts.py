"""What a call tells of attempts that failed, and of what cannot be kept."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue.cancelling import Cancellation
from djutils.queue.current import current_message
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import (
    CommandFailed,
    NoReturnValue,
    TooDangerous,
)
from djutils.queue.queue import invoker
from djutils.queue.record import ResultStatus
from djutils.testing import crash, drain

EVERY_STORE = pytest.mark.parametrize("place", ["beside", "database", "cache"])
pytestmark = pytest.mark.django_db

seen: list[int] = []


class Unpicklable(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("not me")


class Unmakeable(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


@queue_command(result=True)
def add(one: int, other: int) -> int:
    return one + other


@queue_command(result=True, max_attempts=3, backoff=1)
def fail_until(attempt: int) -> str:
    message = current_message()
    assert message is not None
    if message.attempt < attempt:
        raise ValueError(f"attempt {message.attempt}")
    return "finally"


@queue_command(result=True, max_attempts=1)
def fail_with(error: str) -> None:
    if error == "unpicklable":
        raise Unpicklable("cannot travel")
    if error == "unmakeable":
        raise Unmakeable(1, 2)
    raise LookupError(error)


@queue_command(result=True)
def return_much(count: int) -> bytes:
    seen.append(count)
    return bytes(count)


@queue_command(result=True)
def return_a_lock() -> Any:
    seen.append(1)
    return threading.Lock()


@EVERY_STORE
def test_each_failed_attempt_is_told(place: str) -> None:
    result = fail_until(3)
    with pytest.raises(ValueError, match="attempt 1"):
        drain()
    result.refresh()
    assert (result.status, result.attempts, [one.message for one in result.errors]) == (
        ResultStatus.READY,
        1,
        ["attempt 1"],
    )
    drain(retries=True)
    result.refresh()

    assert (result.status, result.return_value, result.attempts) == (ResultStatus.SUCCESSFUL, "finally", 3)
    assert [one.message for one in result.errors] == ["attempt 1", "attempt 2"]
    assert {one.exception_class_path for one in result.errors} == {"builtins.ValueError"}
    assert all("fail_until" in one.traceback for one in result.errors)
    assert result.started_at is not None
    assert result.last_attempted_at is not None
    assert result.started_at <= result.last_attempted_at


def test_what_failed_for_good_says_why_and_waiting_raises_it() -> None:
    result = fail_with("there is nothing")
    with pytest.raises(LookupError):
        drain()
    result.refresh()

    assert (result.status, result.attempts, len(result.errors)) == (ResultStatus.FAILED, 1, 1)
    assert result.errors[0].exception_class_path == "builtins.LookupError"
    with pytest.raises(LookupError, match="there is nothing") as raised:
        result.wait(1)
    assert "fail_with" in str(raised.value.__cause__)
    with pytest.raises(NoReturnValue, match="FAILED"):
        _ = result.return_value


@pytest.mark.parametrize("error", ["unpicklable", "unmakeable"])
def test_an_exception_that_cannot_travel_is_told_as_text(error: str) -> None:
    result = fail_with(error)
    with pytest.raises((Unpicklable, Unmakeable)):
        drain()
    with pytest.raises(CommandFailed, match="cannot travel|1 and 2"):
        result.wait(1)


def test_a_discarded_dead_letter_leaves_its_result_and_a_replayed_one_waits_again() -> None:
    results = [fail_with("no"), fail_with("no")]
    for _ in results:
        with pytest.raises(LookupError):
            drain()
    queue = invoker.queue
    queue.discard([results[0].id])
    queue.replay([results[1].id])
    for result in results:
        result.refresh()
    assert [result.status for result in results] == [ResultStatus.FAILED, ResultStatus.READY]


def test_a_command_that_killed_its_processes_failed(settings: Settings) -> None:
    settings.QUEUE_MAX_CRASHES = 1
    result = add(1, 2)
    with crash(at="before_run"), pytest.raises(TooDangerous):
        drain()
    result.refresh()
    assert result.status == ResultStatus.FAILED
    assert "processes that died" in result.errors[-1].message
    assert result.finished_at is not None


def test_a_worker_that_dies_after_the_run_leaves_no_result_and_the_next_run_does() -> None:
    result = add(1, 2)
    with crash(at="after_run"):
        drain()
    assert result.wait(1) == 3


@pytest.mark.parametrize("call", [lambda: return_much(300_000), return_a_lock])
def test_what_cannot_be_kept_is_an_error_and_not_a_lost_command(call: Any) -> None:
    seen.clear()
    result = call()
    drain()
    result.refresh()

    assert result.status == ResultStatus.FAILED
    assert len(seen) == 1, "it did its work once"
    assert "QUEUE_MAX_RESULT_SIZE" in result.errors[0].message or "pickle" in result.errors[0].message
    assert sum(invoker.queue.stats()) == 0


def test_a_call_that_is_cancelled_between_two_attempts_still_tells_of_the_first() -> None:
    result = fail_until(3)
    with pytest.raises(ValueError, match="attempt 1"):
        drain()

    assert result.cancel() == Cancellation.REMOVED

    assert [one.message for one in result.errors] == ["attempt 1", "It was cancelled while it waited."]
    assert (result.status, result.attempts) == (ResultStatus.CANCELLED, 1)
    assert result.started_at is not None
