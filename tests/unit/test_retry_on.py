"""``retry_on`` and ``discard_on``: which exceptions are worth another attempt, and which leave nothing to do."""

from __future__ import annotations

from typing import Any

import pytest

from djutils.queue import QueueCommand, queue_command
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import (
    Cancelled,
    ConfigurationError,
    Drop,
    InvalidCommand,
    Postpone,
    Reject,
    Retry,
    TimeLimitExceeded,
)
from djutils.queue.executor import Executor
from djutils.queue.message import Action
from djutils.queue.queue import invoker
from djutils.queue.record import ResultStatus
from djutils.queue.retry import RetryPolicy
from djutils.testing import drain

from .commands_for_tests import Spoilt
from .conftest import Declare, Heard
from .helpers import make_delivery

executor = Executor("unit")


@queue_command(retry_on=(ConnectionError, TimeoutError), max_attempts=3, backoff=10.0)
def call_api(error: BaseException) -> None:
    raise error


@queue_command(discard_on=LookupError, max_attempts=3, backoff=10.0, result=True)
def look_up(error: BaseException) -> None:
    raise error


@queue_command(retry_on=OSError, discard_on=(FileNotFoundError, ValueError))
def read(error: BaseException) -> None:
    raise error


@queue_command(retry_on=FileNotFoundError, discard_on=Exception)
def read_soon(error: BaseException) -> None:
    raise error


class Import(QueueCommand):
    retry_on = OSError

    def execute(self) -> None:
        raise self.data


def plain() -> None:
    """A function that tests decorate."""


# What becomes of a run


@pytest.mark.parametrize(
    ("command", "error", "action"),
    [
        (call_api, ConnectionError("down"), Action.RETRY),
        (call_api, ConnectionResetError("a subclass"), Action.RETRY),
        (call_api, TimeoutError("slow"), Action.RETRY),
        (call_api, ValueError("no"), Action.REJECT),
        (call_api, SystemExit(3), Action.REJECT),
        (look_up, KeyError("gone"), Action.DROP),
        (look_up, ValueError("no"), Action.RETRY),
        (read, PermissionError("no"), Action.RETRY),
        (read, FileNotFoundError("gone"), Action.DROP),
        (read, ValueError("empty"), Action.DROP),
        (read, KeyError("neither"), Action.REJECT),
        (read_soon, FileNotFoundError("not yet"), Action.RETRY),
        (read_soon, OSError("no"), Action.DROP),
        (call_api, TimeLimitExceeded(), Action.REJECT),
        (read_soon, TimeLimitExceeded(), Action.DROP),
    ],
)
def test_the_nearest_class_that_is_named_decides(command: Any, error: BaseException, action: Action) -> None:
    assert executor.execute(make_delivery(command, error)).action is action


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (Retry(delay=5), Action.RETRY),
        (Postpone(5), Action.RELEASE),
        (Reject("no"), Action.REJECT),
        (Drop("nothing to do"), Action.DROP),
    ],
)
@pytest.mark.parametrize("command", [call_api, read_soon])
def test_what_the_command_asks_for_goes_before(command: Any, error: BaseException, action: Action) -> None:
    assert executor.execute(make_delivery(command, error)).action is action


@pytest.mark.parametrize("command", [call_api, read_soon])
def test_what_kept_it_from_running_is_retried_as_ever(command: Any) -> None:
    assert executor.execute(make_delivery(command, Spoilt())).action is Action.RETRY
    assert executor.execute(make_delivery(command, ConfigurationError("misled"))).action is Action.RETRY


def test_the_last_attempt_is_the_last_also_for_an_error_that_is_retried() -> None:
    outcome = executor.execute(make_delivery(call_api, ConnectionError("down"), attempts=2))
    assert outcome.action is Action.REJECT


def test_a_process_that_was_killed_for_its_time_limit_has_failed_with_that_error() -> None:
    overdue = TimeLimitExceeded("too long")
    assert executor.overrun(make_delivery(call_api, 1), overdue).action is Action.REJECT
    assert executor.overrun(make_delivery(read_soon, 1), overdue).action is Action.DROP


def test_a_dead_letter_of_the_first_attempt_tells_everything(
    memory: MemoryQueue, heard: Heard, log: pytest.LogCaptureFixture
) -> None:
    call_api(ValueError("no such account"))
    with pytest.raises(ValueError, match="no such account"):
        drain(retries=True)
    (letter,) = memory.dead_letters()
    assert (letter.attempts, letter.reason) == (1, "ValueError: no such account")
    assert "rejected, attempt 1: ValueError: no such account" in log.text
    assert [name for name, _ in heard][-1] == "command_died"


def test_what_is_discarded_leaves_its_reason_and_no_dead_letter(
    memory: MemoryQueue, heard: Heard, log: pytest.LogCaptureFixture
) -> None:
    error = KeyError("order 7")
    result = look_up(error)

    drain()

    assert memory.stats() == (0, 0, 0, 0, 0)
    assert "dropped: KeyError: 'order 7'" in log.text
    name, facts = heard[-1]
    assert (name, repr(facts["exception"])) == ("command_dropped", repr(error))
    result.refresh()
    assert result.status == ResultStatus.CANCELLED
    assert [(one.exception_class_path, one.message) for one in result.errors] == [
        ("builtins.KeyError", "'order 7'")
    ]
    with pytest.raises(Cancelled, match="order 7"):
        result.wait(5)


def test_in_eager_mode_a_discarded_call_returns_and_another_raises(eager: MemoryQueue) -> None:
    look_up(KeyError("gone"))
    with pytest.raises(ValueError, match="no"):
        look_up(ValueError("no"))


def test_dequeue_drops_it(memory: MemoryQueue) -> None:
    look_up(KeyError("gone"))
    assert invoker.dequeue() is not None
    assert memory.stats() == (0, 0, 0, 0, 0)


def test_a_class_says_it_as_an_attribute(memory: MemoryQueue) -> None:
    invoker.enqueue(Import(ValueError("no")))
    with pytest.raises(ValueError, match="no"):
        drain(retries=True)
    assert memory.stats().dead == 1


def test_without_them_everything_is_retried() -> None:
    policy = RetryPolicy(2, 1.0)
    assert policy.retries(ValueError)
    assert not policy.discards(ValueError)


# The declaration


@pytest.mark.parametrize("option", ["retry_on", "discard_on"])
@pytest.mark.parametrize(
    "wrong",
    ["ValueError", ("ValueError",), ValueError("x"), int, [ValueError], (), (ValueError, "x"), SystemExit],
)
def test_what_is_no_exception_class_is_refused(option: str, wrong: Any) -> None:
    said = rf"{option}=.* of the command 'plain' must be an exception class, or a tuple of exception classes, not"
    with pytest.raises(InvalidCommand, match=said):
        queue_command(**{option: wrong})(plain)


def test_one_class_in_both_is_refused() -> None:
    with pytest.raises(
        InvalidCommand,
        match="retry_on and discard_on of the command 'plain' both have OSError, ValueError: leave",
    ):
        queue_command(retry_on=(OSError, ValueError, KeyError), discard_on=(ValueError, OSError))(plain)


def test_also_if_one_of_them_is_inherited(declare: Declare) -> None:
    source = """
    class First(QueueCommand):
        retry_on = OSError
        def execute(self): pass
    class Second(First):
        discard_on = OSError
    """
    with pytest.raises(InvalidCommand, match="of the command 'Second' both have OSError"):
        declare(source)
