"""The pump of a worker process whose queues are paused and resumed."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

import pytest

from djutils.queue.message import Batch
from djutils.queue.stores.memory_store import MemoryStore
from djutils.queue.workers.switches import OPEN, PAUSED, UNKNOWN

from .commands_for_tests import gates, hold, record
from .helpers import FlakyQueue, ListQueue, make_envelope, until
from .rig import MakeRig, empty, send

EACH_RUNNER = pytest.mark.parametrize("places", [{}, {"threads": 3}, {"threads": 1, "coroutines": 3}])


@pytest.fixture
def other(queue: FlakyQueue) -> FlakyQueue:
    return FlakyQueue(f"{queue.name}.other")


def fill(queue: FlakyQueue, value: str, count: int) -> list[str]:
    envelopes = [make_envelope(record, value, queue=queue.name) for _ in range(count)]
    queue.send(envelopes)
    return [envelope.id for envelope in envelopes]


def settled_down(queue: FlakyQueue, ready: int) -> bool:
    return queue.stats() == (ready, 0, 0, 0, 0)


@pytest.fixture
def seconds() -> threading.Event:
    """Something to wait for in vain."""
    return threading.Event()


@EACH_RUNNER
@pytest.mark.parametrize("switch", [PAUSED, UNKNOWN])
def test_nothing_of_a_paused_queue_begins_and_nothing_of_one_of_which_that_is_unknown(
    rig: MakeRig,
    queue: FlakyQueue,
    ran: list[Any],
    places: dict[str, int],
    switch: int,
    seconds: threading.Event,
) -> None:
    fill(queue, "x", 3)
    worker = rig(queue, switch=switch, **places)
    until(worker.ready.is_set)
    seconds.wait(0.2)
    assert (ran, queue.calls["receive"]) == ([], 0)
    assert settled_down(queue, 3)

    worker.switches[0] = OPEN

    until(lambda: empty(queue))
    assert ran == ["x"] * 3


@EACH_RUNNER
def test_what_runs_ends_and_what_has_not_begun_goes_back_without_a_charge(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any], places: dict[str, int]
) -> None:
    gates.update({name: threading.Event() for name in ("a", "b", "c")})
    held = [send(queue, hold, name) for name in gates][: places.get("threads", 1)]
    rest = fill(queue, "x", 20)
    worker = rig(queue, **places)
    until(lambda: len(ran) == len(held))

    worker.switches[0] = PAUSED

    until(lambda: queue.stats().leased == len(held))
    for id in rest:
        (message,) = queue.find(id, 1)
        assert (message.state, message.attempts, message.crashes, message.redeliveries) == ("ready", 0, 0, 0)
    for gate in gates.values():
        gate.set()
    until(lambda: queue.stats().leased == 0)
    ended = sorted(one for one in ran if one.endswith("ends"))
    assert ended == [f"{name} ends" for name in "abc"[: len(held)]]
    assert "x" not in ran

    worker.switches[0] = OPEN
    until(lambda: empty(queue))
    assert ran.count("x") == 20


def test_commands_that_are_slower_than_expected_do_not_hold_up_a_pause(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    # Quick ones first, so that many are received at once; then each is just too quick to count as stuck.
    fill(queue, "quick", 2000)
    for number in range(100):
        gates[f"slow {number}"] = threading.Event()
        send(queue, hold, f"slow {number}")
    worker = rig(queue)
    until(lambda: "slow 0 begins" in ran)
    assert queue.stats().leased > 5

    worker.switches[0] = PAUSED
    number = 0
    while queue.stats().leased > 1:
        threading.Event().wait(0.1)
        gates[f"slow {number}"].set()
        number += 1
        until(lambda: f"slow {number} begins" in ran or queue.stats().leased == 0)  # noqa: B023  (called at once)

    assert number <= 5
    gates[f"slow {number}"].set()
    until(lambda: queue.stats().leased == 0)
    assert len([one for one in ran if "slow" in one and "begins" in one]) <= 6


class Waiting(FlakyQueue):
    """Its replies come when ``reply`` is set."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.reply = threading.Event()
        self.asked = threading.Event()

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        if count:
            self.asked.set()
            self.reply.wait(10)
        return super().receive(owner, count, done, wait)


def test_what_arrives_during_a_wait_that_began_before_the_pause_goes_back(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    waiting = Waiting(queue.name)
    fill(waiting, "x", 1)
    worker = rig(waiting)
    until(waiting.asked.is_set)

    worker.switches[0] = PAUSED
    waiting.reply.set()

    until(lambda: waiting.calls["release"] and settled_down(waiting, 1))
    assert ran == []
    worker.switches[0] = OPEN
    until(lambda: empty(waiting))
    assert ran == ["x"]


@pytest.mark.parametrize("weights", [(), (5, 1)])
@pytest.mark.parametrize("switch", [PAUSED, UNKNOWN])
def test_a_paused_queue_does_not_take_the_share_of_others(
    rig: MakeRig,
    queue: FlakyQueue,
    other: FlakyQueue,
    ran: list[Any],
    weights: tuple[int, ...],
    switch: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FlakyQueue, "batch", 5)
    monkeypatch.setattr(FlakyQueue, "blocking", False)
    fill(queue, "paused", 100)
    fill(other, "other", 100)
    gates["now"] = threading.Event()
    send(other, hold, "now")
    worker = rig(queue, other, weights=weights)
    until(lambda: "paused" in ran)

    worker.switches[0] = switch
    until(lambda: "now begins" in ran)
    gates["now"].set()

    until(lambda: empty(other))
    assert ran.count("other") == 100
    left = queue.stats().ready
    assert left + ran.count("paused") == 100
    worker.switches[0] = OPEN
    until(lambda: empty(queue))


def test_what_waits_beside_a_paused_queue_wakes_the_worker_and_the_paused_queue_does_not(
    rig: MakeRig, queue: FlakyQueue, other: FlakyQueue
) -> None:
    # Both are in the same place, and the last one is the one that waits for both.
    queue.beside, other.beside = [other.name], [queue.name]
    worker = rig(queue, other)
    until(worker.ready.is_set)
    worker.switches[1] = PAUSED

    until(lambda: queue.beside == [])

    worker.switches[1] = OPEN
    until(lambda: other.beside == [queue.name])


def test_a_paused_worker_keeps_its_lease_and_asks_no_more_than_that(
    rig: MakeRig, queue: FlakyQueue, seconds: threading.Event
) -> None:
    worker = rig(queue, switch=PAUSED, lease=600.0)
    until(worker.ready.is_set)
    seconds.wait(0.3)
    assert queue.calls["receive"] == 0

    lively = rig(queue, switch=PAUSED, lease=0.3)
    until(lambda: queue.calls["receive"] > 2)
    assert lively.error is None


def test_a_backend_that_fails_when_the_messages_go_back_gets_them_later(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    gates["a"] = threading.Event()
    send(queue, hold, "a")
    fill(queue, "x", 10)
    worker = rig(queue, threads=2)
    gates["b"] = threading.Event()
    until(lambda: "a begins" in ran and ran.count("x") == 10)
    for _ in range(2):
        send(queue, hold, "b")
    fill(queue, "y", 10)
    until(lambda: "b begins" in ran)
    queue.plan["release"] = ["before", "after", "before"]

    worker.switches[0] = PAUSED

    until(lambda: queue.stats().leased == 2)
    assert "y" not in ran
    gates["a"].set()
    gates["b"].set()
    until(lambda: settled_down(queue, 11))
    assert worker.error is None


class Keeping(ListQueue):
    """Four methods, and a store."""

    @property
    def store(self) -> MemoryStore:
        return MemoryStore(self.name)


def test_four_methods_are_paused_and_lose_nothing(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any]
) -> None:
    for number in range(10):
        four_methods.write(make_envelope(record, number, queue=four_methods.name).data)
    worker = rig(four_methods, switch=PAUSED)
    until(worker.ready.is_set)
    assert (ran, len(four_methods)) == ([], 10)

    worker.switches[0] = OPEN

    until(lambda: len(ran) == 10)
    assert ran == [*range(10)]


def test_a_worker_that_is_paused_stops_at_once(rig: MakeRig, queue: FlakyQueue) -> None:
    fill(queue, "x", 3)
    worker = rig(queue, switch=PAUSED, max_delay=60.0, delay=60.0)
    until(worker.ready.is_set)

    worker.end()

    assert settled_down(queue, 3)
    assert worker.error is None


@pytest.mark.slow
def test_a_worker_that_is_resumed_goes_on_soon_however_long_it_waits_otherwise(
    rig: MakeRig, queue: FlakyQueue, ran: list[Any]
) -> None:
    fill(queue, "x", 3)
    worker = rig(queue, switch=PAUSED, max_delay=60.0, delay=60.0, lease=600.0)
    until(worker.ready.is_set)

    worker.switches[0] = OPEN

    until(lambda: empty(queue))
    assert ran == ["x"] * 3
