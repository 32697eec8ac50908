from __future__ import annotations

from djutils.queue.backends.database_sql.watermark import START, Position, Watermark


def places(rank: int, *ids: int) -> list[Position]:
    return [Position(rank, id) for id in ids]


def test_while_a_look_from_the_start_is_fast_every_claim_begins_there() -> None:
    mark = Watermark()
    mark.note(START, places(0, 8, 7, 9), 0.01)
    assert mark.place() == START


def test_the_first_claim_begins_at_the_start() -> None:
    assert Watermark().place() == START


def test_the_next_claim_begins_where_the_last_one_found_its_first_message() -> None:
    mark = Watermark()
    mark.note(START, places(0, 8, 7, 9), 0.1)
    assert mark.place() == Position(0, 7)
    mark.note(mark.place(), places(0, 12, 11), 0.1)
    assert mark.place() == Position(0, 11)


def test_of_several_ranks_it_is_the_place_in_the_last() -> None:
    mark = Watermark()
    mark.note(START, [*places(-5, 30), *places(0, 8, 7)], 0.1)
    assert mark.place() == Position(0, 7)


def test_after_a_claim_that_came_back_short_it_begins_at_the_start() -> None:
    mark = Watermark()
    mark.note(START, places(0, 7), 0.1)
    mark.note(mark.place(), [], 0.1)
    assert mark.place() == START


def test_now_and_then_it_looks_from_the_start_whatever_it_found() -> None:
    mark = Watermark()
    mark.note(START, places(0, 7), 0.06)
    mark._look_at -= 1.0
    assert mark.place() == START


def test_a_look_from_the_start_that_takes_long_is_not_repeated_soon() -> None:
    mark = Watermark()
    mark.note(START, places(0, 7), 5.0)
    mark._look_at -= 49.0
    assert mark.place() == Position(0, 7)
