"""When to try again, or never."""

from __future__ import annotations

import pytest

from djutils.queue.retry import LONGEST, MAX_REDELIVERIES, UNKNOWN, Backoff, RetryPolicy, reason_to_refuse

ALMOST_ONE = 1 - 2**-53


@pytest.mark.parametrize(
    ("backoff", "attempt", "delay"),
    [
        ((2.0, 3600.0), 1, 2.0),
        ((2.0, 3600.0), 2, 4.0),
        ((2.0, 3600.0), 5, 32.0),
        ((2.0, 3600.0), 11, 2048.0),
        ((2.0, 3600.0), 12, 3600.0),
        ((2.0, 3600.0), 10_000, 3600.0),
        (3, 1, 3.0),
        (3, 2, 6.0),
        (3, 90, LONGEST),
        ((10, 15), 2, 15.0),
        (0, 7, 0.0),
        ((0, 0), 7, 0.0),
    ],
)
def test_the_wait_doubles_up_to_the_longest_and_lies_between_half_of_it_and_all(
    backoff: Backoff, attempt: int, delay: float
) -> None:
    policy = RetryPolicy(max_attempts=100_000, backoff=backoff)
    assert policy.delay_after(attempt, chance=0.0) == delay / 2
    assert policy.delay_after(attempt, chance=0.5) == delay * 0.75
    assert policy.delay_after(attempt, chance=ALMOST_ONE) == pytest.approx(delay)
    drawn = policy.delay_after(attempt)
    assert drawn is not None
    assert delay / 2 <= drawn <= delay


def test_the_jitter_is_drawn_again_each_time() -> None:
    policy = RetryPolicy(max_attempts=9, backoff=100.0)
    assert len({policy.delay_after(1) for _ in range(50)}) > 40


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False), (4, False)])
def test_after_the_last_attempt_there_is_no_wait(attempt: int, again: bool) -> None:
    assert (RetryPolicy(3, (1.0, 9.0)).delay_after(attempt) is not None) is again


def test_one_attempt_is_never_retried() -> None:
    assert RetryPolicy(1, 5.0).delay_after(1) is None


@pytest.mark.parametrize(("answer", "delay"), [(7, 7.0), (0.25, 0.25), (-3, 0.0)])
def test_a_function_is_asked_with_the_attempt_that_failed_and_is_not_jittered(
    answer: float, delay: float
) -> None:
    asked: list[int] = []

    def backoff(attempt: int) -> float:
        asked.append(attempt)
        return answer

    assert RetryPolicy(9, backoff).delay_after(4) == delay
    assert asked == [4]


def test_a_first_wait_longer_than_the_default_longest_is_kept() -> None:
    assert RetryPolicy(9, 7200.0).delay_after(1, chance=0.0) == 3600.0


def test_a_list_in_the_settings_is_as_good_as_a_tuple() -> None:
    assert RetryPolicy(9, [4.0, 6.0]).delay_after(2, chance=0.0) == 3.0  # type: ignore[arg-type]


def test_an_unknown_command_is_offered_for_some_while_then_not() -> None:
    waits = [UNKNOWN.delay_after(attempt, chance=0.0) for attempt in range(1, UNKNOWN.max_attempts)]
    assert waits[0] == 15.0
    assert sum(filter(None, waits)) > 600
    assert UNKNOWN.delay_after(UNKNOWN.max_attempts) is None


@pytest.mark.parametrize(
    ("crashes", "redeliveries", "why"),
    [
        (0, 0, ""),
        (2, MAX_REDELIVERIES - 1, ""),
        (3, 0, "It was running in 3 processes that died."),
        (4, 0, "It was running in 4 processes that died."),
        (0, MAX_REDELIVERIES, f"Its worker was lost {MAX_REDELIVERIES} times."),
    ],
)
def test_each_counter_has_a_limit_of_its_own(crashes: int, redeliveries: int, why: str) -> None:
    assert reason_to_refuse(crashes, redeliveries, max_crashes=3) == why
