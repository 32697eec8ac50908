"""The pump over a backend that lends the next batch while the last one is run."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import pytest

from djutils.queue.message import Batch
from djutils.queue.workers.board import Report
from djutils.queue.workers.pace import BUDGET

from .commands_for_tests import gates, hold, record, spin
from .helpers import FlakyQueue, make_envelope, until
from .rig import MakeRig, empty, send


class PrefetchingQueue(FlakyQueue):
    """Carries out what it is asked at once. ``plan["answer"]``: "after", its reply is lost."""

    batch = 10
    asked = False

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self.asks: list[tuple[int, int]] = []
        """How many each asked for, and how many it was lent."""

    def prefetch(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch]:
        def receive() -> Batch:
            return super(FlakyQueue, self).receive(owner, count, done)

        batch = self._through("prefetch", receive)
        self.asked = True
        self.asks.append((count, len(batch.deliveries)))

        def answer() -> Batch:
            self.asked = False
            return self._through("answer", lambda: batch)

        return answer

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        assert not self.asked, "nothing may be asked in between"
        return super().receive(owner, count, done, wait)


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> PrefetchingQueue:
    return PrefetchingQueue(f"prefetching-{request.node.name}")


def fill(queue: PrefetchingQueue, count: int = 200) -> None:
    queue.send([make_envelope(record, number, queue=queue.name) for number in range(count)])


def test_batches_that_were_asked_for_run_in_order_and_are_acked(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any]
) -> None:
    fill(queue)
    one = rig(queue)
    until(lambda: empty(queue))
    assert ran == list(range(200))
    assert queue.calls["prefetch"] == queue.calls["answer"] > 10
    one.end()
    assert one.board.report() == Report({}, {})
    assert queue.owners() == {}


@pytest.mark.parametrize(
    ("method", "mode"),
    [("prefetch", "before"), ("prefetch", "after"), ("answer", "before"), ("answer", "after")],
)
def test_after_an_outage_while_it_was_asked_nothing_is_lost_and_nothing_doubled(
    rig: MakeRig,
    queue: PrefetchingQueue,
    ran: list[Any],
    caplog: pytest.LogCaptureFixture,
    method: str,
    mode: str,
) -> None:
    caplog.set_level(logging.INFO, "djutils.queue")
    fill(queue)
    queue.plan[method] = ["", "", mode, "", mode]
    one = rig(queue)
    until(lambda: empty(queue))
    assert Counter(ran) == Counter(range(200))
    assert "already been taken back" not in caplog.text
    one.end()
    assert one.board.report() == Report({}, {})


def test_what_was_asked_for_goes_back_when_a_command_turns_out_to_be_slow(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    fill(queue, 95)
    send(queue, hold, "slow")
    fill(queue, 50)
    rig(queue)
    until(lambda: "slow begins" in ran)
    until(lambda: queue.stats().leased == 1)
    rig(queue)
    until(lambda: len(ran) == 95 + 1 + 50)
    gates["slow"].set()
    until(lambda: empty(queue))


def test_asked_to_stop_it_gives_back_what_it_had_asked_for(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any]
) -> None:
    fill(queue, 2000)
    one = rig(queue)
    until(lambda: queue.calls["prefetch"] > 3)
    one.end()
    assert queue.stats().leased == 0
    assert len(ran) + queue.stats().ready == 2000
    assert ran == list(range(len(ran)))


def test_who_was_taken_for_dead_meanwhile_hears_of_it_and_drops_what_it_had(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    gates.update(slow=threading.Event())
    fill(queue, 95)
    send(queue, hold, "slow")
    one = rig(queue)
    until(lambda: "slow begins" in ran)
    queue.reap(one.owner)
    gates["slow"].set()
    until(lambda: one.ended)
    assert "were reassigned" in caplog.text
    rig(queue)
    until(lambda: empty(queue))
    assert set(ran) >= set(range(95))


def test_a_batch_that_is_not_full_is_the_last_one_asked_for(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any]
) -> None:
    fill(queue, 25)
    rig(queue)
    until(lambda: empty(queue))
    assert queue.calls["prefetch"] == queue.calls["answer"]
    assert all(lent == wanted for wanted, lent in queue.asks[:-1])


def test_of_longer_commands_half_of_the_budget_is_asked_for_while_the_others_run(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any]
) -> None:
    queue.batch = 100
    for _ in range(100):
        send(queue, spin, 0.002)
    rig(queue)
    until(lambda: empty(queue))
    assert queue.calls["prefetch"] > 5
    assert max(wanted for wanted, _ in queue.asks) <= BUDGET / 0.002 / 2


def test_of_several_queues_the_one_with_plenty_lends_ahead(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any]
) -> None:
    other = PrefetchingQueue(f"{queue.name}.other")
    fill(other)
    one = rig(queue, other)
    until(lambda: empty(other))
    assert ran == list(range(200))
    assert queue.calls["prefetch"] == 0
    assert other.calls["prefetch"] > 5
    one.end()
    assert one.board.report() == Report({}, {})
    assert (queue.owners(), other.owners()) == ({}, {})


@pytest.mark.parametrize(
    ("method", "mode"), [("prefetch", "after"), ("answer", "before"), ("receive", "after")]
)
def test_after_an_outage_of_one_of_several_queues_nothing_is_lost_and_nothing_doubled(
    rig: MakeRig, queue: PrefetchingQueue, ran: list[Any], method: str, mode: str
) -> None:
    other = PrefetchingQueue(f"{queue.name}.other")
    fill(other)
    for failing in (queue, other):
        failing.plan[method] = ["", "", mode, "", mode]
    one = rig(queue, other)
    until(lambda: empty(other))
    assert Counter(ran) == Counter(range(200))
    one.end()
    assert one.board.report() == Report({}, {})
