"""What a worker process was doing, as its supervisor reads it."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from djutils.queue.message import new_id
from djutils.queue.workers.board import RING, Board, Report

A, B, C = (f"{digit * 32}" for digit in "abc")


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(2)
    yield board
    board.close()


def test_a_fresh_board_is_empty(board: Board) -> None:
    assert board.report() == Report({}, {})
    assert board.running() == 0


def test_it_tells_what_runs(board: Board) -> None:
    board.start(0, 0, A)
    board.start(1, 3, B)
    assert board.report() == Report({}, {0: [A], 3: [B]})
    assert board.running() == 2


def test_what_succeeded_is_done_until_it_is_confirmed(board: Board) -> None:
    board.start(0, 2, A)
    board.finish(0, succeeded=True)
    board.start(0, 2, B)
    assert board.report() == Report({2: [A]}, {2: [B]})
    board.confirm(0, 1)
    assert board.report() == Report({}, {2: [B]})
    assert board.running() == 1


def test_what_failed_is_neither_done_nor_running(board: Board) -> None:
    board.start(0, 0, A)
    board.finish(0, succeeded=False)
    assert board.report() == Report({}, {})
    assert board.running() == 0


def test_the_oldest_is_confirmed_first_and_threads_do_not_mix(board: Board) -> None:
    for thread, id in [(0, A), (1, B), (0, C)]:
        board.start(thread, 0, id)
        board.finish(thread, succeeded=True)
    assert board.report().done == {0: [A, C, B]}
    board.confirm(0, 1)
    assert board.report().done == {0: [C, B]}
    board.confirm(1, 1)
    board.confirm(0, 1)
    assert board.report().done == {}


def test_channels_are_told_apart(board: Board) -> None:
    for channel, id in [(0, A), (1, B), (255, C)]:
        board.start(0, channel, id)
        board.finish(0, succeeded=True)
    assert board.report().done == {0: [A], 1: [B], 255: [C]}


def test_many_times_around_the_ring_nothing_is_mixed_up(board: Board) -> None:
    ids = [new_id() for _ in range(3 * RING + 7)]
    for number, id in enumerate(ids):
        board.start(0, 0, id)
        board.finish(0, succeeded=True)
        if number >= 5:
            board.confirm(0, 1)
    assert board.report() == Report({0: ids[-5:]}, {})


def test_a_full_ring_keeps_the_newest(board: Board) -> None:
    ids = [new_id() for _ in range(RING + 10)]
    for id in ids:
        board.start(1, 0, id)
        board.finish(1, succeeded=True)
    assert board.report().done == {0: ids[10:]}


def test_a_child_process_writes_what_its_parent_reads(board: Board) -> None:
    pid = os.fork()
    if not pid:
        board.start(0, 0, A)
        board.finish(0, succeeded=True)
        board.start(1, 0, B)
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.report() == Report({0: [A]}, {0: [B]})


def reports_at_each_line(board: Board, act: Callable[[], None]) -> list[Report]:
    """What would be read if the process were killed before each line of ``act``."""
    reports: list[Report] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename == inspect.getfile(Board):
            sys.settrace(None)
            reports.append(board.report())
            sys.settrace(trace)
            frame.f_trace = trace
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return reports


def test_killed_between_any_two_lines_it_is_running_or_done_and_never_both(board: Board) -> None:
    board.start(0, 0, C)
    board.finish(0, succeeded=True)
    starting = reports_at_each_line(board, lambda: board.start(0, 1, A))
    assert len(starting) > 2
    assert all(report.running in ({}, {1: [A]}) for report in starting)
    assert all(report.done == {0: [C]} for report in starting)
    finishing = reports_at_each_line(board, lambda: board.finish(0, succeeded=True))
    running, done = Report({0: [C]}, {1: [A]}), Report({0: [C], 1: [A]}, {})
    assert len(finishing) > 5
    assert set(map(repr, finishing)) == {repr(running), repr(done)}
    confirming = reports_at_each_line(board, lambda: board.confirm(0, 1))
    assert {repr(report.done) for report in confirming} == {repr({0: [C], 1: [A]}), repr({1: [A]})}


def test_killed_while_a_failure_is_noted_it_is_running_or_nothing(board: Board) -> None:
    board.start(0, 0, A)
    reports = reports_at_each_line(board, lambda: board.finish(0, succeeded=False))
    assert {repr(report) for report in reports} == {repr(Report({}, {0: [A]})), repr(Report({}, {}))}
