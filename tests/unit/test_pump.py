"""The pump and its threads over MemoryQueue."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest

from djutils.queue import executor
from djutils.queue.message import Action, Outcome
from djutils.queue.workers import board, releasing
from djutils.queue.workers import pump as pump_module
from djutils.queue.workers.board import Report
from djutils.queue.workers.pace import BUDGET

from .commands_for_tests import fail, fail_at_first, gates, hold, record, refuse
from .helpers import FlakyQueue, make_envelope, until
from .rig import MakeRig, empty, send

# All is well


def test_what_is_sent_runs_and_is_acked(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    one = rig(queue)
    for number in range(30):
        send(queue, record, number)
    until(lambda: empty(queue))
    assert ran == list(range(30))
    one.end()
    assert one.board.report() == Report({}, {})
    assert queue.owners() == {}


@pytest.mark.parametrize("threads", [1, 3])
def test_an_outcome_that_only_equals_an_ack_is_acked(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(executor, "ACKED", Outcome(Action.ACK))
    for number in range(10):
        send(queue, record, number)
    one = rig(queue, threads=threads)
    until(lambda: empty(queue))
    assert sorted(ran) == list(range(10))
    one.end()
    assert one.board.report() == Report({}, {})


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_received_than_the_board_has_slots_for(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(board, "UNCONFIRMED", 1)
    for number in range(30):
        send(queue, record, number)
    one = rig(queue, threads=threads)
    until(lambda: empty(queue))
    assert sorted(ran) == list(range(30))
    one.end()
    assert len(one.board.free) == threads + 1


def test_it_is_ready_when_the_backend_was_reached(rig: MakeRig, queue: FlakyQueue) -> None:
    assert rig(queue).ready.wait(5)
    assert len(queue.owners()) == 1


def test_acks_travel_in_batches(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    queue.send([make_envelope(record, number, queue=queue.name) for number in range(1000)])
    one = rig(queue)
    until(lambda: empty(queue))
    assert len(ran) == one.pump.received == 1000
    assert queue.calls["receive"] < 500


def test_several_threads_run_everything_once(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    queue.send([make_envelope(record, number, queue=queue.name) for number in range(500)])
    rig(queue, threads=4)
    until(lambda: empty(queue))
    assert Counter(ran) == Counter(range(500))


def test_several_queues_are_all_emptied(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    other = FlakyQueue(f"{queue.name}.other")
    for number in range(10):
        send(queue, record, f"a{number}")
        send(other, record, f"b{number}")
    one = rig(queue, other, threads=2)
    until(lambda: empty(queue) and empty(other))
    assert Counter(ran) == Counter([f"a{n}" for n in range(10)] + [f"b{n}" for n in range(10)])
    one.end()
    assert one.board.report() == Report({}, {})


def test_a_failed_command_runs_again_and_one_that_refuses_is_dead(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    send(queue, fail_at_first, "x")
    dead = send(queue, refuse, "why")
    rig(queue)
    until(lambda: queue.stats() == (0, 0, 0, 1, 0))
    assert ran == ["x", "x"]
    assert [letter.id for letter in queue.dead_letters()] == [dead]


def test_a_failed_command_waits_for_its_backoff(rig: MakeRig, queue: FlakyQueue) -> None:
    send(queue, fail)
    rig(queue)
    until(lambda: queue.stats() == (0, 1, 0, 0, 0))


def test_an_idle_worker_does_not_spin(rig: MakeRig, queue: FlakyQueue) -> None:
    one = rig(queue, delay=0.05, max_delay=0.05)
    until(lambda: queue.calls["receive"] >= 2)
    began, before = time.monotonic(), queue.calls["receive"]
    until(lambda: time.monotonic() - began > 0.5)
    assert queue.calls["receive"] - before < 100, "ten looks are due, a worker that spins has thousands"
    one.end()


# A slow command


def test_a_slow_command_does_not_hold_the_others_hostage(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    for number in range(20):
        send(queue, record, number)
    rig(queue)
    until(lambda: "slow begins" in ran)
    began = time.monotonic()
    until(lambda: queue.stats() == (20, 0, 1, 0, 0))
    assert time.monotonic() - began < 1
    rig(queue)
    until(lambda: len(ran) == 21)
    assert ran[1:] == list(range(20))
    gates["slow"].set()
    until(lambda: empty(queue))


@pytest.mark.parametrize("threads", [1, 2])
def test_slow_receiving_is_not_taken_for_a_slow_command(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    for module in (pump_module, releasing):
        monkeypatch.setattr(module, "STUCK", 0.0)  # every receive is too slow
    for number in range(10):
        send(queue, record, number)
    rig(queue, FlakyQueue(f"{queue.name}.other"), threads=threads)
    until(lambda: empty(queue))
    assert Counter(ran) == Counter(range(10))


def test_while_every_thread_is_stuck_nothing_more_is_taken(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    one = rig(queue)
    until(lambda: "slow begins" in ran)
    until(lambda: time.monotonic() - one.threads.moved_at > 2 * BUDGET)
    received = one.pump.received
    send(queue, record, 1)
    until(lambda: time.monotonic() - one.threads.moved_at > 4 * BUDGET)
    assert (one.pump.received, queue.stats().ready) == (received, 1)


def test_what_is_done_is_acked_while_another_thread_is_stuck(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    rig(queue, threads=2)
    until(lambda: "slow begins" in ran)
    for number in range(5):
        send(queue, record, number)
    until(lambda: queue.stats() == (0, 0, 1, 0, 0))
    assert ran[1:] == list(range(5))


# It ends


def test_asked_to_stop_it_gives_back_the_unstarted_and_finishes_what_runs(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    ids = [send(queue, hold, "slow"), *(send(queue, record, number) for number in range(10))]
    one = rig(queue)
    until(lambda: "slow begins" in ran)
    one.pump.stop()
    until(lambda: queue.stats() == (10, 0, 1, 0, 0))
    assert not one.ended
    gates["slow"].set()
    until(lambda: one.ended)
    assert (queue.stats(), queue.owners()) == ((10, 0, 0, 0, 0), {})
    queue.enroll(1)
    deliveries = queue.receive(1, 20).deliveries
    assert [delivery.id for delivery in deliveries] == ids[1:]
    assert all(delivery[2:] == (0, 0, 0, "", 0) for delivery in deliveries)


def test_what_failed_while_draining_is_settled(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    send(queue, hold, "missing")
    one = rig(queue, threads=2)
    until(lambda: "slow begins" in ran and "missing begins" in ran)
    one.pump.stop()
    gates["slow"].set()
    until(lambda: one.ended)
    assert queue.stats() == (0, 1, 0, 0, 0)


def test_after_max_commands_it_ends_by_itself(rig: MakeRig, queue: FlakyQueue, ran: list[Any]) -> None:
    for number in range(10):
        send(queue, record, number)
    one = rig(queue, max_commands=4)
    until(lambda: one.ended)
    assert (ran, queue.stats()) == ([0, 1, 2, 3], (6, 0, 0, 0, 0))
