"""When a worker process that died is replaced."""

from __future__ import annotations

import time

import pytest

from djutils.queue.workers import seats as places_module
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.seats import LONGEST_PAUSE, Seat, seats_of


@pytest.fixture
def seat() -> Seat:
    (seat,) = seats_of(Arena(1, 1))
    seat.taken = True
    return seat


def pause_after(seat: Seat, deaths: int, age: float = 0.0) -> float:
    """Let so many processes die by their own fault; return how long the next one has to wait."""
    for _ in range(deaths):
        seat.vacate(time.monotonic() - age, at_fault=True)
    return seat._free_at - time.monotonic()


def test_who_died_of_a_command_or_was_ended_by_us_is_replaced_at_once(seat: Seat) -> None:
    assert not seat.is_free
    for _ in range(10):
        seat.vacate(time.monotonic(), at_fault=False)
        assert seat.is_free


def test_each_death_by_its_own_fault_doubles_the_pause_up_to_a_limit(seat: Seat) -> None:
    pauses = [pause_after(seat, 1) for _ in range(12)]
    assert not seat.is_free
    assert pauses[1] > 1.5 * pauses[0]
    assert pauses[2] > 1.5 * pauses[1]
    assert LONGEST_PAUSE - 1 < pauses[-1] <= LONGEST_PAUSE


def test_a_minute_of_life_makes_up_for_what_was_before(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pause_after(seat, 1)
    assert pause_after(seat, 5) > 10 * first
    assert pause_after(seat, 1, age=61.0) <= first + 0.1
    monkeypatch.setattr(places_module, "_LONG_LIFE", 0.0)
    assert pause_after(seat, 1, age=0.1) <= first + 0.1


def test_one_place_does_not_wait_for_another() -> None:
    first, second = seats_of(Arena(2, 1))
    pause_after(first, 3)
    assert (first.is_free, second.is_free) == (False, True)
