"""What a worker process was doing, as its supervisor reads it."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Any

import pytest

from djutils.queue.ids import new_id
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.board import UNCONFIRMED, Board, Entry, Report, Slot

A, B, C = (f"{digit * 32}" for digit in "abc")


@pytest.fixture
def board() -> Board:
    board = Board(2)
    board.begin_life()
    return board


def begin(board: Board, id: str, channel: int = 0) -> Slot:
    slot = board.free.popleft()
    slot.start(channel, id, 0.0)
    return slot


def finished(board: Board, id: str, channel: int = 0) -> Slot:
    slot = begin(board, id, channel)
    slot.finish(succeeded=True)
    return slot


def test_a_fresh_board_is_empty(board: Board) -> None:
    assert (board.report(), board.begun(), board.busy) == (Report({}, {}), set(), False)
    assert len(board.free) == 2 + UNCONFIRMED


def test_it_tells_what_runs(board: Board) -> None:
    begin(board, A)
    begin(board, B, channel=3)
    assert board.report() == Report({}, {0: [Entry(A, 0.0)], 3: [Entry(B, 0.0)]})
    assert board.busy


def test_what_succeeded_is_done_until_the_backend_has_its_ack(board: Board) -> None:
    slot = finished(board, A, channel=2)
    begin(board, B, channel=2)
    assert board.report() == Report({2: [A]}, {2: [Entry(B, 0.0)]})
    slot.clear()
    assert board.report() == Report({}, {2: [Entry(B, 0.0)]})


def test_what_failed_is_neither_done_nor_running_but_has_begun_until_it_is_settled(board: Board) -> None:
    slot = begin(board, A)
    slot.finish(succeeded=False)
    assert (board.report(), board.busy, board.begun()) == (Report({}, {}), False, {A})
    slot.clear()
    assert board.begun() == set()


def test_what_has_a_deadline_is_overdue_when_it_has_passed_and_only_while_it_runs(board: Board) -> None:
    slot = begin(board, A)
    assert not board.overdue(now=1e9)
    slot.must_end(100.0)
    assert board.report() == Report({}, {0: [Entry(A, 100.0)]})
    assert (board.overdue(now=99.9), board.overdue(now=100.0)) == (False, True)
    slot.finish(succeeded=True)
    assert not board.overdue(now=1e9)
    slot.clear()
    while begin(board, B) is not slot:
        pass
    assert not board.overdue(now=1e9)


def test_channels_are_told_apart(board: Board) -> None:
    for channel, id in [(0, A), (1, B), (255, C)]:
        finished(board, id, channel)
    assert board.report().done == {0: [A], 1: [B], 255: [C]}


def test_what_is_settled_late_and_out_of_order_stays_on_the_board_meanwhile(board: Board) -> None:
    slots = {id: finished(board, id) for id in (new_id() for _ in range(UNCONFIRMED))}
    assert sorted(board.report().done[0]) == sorted(slots)
    left = sorted(slots)[::7]
    for id in slots.keys() - set(left):
        slots.pop(id).clear()
    assert sorted(board.report().done[0]) == left
    for _ in range(3 * UNCONFIRMED):
        finished(board, A).clear()
    assert sorted(board.report().done[0]) == left


def test_what_has_begun_or_ended_is_not_counted_as_waiting(board: Board) -> None:
    board.hold(5)
    begin(board, A)
    assert board.unbegun == 4
    ended = finished(board, B)
    assert board.unbegun == 3
    board.hold(4)
    ended.clear()
    assert board.unbegun == 3
    board.begin_life()
    assert (board.unbegun, board.busy) == (0, False)


def test_boards_in_one_memory_do_not_touch_each_other() -> None:
    first, second = Arena(2, 3).boards
    slots = [finished(first, new_id()) for _ in range(len(first.free))]
    assert (second.report(), second.unbegun, second.life) == (Report({}, {}), 0, 0)
    second.begin_life()
    assert len(first.report().done[0]) == len(slots)


def test_a_child_process_writes_what_its_parent_reads(board: Board) -> None:
    pid = os.fork()
    if not pid:
        finished(board, A)
        begin(board, B)
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.report() == Report({0: [A]}, {0: [Entry(B, 0.0)]})


def killed_before_each_line(board: Board, act: Callable[[], object]) -> list[tuple[Report, set[str]]]:
    """What is read after a process was killed before the first line of ``act``, the second, and so on."""
    found = []
    for lines in count():
        before = board._memory[:]
        pid = os.fork()
        if not pid:
            kill_before_line(lines, act)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        found.append((board.report(), board.begun()))
        board._memory[:] = before
        if not status:
            return found
    raise AssertionError


def kill_before_line(lines: int, act: Callable[[], object]) -> None:
    left = lines

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename == inspect.getfile(Board) and event == "line":
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        return trace

    sys.settrace(trace)
    act()


def test_killed_at_any_line_it_is_running_or_done_and_never_both(board: Board) -> None:
    finished(board, C)
    starting = killed_before_each_line(board, lambda: begin(board, A, channel=1))
    waiting, running = (Report({0: [C]}, {}), {C}), (Report({0: [C]}, {1: [Entry(A, 0.0)]}), {A, C})
    assert starting == [waiting, waiting, running]
    slot = begin(board, A, channel=1)
    finishing = killed_before_each_line(board, lambda: slot.finish(succeeded=True))
    done = (Report({0: [C], 1: [A]}, {}), {A, C})
    assert finishing == [running, done]
    slot.finish(succeeded=True)
    clearing = killed_before_each_line(board, slot.clear)
    assert clearing == [done, waiting, waiting]


def test_killed_while_a_slot_is_used_again_it_is_never_what_it_was(board: Board) -> None:
    slot = finished(board, A)
    slot.must_end(1.0)
    slot.clear()

    def use_again() -> None:
        slot.start(0, B, 0.0)
        slot.must_end(5.0)

    running = (Report({}, {0: [Entry(B, 0.0)]}), {B})
    limited = (Report({}, {0: [Entry(B, 5.0)]}), {B})
    assert killed_before_each_line(board, use_again) == [
        (Report({}, {}), set()),
        (Report({}, {}), set()),
        running,
        limited,
    ]


def test_killed_while_a_failure_is_noted_it_is_running_or_nothing(board: Board) -> None:
    slot = begin(board, A)
    reports = killed_before_each_line(board, lambda: slot.finish(succeeded=False))
    assert reports == [(Report({}, {0: [Entry(A, 0.0)]}), {A}), (Report({}, {}), {A})]
