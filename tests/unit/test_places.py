"""When a worker process that died is replaced."""

from __future__ import annotations

import time

import pytest

from djutils.queue.workers import places as places_module
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.places import LONGEST_PAUSE, Place, places_of


@pytest.fixture
def place() -> Place:
    (place,) = places_of(Arena(1, 1))
    place.taken = True
    return place


def pause_after(place: Place, deaths: int, age: float = 0.0) -> float:
    """Let so many processes die by their own fault; return how long the next one has to wait."""
    for _ in range(deaths):
        place.vacate(time.monotonic() - age, at_fault=True)
    return place._free_at - time.monotonic()


def test_who_died_of_a_command_or_was_ended_by_us_is_replaced_at_once(place: Place) -> None:
    assert not place.is_free
    for _ in range(10):
        place.vacate(time.monotonic(), at_fault=False)
        assert place.is_free


def test_each_death_by_its_own_fault_doubles_the_pause_up_to_a_limit(place: Place) -> None:
    pauses = [pause_after(place, 1) for _ in range(12)]
    assert not place.is_free
    assert pauses[1] > 1.5 * pauses[0]
    assert pauses[2] > 1.5 * pauses[1]
    assert LONGEST_PAUSE - 1 < pauses[-1] <= LONGEST_PAUSE


def test_a_minute_of_life_makes_up_for_what_was_before(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pause_after(place, 1)
    assert pause_after(place, 5) > 10 * first
    assert pause_after(place, 1, age=61.0) <= first + 0.1
    monkeypatch.setattr(places_module, "_LONG_LIFE", 0.0)
    assert pause_after(place, 1, age=0.1) <= first + 0.1


def test_one_place_does_not_wait_for_another() -> None:
    first, second = places_of(Arena(2, 1))
    pause_after(first, 3)
    assert (first.is_free, second.is_free) == (False, True)
