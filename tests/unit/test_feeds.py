"""Several queues in one consumer: in order, or by weights."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

import pytest

from djutils.queue.message import Batch
from djutils.queue.workers.feeds import Feeds
from djutils.queue.workers.options import ConsumerOptions

from .commands_for_tests import gates, hold, record
from .helpers import FlakyQueue, make_envelope, until
from .rig import MakeRig, empty, send


@pytest.fixture
def other(queue: FlakyQueue) -> FlakyQueue:
    return FlakyQueue(f"{queue.name}.other")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FlakyQueue, "batch", 5)


def fill(queue: FlakyQueue, value: str, count: int) -> None:
    queue.send([make_envelope(record, value, queue=queue.name) for _ in range(count)])


def test_without_weights_the_first_queue_comes_first(
    rig: MakeRig, queue: FlakyQueue, other: FlakyQueue, ran: list[Any]
) -> None:
    fill(other, "second", 100)
    fill(queue, "first", 100)
    rig(queue, other)
    until(lambda: empty(queue) and empty(other))
    assert ran == ["first"] * 100 + ["second"] * 100


def test_a_message_on_the_first_queue_overtakes_those_of_the_others(
    rig: MakeRig, queue: FlakyQueue, other: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    fill(other, "second", 20)
    send(other, hold, "slow")
    fill(other, "second", 500)
    rig(queue, other)
    until(lambda: "slow begins" in ran)
    fill(queue, "first", 1)
    gates["slow"].set()
    until(lambda: empty(queue) and empty(other))
    assert ran.index("first") < 100


@pytest.mark.parametrize("weights", [(4, 1), (1, 4), (1, 1)])
def test_by_weights_each_queue_gets_its_share(
    rig: MakeRig, queue: FlakyQueue, other: FlakyQueue, ran: list[Any], weights: tuple[int, int]
) -> None:
    fill(queue, "one", 500)
    fill(other, "two", 500)
    rig(queue, other, weights=weights)
    until(lambda: empty(queue) and empty(other))
    ours = ran[:250].count("one")
    assert abs(ours - 250 * weights[0] / sum(weights)) <= 2 * FlakyQueue.batch


def test_a_queue_that_was_empty_is_owed_nothing_for_it(
    rig: MakeRig, queue: FlakyQueue, other: FlakyQueue, ran: list[Any]
) -> None:
    gates.update(slow=threading.Event())
    fill(queue, "one", 500)
    send(queue, hold, "slow")
    fill(queue, "one", 300)
    rig(queue, other, weights=(1, 1))
    until(lambda: "slow begins" in ran)
    fill(other, "two", 300)
    gates["slow"].set()
    until(lambda: empty(queue) and empty(other))
    after = ran[ran.index("slow begins") :][:200]
    assert abs(after.count("one") - 100) <= 4 * FlakyQueue.batch


def test_a_queue_without_messages_leaves_its_share_to_the_others(
    rig: MakeRig, queue: FlakyQueue, other: FlakyQueue, ran: list[Any]
) -> None:
    fill(other, "two", 200)
    rig(queue, other, weights=(100, 1))
    until(lambda: empty(other))
    assert ran == ["two"] * 200


def test_by_default_queues_have_no_weights() -> None:
    assert ConsumerOptions(("a", "b")).weights == ()


def test_a_request_is_lost_with_its_own_connection_only(queue: FlakyQueue) -> None:
    class Prefetching(FlakyQueue):
        def prefetch(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch]:
            batch = self.receive(owner, count, done)
            return lambda: batch

    lending = Prefetching(queue.name)
    feeds = Feeds([lending.channel(1)])
    (feed,) = feeds
    feeds.open()
    fill(queue, "x", 2)
    assert feed.prefetch(1)

    mine = feeds.lead_through([lending.channel(1)])
    feeds.disconnect()
    assert feed.is_requested
    feeds.lead_through(mine)
    assert [len(feed.hear()), feed.is_requested] == [1, False]

    assert feed.prefetch(1)
    feeds.disconnect()
    assert not feed.is_requested
    feeds.join()
    assert len(feed.adopt()) == 1
