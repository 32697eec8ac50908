"""One delivery, from bytes to a decision."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.dispatch import Signal
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.command import Command
from djutils.queue.exceptions import Reject
from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Action, Delivery, Outcome
from djutils.queue.middleware.base import Layer, Run
from djutils.queue.signals import command_died, command_retried, command_started, command_succeeded

from .commands_for_tests import (
    Greeting,
    Spoilt,
    Unspeakable,
    ask_again,
    fail,
    fail_with_a_broken_backoff,
    record,
    record_later,
    refuse,
)
from .conftest import Declare, Heard
from .helpers import make_delivery

executor = Executor("unit")

# It succeeds


def test_what_succeeds_is_acked(ran: list[Any]) -> None:
    assert executor.execute(make_delivery(record, "x", kwargs={"times": 2})) == ACKED
    assert executor.execute(make_delivery(record_later, "y")) == ACKED
    assert executor.execute(make_delivery(Greeting.name, body=codec.dump("you"))) == ACKED
    assert ran == ["x", "x", "y", "you"]


def test_success_is_told_and_logged(ran: list[Any], heard: Heard, log: pytest.LogCaptureFixture) -> None:
    delivery = make_delivery(record, "the argument")
    executor.execute(delivery)
    (started, succeeded) = heard
    message = codec.decode(delivery.data, "unit")
    assert started == ("command_started", {"sender": record.command_class, "message": message})
    assert succeeded[0] == "command_succeeded"
    assert succeeded[1]["sender"] is record.command_class
    assert succeeded[1]["message"] == message
    assert succeeded[1]["result"] == "the argument"
    assert 0 <= succeeded[1]["duration"] < 5
    (line,) = log.records
    assert (line.name, line.levelno) == ("djutils.queue.executor", logging.INFO)
    assert line.getMessage().startswith(f"{delivery.id} tests.unit.commands_for_tests.record succeeded in 0.")


def test_the_log_never_shows_arguments_or_results(ran: list[Any], log: pytest.LogCaptureFixture) -> None:
    executor.execute(make_delivery(record, "S3CRET"))
    executor.execute(make_delivery(fail, kwargs={"exception": None}, attempts=2))
    executor.execute(make_delivery(record, "S3CRET", kwargs={"colour": "S3CRET"}, attempts=99))
    executor.execute(make_delivery("no.such", "S3CRET"))
    executor.execute(Delivery("id", b"S3CRET"))
    executor.execute(make_delivery(record, "S3CRET", queue="other"))
    executor.execute(make_delivery(record, "S3CRET", crashes=99))
    executor.execute(make_delivery(record, "S3CRET", body=codec.dump(("S3CRET", Spoilt()))))
    assert len(log.records) == 8
    assert "S3CRET" not in log.text


# It fails


def test_what_fails_is_retried_after_its_backoff(heard: Heard, log: pytest.LogCaptureFixture) -> None:
    delivery = make_delivery(fail)
    outcome = executor.execute(delivery)
    assert outcome.action is Action.RETRY
    assert 5 <= outcome.delay <= 10
    assert outcome.error.startswith("ValueError: it failed\n\nTraceback (most recent call last):\n")
    assert "commands_for_tests.py" in outcome.error
    assert [name for name, _ in heard] == ["command_started", "command_retried"]
    told = heard[1][1]
    assert (told["sender"], told["delay"], told["message"].id) == (
        fail.command_class,
        outcome.delay,
        delivery.id,
    )
    assert isinstance(told["exception"], ValueError)
    (line,) = log.records
    assert (line.levelno, line.exc_info and line.exc_info[0]) == (logging.WARNING, ValueError)
    name = "tests.unit.commands_for_tests.fail"
    assert line.getMessage() == (
        f"{delivery.id} {name} retried in {outcome.delay:.1f} s, attempt 1: ValueError: it failed"
    )


@pytest.mark.parametrize(("first", "attempts"), [(1, 1), (2, 0)])
def test_attempts_of_the_backend_and_of_the_message_add_up(first: int, attempts: int) -> None:
    outcome = executor.execute(make_delivery(fail, attempt=first, attempts=attempts))
    assert outcome.action is Action.RETRY
    assert 7.5 <= outcome.delay <= 15


@pytest.mark.parametrize(("first", "attempts"), [(1, 2), (3, 0), (1, 50)])
def test_the_last_failure_is_rejected(
    heard: Heard, log: pytest.LogCaptureFixture, first: int, attempts: int
) -> None:
    delivery = make_delivery(fail, attempt=first, attempts=attempts)
    outcome = executor.execute(delivery)
    assert (outcome.action, outcome.charge) == (Action.REJECT, 1)
    assert outcome.error.startswith("ValueError: it failed\n\nTraceback")
    assert [name for name, _ in heard] == ["command_started", "command_died"]
    assert isinstance(heard[1][1]["exception"], ValueError)
    (line,) = log.records
    assert line.levelno == logging.ERROR
    assert (
        f"{delivery.id} tests.unit.commands_for_tests.fail rejected, attempt {first + attempts}" in log.text
    )
    assert "Traceback" in log.text


def test_without_options_the_settings_decide(settings: Settings) -> None:
    settings.QUEUE_MAX_ATTEMPTS, settings.QUEUE_BACKOFF = 2, 100
    wrong: dict[str, Any] = {"kwargs": {"colour": 1}}
    outcome = executor.execute(make_delivery(record, 1, **wrong))
    assert outcome.action is Action.RETRY
    assert 50 <= outcome.delay <= 100
    assert executor.execute(make_delivery(record, 1, **wrong, attempts=1)).action is Action.REJECT


@pytest.mark.parametrize(
    ("delay", "seconds"), [(30, 30), (0, 0), (-5, 0), (0.5, 0.5), (timedelta(minutes=1), 60.0)]
)
def test_a_command_may_ask_for_its_own_delay(
    delay: Any, seconds: float, heard: Heard, log: pytest.LogCaptureFixture
) -> None:
    outcome = executor.execute(make_delivery(ask_again, delay))
    assert (outcome.action, outcome.delay) == (Action.RETRY, seconds)
    assert outcome.error.startswith("djutils.queue.exceptions.Retry: not yet")
    assert heard[1][0] == "command_retried"
    assert log.records[0].exc_info is None, "a wish is no failure"


def test_without_a_delay_its_backoff_decides() -> None:
    outcome = executor.execute(make_delivery(ask_again))
    assert outcome.action is Action.RETRY
    assert 5 <= outcome.delay <= 10


def test_a_command_cannot_ask_forever() -> None:
    assert executor.execute(make_delivery(ask_again, 0, attempts=2)).action is Action.REJECT


@pytest.mark.parametrize("delay", ["soon", [], float("nan"), float("inf"), 1e300])
def test_a_delay_that_makes_no_sense_does_not_end_the_worker(delay: Any) -> None:
    outcome = executor.execute(make_delivery(ask_again, delay))
    assert outcome.action in {Action.RETRY, Action.REJECT}
    assert 0 <= outcome.delay < 10 * 365 * 24 * 3600


def test_reject_goes_to_the_dead_letters_at_once(heard: Heard, log: pytest.LogCaptureFixture) -> None:
    outcome = executor.execute(make_delivery(refuse, "for good reason"))
    assert (outcome.action, outcome.charge) == (Action.REJECT, 1)
    assert outcome.error.partition("\n")[0] == "djutils.queue.exceptions.Reject: for good reason"
    assert [name for name, _ in heard] == ["command_started", "command_died"]
    assert isinstance(heard[1][1]["exception"], Reject)
    assert log.records[0].exc_info is None


def test_a_backoff_that_fails_does_not_end_the_worker() -> None:
    outcome = executor.execute(make_delivery(fail_with_a_broken_backoff))
    assert outcome.action in {Action.RETRY, Action.REJECT}
    assert "ValueError: the command's own error" in outcome.error


@pytest.mark.parametrize("answer", [None, "soon", float("nan"), float("inf"), 1e300])
def test_a_backoff_that_answers_nonsense_does_not_end_the_worker(settings: Settings, answer: Any) -> None:
    settings.QUEUE_BACKOFF = lambda attempt: answer
    outcome = executor.execute(make_delivery(refuse))
    assert outcome.action in {Action.RETRY, Action.REJECT}
    assert 0 <= outcome.delay < 10 * 365 * 24 * 3600


def test_a_class_with_a_wrong_policy_does_not_end_the_worker(declare: Declare) -> None:
    module = declare(
        """
        class Wrong(QueueCommand):
            def execute(self): raise ValueError("the command's own error")
        """
    )
    module.Wrong.max_attempts = "3"
    outcome = executor.execute(make_delivery("made_up.Wrong"))
    assert outcome.action in {Action.RETRY, Action.REJECT}


class Stopping(BaseException):
    pass


@pytest.mark.parametrize(
    ("exception", "summary"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (Stopping("x"), "tests.unit.test_executor.Stopping: x"),
        (ValueError("two\nlines"), "ValueError: two"),
        (ValueError(), "ValueError"),
        (Unspeakable(), "tests.unit.commands_for_tests.Unspeakable: <exception str() failed>"),
        (ValueError("x" * 5000), "ValueError: " + "x" * 488),
        (SyntaxError("bad", ("file.py", 3, 1, "a b", 3, 4)), "SyntaxError: bad"),
        (ExceptionGroup("many", [ValueError("a"), KeyError("b")]), "ExceptionGroup: many (2 sub-exceptions)"),
    ],
)
def test_whatever_a_command_raises_is_a_failed_attempt(exception: BaseException, summary: str) -> None:
    outcome = executor.execute(make_delivery(fail, exception))
    assert outcome.action is Action.RETRY
    assert outcome.error.split("\n\n", 1)[0] == summary


def test_a_note_on_the_exception_does_not_take_its_place(declare: Declare) -> None:
    declare(
        """
        @queue_command
        def noted():
            error = ValueError("the error")
            error.add_note("only a note")
            raise error
        """
    )
    outcome = executor.execute(make_delivery("made_up.noted"))
    assert outcome.error.partition("\n")[0] == "ValueError: the error"
    assert "only a note" in outcome.error


def test_what_is_kept_of_an_error_is_bounded_and_keeps_its_first_and_last_lines(declare: Declare) -> None:
    declare(
        """
        def deeper(n):
            if not n: raise ValueError("at the bottom " + "x" * 20_000 + " the end")
            try: deeper(n - 1)
            except ValueError as error: raise ValueError(f"level {n}") from error

        @queue_command
        def deep(): deeper(30)
        """
    )
    error = executor.execute(make_delivery("made_up.deep")).error
    assert len(error) < 20_000
    assert error.startswith("ValueError: level 30\n\n[...]\n")
    assert error.rstrip().endswith("ValueError: level 30")


# Who listens


@pytest.mark.parametrize("signal", [command_started, command_succeeded, command_retried, command_died])
@pytest.mark.parametrize(
    "delivery",
    [
        lambda: make_delivery(record, 1),
        lambda: make_delivery(fail),
        lambda: make_delivery(fail, attempts=2),
    ],
)
def test_a_receiver_that_fails_is_logged_and_changes_nothing(
    ran: list[Any], log: pytest.LogCaptureFixture, signal: Signal, delivery: Callable[[], Delivery]
) -> None:
    given = delivery()
    without = executor.execute(given)
    sent: list[int] = []

    def stumble(**_: Any) -> None:
        sent.append(1)
        raise ZeroDivisionError

    signal.connect(stumble)
    try:
        outcome = executor.execute(given)
    finally:
        signal.disconnect(stumble)
    assert outcome._replace(delay=0) == without._replace(delay=0)
    failures = [one for one in log.records if one.exc_info and one.exc_info[0] is ZeroDivisionError]
    assert len(failures) == len(sent)
    assert all(one.name == "djutils.queue.signals" for one in failures)


# Inside its middleware


def test_middleware_wraps_the_command_the_first_one_outermost(ran: list[Any], heard: Heard) -> None:
    def layer(name: str) -> Layer:
        def around(run: Run) -> Run:
            def run_inside(command: Command) -> Any:
                ran.append(f"{name} in {command.data[0][0]}")
                try:
                    return f"{name}({run(command)})"
                finally:
                    ran.append(f"{name} out")

            return run_inside

        return around

    wrapped = Executor("unit", (layer("a"), layer("b")))
    wrapped.execute(make_delivery(record, "x"))
    assert heard[-1][1]["result"] == "a(b(x))"
    assert ran == ["a in x", "b in x", "x", "b out", "a out"]


def test_what_middleware_raises_counts_as_the_commands() -> None:
    def stop(run: Run) -> Run:
        def refuse(command: Command) -> Any:
            raise Reject("not today")

        return refuse

    outcome: Outcome = Executor("unit", (stop,)).execute(make_delivery(record, 1))
    assert outcome.action is Action.REJECT
    assert outcome.error.startswith("djutils.queue.exceptions.Reject: not today")


def test_nothing_is_written_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("djutils.queue.executor")
    handler = logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    try:
        executor.execute(make_delivery(fail))
    finally:
        logger.removeHandler(handler)
    assert capsys.readouterr() == ("", "")
