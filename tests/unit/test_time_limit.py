"""A command that runs for too long is told so."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Action

from .commands_for_tests import spin, spin_and_go_on, spin_later
from .helpers import make_delivery, until

executor = Executor("unit")


class Watched:
    """Remembers what was noted on it."""

    def __init__(self) -> None:
        self.noted: list[float] = []

    def must_end(self, deadline: float) -> None:
        self.noted.append(deadline)


@pytest.mark.parametrize("command", [spin, spin_later])
def test_a_command_past_its_soft_limit_is_a_failed_attempt(command: Any) -> None:
    outcome = executor.execute(make_delivery(command, 10.0))
    assert outcome.action is Action.RETRY
    assert outcome.error.startswith(
        "djutils.queue.exceptions.TimeLimitExceeded: It ran for longer than its time limit of 0.05 s."
    )


@pytest.mark.parametrize("command", [spin, spin_later])
def test_a_command_within_its_limit_notices_nothing(command: Any) -> None:
    assert executor.execute(make_delivery(command, 0.0)) == ACKED


def test_a_command_may_tidy_up_and_end_well(ran: list[Any]) -> None:
    assert executor.execute(make_delivery(spin_and_go_on, 10.0)) == ACKED
    assert ran == ["tidied up"]


def test_ending_at_the_very_moment_of_the_limit_hurts_no_other_command(ran: list[Any]) -> None:
    before = threading.active_count()
    for _ in range(40):
        executor.execute(make_delivery(spin, 0.05))
        for _ in range(50):
            time.sleep(0)
    until(lambda: threading.active_count() <= before)


def test_the_hard_limit_is_noted_for_the_supervisor() -> None:
    watchdog = Watched()
    before = time.monotonic()
    executor.execute(make_delivery(spin, 0.0), watchdog)
    (deadline,) = watchdog.noted
    assert 0.2 <= deadline - before < 5.2
