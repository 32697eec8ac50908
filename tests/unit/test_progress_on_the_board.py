"""How far a running command is, as other processes read it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from djutils.queue.ids import new_id
from djutils.queue.record import Progress
from djutils.queue.workers.board import Board


@pytest.fixture
def board() -> Board:
    board = Board(1)
    board.begin_life()
    return board


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ((3, 10, "loading"), (3, 10, "loading")),
        ((3, None, ""), (3, None, "")),
        ((2.5, 10.5, "half a step"), (2, 10, "half a step")),
        ((-1, -1, "backwards"), (0, 0, "backwards")),
        ((2**70, 2**70, "far"), (2**64 - 1, 2**64 - 2, "far")),
        ((1, 2, "a file\udcff"), (1, 2, "a file?")),
        ((1, 2, "é" * 20), (1, 2, "é" * 16)),
        ((1, 2, "x" + "é" * 20), (1, 2, "x" + "é" * 15)),
    ],
)
def test_whatever_a_command_says_is_shown_as_far_as_it_can_be(
    board: Board, said: tuple[Any, Any, str], shown: tuple[Any, ...]
) -> None:
    id = new_id()
    slot = board.free.popleft()
    slot.start(0, id, time.monotonic())

    slot.report(id, *said)

    assert board.running()[0].progress == Progress(*shown)


def test_what_runs_in_the_same_slot_next_has_said_nothing(board: Board) -> None:
    first, second = new_id(), new_id()
    slot = board.free.popleft()
    slot.start(0, first, time.monotonic())
    slot.report(first, 1, 2, "")
    slot.start(0, second, time.monotonic())
    assert board.running()[0].progress is None
