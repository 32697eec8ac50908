"""A pump with coroutines beside its threads, over MemoryQueue."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.signals import command_started, command_succeeded
from djutils.queue.workers.board import Report

from . import commands_awaited as awaited
from .commands_for_tests import gates
from .helpers import FlakyQueue, ListQueue, make_delivery, until
from .rig import MakeRig, Rig, empty, send


def start(rig: MakeRig, queue: FlakyQueue, coroutines: int = 100, **options: Any) -> Rig:
    return rig(queue, coroutines=coroutines, **options)


def dead(queue: FlakyQueue) -> list[str]:
    """The first line of the error of each dead letter."""
    return [letter.error.partition("\n")[0] for letter in queue.dead_letters()]


def test_as_many_as_allowed_are_awaited_at_the_same_time(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event())
    for number in range(25):
        send(queue, awaited.stay, "a", number)
    one = start(rig, queue, coroutines=20)
    until(lambda: len(one.board.running()) == 20)
    time.sleep(0.05)
    assert ran == [("began", number) for number in range(20)]
    gates["a"].set()
    until(lambda: empty(queue))
    assert {line[2] for line in ran if line[0] == "ended"} == {"coroutines"}
    one.end()
    assert one.board.report() == Report({}, {})
    assert len(one.board.free) == 1 + 20 + 1024


def test_plain_commands_run_in_threads_beside_them(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    gates.update(a=threading.Event())
    for number in range(5):
        send(queue, awaited.stay, "a", number)
        send(queue, awaited.plain, number)
    one = start(rig, queue, threads=1)
    until(lambda: len(ran) == 10)
    assert Counter(line[1] for line in ran if line[0] != "began") == {"worker-0": 5}
    gates["a"].set()
    until(lambda: empty(queue))
    one.end()


def test_a_plain_command_that_takes_long_holds_up_no_coroutine_and_the_reverse(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event(), b=threading.Event())
    one = start(rig, queue, coroutines=2, threads=1)
    send(queue, awaited.plain_hold, "a")
    until(lambda: ran == ["holds"])
    send(queue, awaited.plain, 1)
    send(queue, awaited.stay, "b", 1)
    until(lambda: ("began", 1) in ran)
    send(queue, awaited.stay, "b", 2)
    until(lambda: ("began", 2) in ran)
    gates["a"].set()
    until(lambda: (1, "worker-0") in ran)
    send(queue, awaited.stay, "b", 3)
    send(queue, awaited.plain, 2)
    until(lambda: (2, "worker-0") in ran)
    gates["b"].set()
    until(lambda: empty(queue))
    one.end()


def test_what_waits_behind_commands_that_do_not_end_goes_back(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event())
    one = start(rig, queue, coroutines=2)
    for number in range(2):
        send(queue, awaited.stay, "a", number)
    until(lambda: len(ran) == 2)
    for number in range(2, 6):
        send(queue, awaited.stay, "a", number)
    until(lambda: queue.calls["release"])
    until(lambda: queue.stats().leased == 2)
    gates["a"].set()
    until(lambda: empty(queue))
    one.end()
    assert Counter(line[1] for line in ran if line[0] == "began") == Counter(range(6))


def test_what_waits_behind_a_command_that_blocks_the_loop_goes_back(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event(), b=threading.Event())
    one = start(rig, queue)
    send(queue, awaited.block, "a")
    until(lambda: ran == ["blocks"])
    gates["b"].set()
    for number in range(5):
        send(queue, awaited.stay, "b", number)
    until(lambda: queue.calls["release"])
    until(lambda: queue.stats().leased == 1)
    send(queue, awaited.plain, "meanwhile")
    until(lambda: ("meanwhile", "worker-0") in ran)
    gates["a"].set()
    until(lambda: empty(queue))
    one.end()
    assert Counter(line[1] for line in ran if line[0] == "began") == Counter(range(5))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (awaited.end_in, "LookupError: mine"),
        (awaited.end_in_gathered, "LookupError: mine"),
        (awaited.end_in, "SystemExit: 3"),
        (awaited.end_in_gathered, "SystemExit: 3"),
        (awaited.end_in, "asyncio.exceptions.CancelledError"),
        (awaited.end_in_gathered, "asyncio.exceptions.CancelledError"),
        (awaited.end_in, "KeyboardInterrupt"),
        (awaited.end_in_gathered, "KeyboardInterrupt"),
    ],
)
def test_whatever_a_command_raises_is_its_own_failure_and_the_others_go_on(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], command: Any, said: str
) -> None:
    errors: dict[str, BaseException] = {
        "LookupError": LookupError("mine"),
        "SystemExit": SystemExit(3),
        "asyncio": asyncio.CancelledError(),
        "KeyboardInterrupt": KeyboardInterrupt(),
    }
    gates.update(a=threading.Event())
    one = start(rig, queue)
    send(queue, awaited.stay, "a", 1)
    until(lambda: ran)
    send(queue, command, errors[said.partition(":")[0].partition(".")[0]])
    until(lambda: dead(queue))
    send(queue, awaited.gather, 4)
    until(lambda: 6 in ran)
    gates["a"].set()
    until(lambda: not queue.stats().leased)
    one.end()
    assert dead(queue) == [said]
    assert ("ended", 1, "coroutines") in ran


def test_a_command_that_cancels_itself_has_failed(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    one = start(rig, queue)
    send(queue, awaited.cancel_itself)
    until(lambda: dead(queue))
    assert dead(queue) == ["asyncio.exceptions.CancelledError"]
    one.end()


def test_other_outcomes_are_the_same_as_in_a_thread(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    one = start(rig, queue)
    for which in ("postpone", "drop", "reject"):
        send(queue, awaited.postpone_or_drop, which)
    until(lambda: queue.stats()[:4] == (0, 1, 0, 1))
    assert dead(queue) == ["djutils.queue.exceptions.Reject: never"]
    one.end()


def test_one_past_its_time_limit_is_cancelled_and_no_other(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event())
    one = start(rig, queue)
    for number in range(3):
        send(queue, awaited.stay, "a", number)
    send(queue, awaited.oversleep, 60)
    send(queue, awaited.oversleep, 0)
    send(queue, awaited.tidy_up_and_go_on)
    until(lambda: dead(queue) and "went on" in ran)
    assert dead(queue) == [
        "djutils.queue.exceptions.TimeLimitExceeded: It ran for longer than its time limit of 0.1 s."
    ]
    gates["a"].set()
    until(lambda: not queue.stats().leased)
    assert len([line for line in ran if line[0] == "ended"]) == 3
    one.end()


def test_the_hard_limit_stands_on_the_board(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    one = start(rig, queue)
    send(queue, awaited.oversleep, 60)
    until(one.board.running)
    until(lambda: 0 < one.board.running()[0].deadline - time.monotonic() < 10.1)
    assert one.board.overdue(time.monotonic() + 10.1)
    until(lambda: dead(queue))
    one.end()


def test_each_has_its_own_context(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    # The end of one begins the next.
    one = start(rig, queue, coroutines=2)
    for text in "abcdef":
        send(queue, awaited.set_mood, text)
    until(lambda: empty(queue))
    assert (sorted(ran), queue.calls["retry"]) == (list("abcdef"), 0)
    one.end()


def test_what_a_command_leaves_in_the_loop_is_cancelled_when_the_worker_ends(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event())
    one = start(rig, queue)
    send(queue, awaited.leave_behind, "a")
    until(lambda: empty(queue))
    one.end()
    until(lambda: ran == ["left", "cancelled"])


def test_a_stopping_worker_lets_coroutines_end_and_begins_no_more(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event())
    one = start(rig, queue, coroutines=3)
    for number in range(3):
        send(queue, awaited.stay, "a", number)
    until(lambda: len(ran) == 3)
    one.pump.stop()
    send(queue, awaited.stay, "a", 4)
    assert not one.ended
    gates["a"].set()
    until(lambda: one.ended)
    assert queue.stats()[:3] == (1, 0, 0)
    assert len(ran) == 6


def test_receivers_hear_of_a_coroutine_and_may_be_asynchronous_or_use_the_loops_database_thread(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    heard: list[Any] = []

    async def on_start(**facts: Any) -> None:
        heard.append(("started", facts["message"].id))

    def on_success(**facts: Any) -> None:
        heard.append(("succeeded", facts["message"].id, threading.current_thread().name != "coroutines"))

    command_started.connect(on_start)
    command_succeeded.connect(on_success)
    try:
        one = start(rig, queue)
        id = send(queue, awaited.gather, 3)
        until(lambda: empty(queue))
        one.end()
    finally:
        command_started.disconnect(on_start)
        command_succeeded.disconnect(on_success)
    assert heard == [("started", id), ("succeeded", id, True)]


def test_outages_lose_and_repeat_nothing(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    for method, modes in {"receive": ["after", "", "before", "", "after"] * 3}.items():
        queue.plan[method] = modes
    for number in range(200):
        send(queue, awaited.stay, "a", number)
        send(queue, awaited.plain, number)
    gates.update(a=threading.Event())
    gates["a"].set()
    one = start(rig, queue, coroutines=30, threads=2)
    until(lambda: empty(queue))
    one.end()
    assert Counter(line[1] for line in ran if line[0] == "began") == Counter(range(200))
    assert Counter(line[0] for line in ran if str(line[1]).startswith("worker")) == Counter(range(200))


def test_a_queue_of_four_methods_is_popped_only_as_far_as_either_side_can_begin(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any]
) -> None:
    gates.update(a=threading.Event())
    for number in range(4):
        four_methods.write(make_delivery(awaited.stay, "a", number, queue=four_methods.name).data)
    four_methods.write(make_delivery(awaited.plain_hold, "a", queue=four_methods.name).data)
    for number in range(4):
        four_methods.write(make_delivery(awaited.plain, number, queue=four_methods.name).data)
    one = rig(four_methods, coroutines=10)
    until(lambda: len(ran) == 5)
    time.sleep(0.1)
    assert len(four_methods) == 4
    gates["a"].set()
    until(lambda: len(ran) == 5 + 4 + 4)
    one.end()


def test_a_message_that_a_wrong_setting_makes_unreadable_is_released_and_the_worker_goes_on(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], settings: Settings
) -> None:
    send(queue, awaited.gather, 4)
    settings.QUEUE_SIGNING_KEYS = 5
    one = start(rig, queue)
    until(lambda: queue.calls["release"])
    settings.QUEUE_SIGNING_KEYS = None
    send(queue, awaited.gather, 5)
    until(lambda: ran == [10])
    one.end()
    assert (one.error, queue.stats()[:4]) == (None, (0, 1, 0, 0))


def test_a_recall_is_obeyed_by_both_sides(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    gates.update(a=threading.Event())
    gates["a"].set()
    one = start(rig, queue)
    one.board.recall()
    for number in range(20):
        send(queue, awaited.stay, "a", number)
        send(queue, awaited.plain, number)
    time.sleep(0.05)
    assert not ran
    one.board.recall_ends()
    until(lambda: empty(queue))
    assert len(ran) == 60
    one.end()


def test_an_error_of_the_backend_ends_no_loop(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    gates.update(a=threading.Event())
    one = start(rig, queue)
    send(queue, awaited.stay, "a", 1)
    until(lambda: ran)
    queue.plan["receive"] = ["before"] * 20
    gates["a"].set()
    until(lambda: empty(queue))
    one.end()
    assert not isinstance(one.error, BackendUnavailable)
