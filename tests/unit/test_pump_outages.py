"""The pump when its backend fails as planned, when it was taken for dead, and over four methods."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest

from djutils.queue.exceptions import BackendError, ConfigurationError
from djutils.queue.message import Batch
from djutils.queue.workers import outage as outage_module
from djutils.queue.workers import pump as pump_module
from djutils.queue.workers import releasing
from djutils.queue.workers.board import Report

from .commands_for_tests import fail_at_first, gates, hold, record, refuse
from .helpers import FlakyQueue, ListQueue, make_envelope, until
from .rig import MakeRig, empty, send

# The backend does not answer


@pytest.mark.parametrize("mode", ["before", "after"])
@pytest.mark.parametrize("method", ["receive", "retry", "reject", "adopt", "enroll"])
def test_after_an_outage_nothing_is_lost_and_nothing_doubled(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], method: str, mode: str
) -> None:
    for number in range(40):
        send(queue, record, number)
    send(queue, fail_at_first, "fails")
    dead = send(queue, refuse, "why")
    queue.plan[method] = [mode, mode, "", mode]
    if method == "adopt":
        queue.plan["receive"] = ["", "before"]
    rig(queue)
    until(lambda: queue.stats() == (0, 0, 0, 1, 0))
    assert Counter(ran) == Counter(range(40)) + Counter({"fails": 2})
    (letter,) = queue.dead_letters()
    assert (letter.id, letter.attempts) == (dead, 1)


def test_what_was_lent_in_a_lost_reply_is_adopted(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "djutils.queue")
    for number in range(10):
        send(queue, record, number)
    queue.plan["receive"] = ["after"]
    one = rig(queue)
    until(lambda: empty(queue))
    assert ran == list(range(10))
    assert "were lent in a lost reply" in caplog.text
    assert "The backend answers again." in caplog.text
    assert caplog.text.count("Waiting for it; running commands continue.") == 1
    one.end()
    assert one.board.report() == Report({}, {})


@pytest.mark.parametrize("mode", ["before", "after"])
def test_what_could_not_be_given_back_is_not_forgotten(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], mode: str
) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    for number in range(10):
        send(queue, record, number)
    queue.plan["release"] = [mode]
    rig(queue)
    until(lambda: queue.calls["release"])
    gates["slow"].set()
    until(lambda: empty(queue))
    assert Counter(ran[2:]) == Counter(range(10))


@pytest.mark.parametrize("mode", ["before", "after"])
def test_what_could_not_be_given_back_while_draining_goes_back_at_the_end(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], mode: str
) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    for number in range(10):
        send(queue, record, number)
    queue.plan["release"] = [mode]
    one = rig(queue)
    until(lambda: "slow begins" in ran)
    one.pump.stop()
    until(lambda: queue.calls["release"])
    gates["slow"].set()
    until(lambda: one.ended)
    assert (queue.stats(), ran[2:]) == ((10, 0, 0, 0, 0), [])


def test_a_command_that_ends_during_an_outage_is_acked_after_it(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    one = rig(queue)
    until(lambda: "slow begins" in ran)
    queue.plan["receive"] = ["before"] * 20
    gates["slow"].set()
    until(lambda: empty(queue))
    assert ran == ["slow begins", "slow ends"]
    one.end()
    assert one.board.report() == Report({}, {})


def test_an_outage_of_any_length_is_waited_out_at_the_start(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outage_module, "LONGEST_PAUSE", 0.0)
    queue.plan["enroll"] = ["before"] * 1100
    send(queue, record, "x")
    one = rig(queue)
    until(lambda: empty(queue) or one.ended)
    assert (ran, one.ended) == (["x"], False)


def test_asked_to_stop_before_the_backend_was_ever_reached_it_ends(rig: MakeRig, queue: FlakyQueue) -> None:
    queue.plan["enroll"] = ["before"] * 100_000
    one = rig(queue)
    until(lambda: queue.calls["enroll"] > 2)
    one.pump.stop()
    until(lambda: one.ended)
    assert not one.ready.is_set()


# It was taken for dead


def test_an_owner_that_was_struck_off_leaves_the_rest_to_others(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    gates.update(slow=threading.Event())
    send(queue, hold, "slow")
    one = rig(queue, threads=2)
    until(lambda: "slow begins" in ran)
    queue.reap(one.owner)
    until(lambda: "Lease lost: this worker was silent" in caplog.text)
    assert not one.ended, "what runs is let run"
    gates["slow"].set()
    until(lambda: one.ended)
    assert (one.error, queue.stats(), queue.owners()) == (None, (1, 0, 0, 0, 0), {})


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "error",
    [
        BackendError("refused"),
        ConfigurationError("may evict"),
        OSError("by its driver"),
        TypeError("as well"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_backend_raises_is_waited_out_and_said_once(
    rig: MakeRig,
    queue: FlakyQueue,
    ran: list[Any],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    threads: int,
) -> None:
    caplog.set_level(logging.INFO, "djutils.queue")
    one = rig(queue, threads=threads)
    assert one.ready.wait(5)
    working, failures = queue._lend, []

    def broken(*_: Any) -> Any:
        failures.append(error)
        raise error

    queue._lend = broken  # type: ignore[method-assign]
    until(lambda: len(failures) > 5)
    send(queue, record, "after it")
    queue._lend = working  # type: ignore[method-assign]
    until(lambda: empty(queue))
    assert (ran, one.ended) == (["after it"], False)
    until(lambda: "The backend answers again." in caplog.text)
    assert caplog.text.count("Waiting for it; running commands continue.") == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fault_of_ours_ends_it_when_what_runs_has_ended(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    gates.update(slow=threading.Event())
    for _ in range(threads):
        send(queue, hold, "slow")
    one = rig(queue, threads=threads)
    until(lambda: ran == ["slow begins"] * threads)

    def broken(*_: Any) -> Any:
        raise TypeError("a fault of ours")

    monkeypatch.setattr(one.pump, "_collect", broken)
    send(queue, record, "not begun")
    until(lambda: one.pump.broken or threads == 1)
    assert not one.ended
    gates["slow"].set()
    until(lambda: one.ended)
    assert isinstance(one.error, TypeError)
    assert ran == ["slow begins"] * threads + ["slow ends"] * threads


# Over four methods


def put(queue: ListQueue, command: Any, *args: Any, **fields: Any) -> str:
    envelope = make_envelope(command, *args, queue=queue.name, **fields)
    ListQueue.lists[queue.name].append(envelope.data)
    return envelope.id


def test_four_methods_are_enough_to_run_retry_and_bury(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any]
) -> None:
    for number in range(5):
        put(four_methods, record, number)
    put(four_methods, fail_at_first, "x")
    dead = put(four_methods, refuse, "why")
    rig(four_methods, threads=2)
    until(lambda: ran.count("x") == 2 and len(ran) == 7 and four_methods.stats() == (0, 0, 0, 1, 0))
    assert [letter.id for letter in four_methods.dead_letters()] == [dead]


def test_over_four_methods_a_delayed_message_runs_when_it_is_due(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any]
) -> None:
    due = time.time() + 0.1
    put(four_methods, record, "early", eta=due)
    put(four_methods, record, "at once")
    rig(four_methods)
    until(lambda: len(ran) == 2)
    assert time.time() >= due
    assert ran == ["at once", "early"]


@pytest.mark.parametrize("threads", [1, 4])
def test_early_messages_do_not_make_it_spin(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any], threads: int
) -> None:
    for number in range(4):
        put(four_methods, record, number, eta=time.time() + 60)
    rig(four_methods, threads=threads, delay=0.05, max_delay=0.05)
    until(lambda: ListQueue.calls["write"] >= 4)
    began, before = time.monotonic(), ListQueue.calls["read"]
    until(lambda: time.monotonic() - began > 0.3)
    assert ListQueue.calls["read"] - before < 60
    assert ran == []


def test_only_as_many_are_popped_as_threads_are_idle(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    put(four_methods, hold, "slow")
    for number in range(3):
        put(four_methods, record, number)
    one = rig(four_methods)
    until(lambda: "slow begins" in ran)
    assert len(four_methods) == 3
    one.pump.stop()
    gates["slow"].set()
    until(lambda: one.ended)
    assert len(four_methods) == 3


@pytest.mark.parametrize("fails", [{"write": 1}, {"write": 3}, {"read": 2}, {"write": 1, "read": 3}])
def test_over_four_methods_an_outage_loses_nothing_and_doubles_nothing(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any], fails: dict[str, int]
) -> None:
    for number in range(10):
        put(four_methods, record, number)
    for name in "xyz":
        put(four_methods, fail_at_first, name)
    put(four_methods, refuse, "why")
    ListQueue.fails.update(fails)
    rig(four_methods, threads=3)
    until(lambda: len(ran) >= 16 and four_methods.stats() == (0, 0, 0, 1, 0))
    assert Counter(ran) == Counter(range(10)) + Counter("xyz" * 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_who_was_frozen_begins_nothing_that_others_may_have_by_now(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    for module in (pump_module, releasing):
        monkeypatch.setattr(module, "STUCK", 60.0)  # nothing is given back, as if the pump were also frozen
    gates.update(slow=threading.Event(), slow2=threading.Event())
    send(queue, hold, "slow")
    if threads > 1:
        send(queue, hold, "slow2")
    for number in range(3):
        send(queue, record, number)
    one = rig(queue, threads=threads, lease=0.2)
    until(lambda: len(one.threads.buffer) == 3)
    queue.reap(one.owner)
    until(lambda: one.threads.stale or not one.threads.buffer)
    gates["slow"].set()
    gates["slow2"].set()
    until(lambda: one.ended)
    assert set(ran).isdisjoint(range(3))
    assert queue.stats().ready >= 3


@pytest.mark.parametrize("threads", [1, 2])
def test_who_was_frozen_and_still_holds_its_messages_runs_them(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    for module in (pump_module, releasing):
        monkeypatch.setattr(module, "STUCK", 60.0)
    gates.update(slow=threading.Event(), slow2=threading.Event())
    send(queue, hold, "slow")
    if threads > 1:
        send(queue, hold, "slow2")
    for number in range(3):
        send(queue, record, number)
    one = rig(queue, threads=threads, lease=0.2)
    until(lambda: len(one.threads.buffer) == 3)
    until(lambda: one.threads.stale)
    gates["slow"].set()
    gates["slow2"].set()
    until(lambda: empty(queue))
    assert [one for one in ran if one in range(3)] == list(range(3))


class SlowQueue(FlakyQueue):
    """Takes longer to answer than half a lease."""

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        time.sleep(0.06)
        return super().receive(owner, count, done, 0.0)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_slow_network_is_no_reason_to_begin_nothing(rig: MakeRig, ran: list[Any], threads: int) -> None:
    queue, other = SlowQueue("slow"), SlowQueue("slow.other")
    for number in range(10):
        send(queue, record, number)
        send(other, record, number)
    rig(queue, other, threads=threads, lease=0.1)
    until(lambda: empty(queue) and empty(other))
    assert Counter(ran) == Counter(2 * list(range(10)))
