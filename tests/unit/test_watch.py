"""Which counters do not advance, counting only watched time."""

from __future__ import annotations

from djutils.queue.workers.watch import Watch

LEASE = 30.0
BEAT = 5.0


def silent(watch: Watch[int], counters: dict[int, float], now: float) -> list[int]:
    """Look, and return who has stood still for the lease."""
    watch.look(counters, now)
    return [owner for owner in counters if watch.stood_still(owner) >= LEASE]


def test_who_stands_still_for_the_lease_is_found() -> None:
    watch: Watch[int] = Watch(2 * BEAT)
    found = [silent(watch, {1: 7}, now) for now in range(100, 131, 5)]
    assert found == [[]] * 6 + [[1]]


def test_who_moves_in_any_direction_lives() -> None:
    watch: Watch[int] = Watch(2 * BEAT)
    assert not any(silent(watch, {1: -now}, now) for now in range(0, 200, 5))


def test_who_comes_late_or_comes_again_has_a_whole_lease() -> None:
    watch: Watch[int] = Watch(2 * BEAT)
    for now in range(0, 26, 5):
        assert silent(watch, {1: 0}, now) == []
    assert silent(watch, {1: 0, 2: 0}, 30) == [1]
    assert silent(watch, {2: 0}, 35) == []
    assert silent(watch, {1: 0, 2: 0}, 60) == []
    assert watch.stood_still(1) == 0.0


def test_a_look_that_failed_now_and_then_does_not_make_it_forget() -> None:
    watch: Watch[int] = Watch(2 * BEAT)
    looks = [now for now in range(0, 36, 5) if now % 15]  # every third one fails
    assert [silent(watch, {1: 0}, now) for now in looks][-1] == [1]


def test_after_an_hour_of_deafness_no_owner_counts_as_silent_for_that_hour() -> None:
    watch: Watch[int] = Watch(2 * BEAT)
    for now in range(0, 16, 5):
        watch.look({1: 0, 2: 0}, now)
    assert silent(watch, {1: 0, 2: 0}, 3600) == []
    assert silent(watch, {1: 1, 2: 0}, 3605) == [2], "25 s seen, and a beat since"


def test_a_clock_that_does_not_move_ages_no_owner() -> None:
    watch: Watch[int] = Watch(2 * BEAT)
    for _ in range(100):
        assert silent(watch, {1: 0}, 50.0) == []
