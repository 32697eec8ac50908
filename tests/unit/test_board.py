"""What a worker process was doing, as its supervisor reads it."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from djutils.queue.message import new_id
from djutils.queue.workers.board import RING, Board, Entry, Report

A, B, C = (f"{digit * 32}" for digit in "abc")


@pytest.fixture
def board() -> Board:
    board = Board(2)
    board.begin_life()
    return board


def test_a_fresh_board_is_empty(board: Board) -> None:
    assert board.report() == Report({}, {})


def test_it_tells_what_runs(board: Board) -> None:
    board.pads[0].start(0, A)
    board.pads[1].start(3, B)
    assert board.report() == Report({}, {0: [Entry(A, 0.0)], 3: [Entry(B, 0.0)]})


def test_what_succeeded_is_done_until_it_is_confirmed(board: Board) -> None:
    board.pads[0].start(2, A)
    board.pads[0].finish(succeeded=True)
    board.pads[0].start(2, B)
    assert board.report() == Report({2: [A]}, {2: [Entry(B, 0.0)]})
    board.pads[0].confirm(1)
    assert board.report() == Report({}, {2: [Entry(B, 0.0)]})


def test_what_failed_is_neither_done_nor_running(board: Board) -> None:
    board.pads[0].start(0, A)
    board.pads[0].finish(succeeded=False)
    assert board.report() == Report({}, {})


def test_the_oldest_is_confirmed_first_and_threads_do_not_mix(board: Board) -> None:
    for thread, id in [(0, A), (1, B), (0, C)]:
        board.pads[thread].start(0, id)
        board.pads[thread].finish(succeeded=True)
    assert board.report().done == {0: [A, C, B]}
    board.pads[0].confirm(1)
    assert board.report().done == {0: [C, B]}
    board.pads[1].confirm(1)
    board.pads[0].confirm(1)
    assert board.report().done == {}


def test_what_has_a_deadline_is_overdue_when_it_has_passed_and_only_while_it_runs(board: Board) -> None:
    board.pads[0].start(0, A)
    assert not board.overdue(now=1e9)
    board.pads[0].must_end(100.0)
    assert board.report() == Report({}, {0: [Entry(A, 100.0)]})
    assert (board.overdue(now=99.9), board.overdue(now=100.0)) == (False, True)
    board.pads[0].finish(succeeded=True)
    board.pads[0].start(0, B)
    assert not board.overdue(now=1e9)


def test_channels_are_told_apart(board: Board) -> None:
    for channel, id in [(0, A), (1, B), (255, C)]:
        board.pads[0].start(channel, id)
        board.pads[0].finish(succeeded=True)
    assert board.report().done == {0: [A], 1: [B], 255: [C]}


def test_many_times_around_the_ring_nothing_is_mixed_up(board: Board) -> None:
    ids = [new_id() for _ in range(3 * RING + 7)]
    for number, id in enumerate(ids):
        board.pads[0].start(0, id)
        board.pads[0].finish(succeeded=True)
        if number >= 5:
            board.pads[0].confirm(1)
    assert board.report() == Report({0: ids[-5:]}, {})


def test_a_full_ring_keeps_the_newest(board: Board) -> None:
    ids = [new_id() for _ in range(RING + 10)]
    for id in ids:
        board.pads[1].start(0, id)
        board.pads[1].finish(succeeded=True)
    assert board.report().done == {0: ids[10:]}


def test_a_child_process_writes_what_its_parent_reads(board: Board) -> None:
    pid = os.fork()
    if not pid:
        board.pads[0].start(0, A)
        board.pads[0].finish(succeeded=True)
        board.pads[1].start(0, B)
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.report() == Report({0: [A]}, {0: [Entry(B, 0.0)]})


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
    board.pads[0].start(0, C)
    board.pads[0].finish(succeeded=True)
    starting = reports_at_each_line(board, lambda: board.pads[0].start(1, A))
    assert len(starting) > 2
    assert all(report.running in ({}, {1: [Entry(A, 0.0)]}) for report in starting)
    assert all(report.done == {0: [C]} for report in starting)
    finishing = reports_at_each_line(board, lambda: board.pads[0].finish(succeeded=True))
    running, done = Report({0: [C]}, {1: [Entry(A, 0.0)]}), Report({0: [C], 1: [A]}, {})
    assert len(finishing) > 5
    assert set(map(repr, finishing)) == {repr(running), repr(done)}
    confirming = reports_at_each_line(board, lambda: board.pads[0].confirm(1))
    assert {repr(report.done) for report in confirming} == {repr({0: [C], 1: [A]}), repr({1: [A]})}


def test_killed_while_a_failure_is_noted_it_is_running_or_nothing(board: Board) -> None:
    board.pads[0].start(0, A)
    reports = reports_at_each_line(board, lambda: board.pads[0].finish(succeeded=False))
    assert {repr(report) for report in reports} == {
        repr(Report({}, {0: [Entry(A, 0.0)]})),
        repr(Report({}, {})),
    }
