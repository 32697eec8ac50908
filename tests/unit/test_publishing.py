"""The chore that publishes what runs for longer than a second, and hears what was cancelled."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from djutils.queue.cancelling import asked_key
from djutils.queue.ids import new_id
from djutils.queue.reading import running_key
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.board import Board, Slot
from djutils.queue.workers.chore import Guard, Stores
from djutils.queue.workers.crew import Crew
from djutils.queue.workers.maintainer import logger
from djutils.queue.workers.options import ConsumerOptions
from djutils.queue.workers.publishing import Publishing
from djutils.queue.workers.worker import Born

from .fading import FadingQueue

OWNER, NAME = 7, "unit"
AT_ONCE = 4000


class Consumer:
    """One worker process with its board, and the chore that looks at it."""

    def __init__(self) -> None:
        arena = Arena(1, AT_ONCE)
        self.board: Board = arena.boards[0]
        self.crew = Crew(arena)
        self.crew.join(Born({NAME: OWNER}, 0, self.board.begin_life()))
        queue = FadingQueue(NAME)
        self.store = queue.store
        self.stores = Stores(())
        self.stores.queues[NAME] = self.stores.leased[NAME] = queue
        self.chore = Publishing(self.stores, self.crew, ConsumerOptions((NAME,)))

    def begin(self, id: str, ago: float) -> Slot:
        slot = self.board.free.popleft()
        slot.start(0, id, time.monotonic() - ago)
        return slot

    def published(self) -> Any:
        """What is published of the process; None if nothing is."""
        found = self.store.get([running_key(OWNER)])
        return json.loads(found[running_key(OWNER)])[1] if found else None


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


def test_what_has_run_for_a_second_is_published_until_it_has_ended(consumer: Consumer) -> None:
    long, short = new_id(), new_id()
    slot = consumer.begin(long, 1.5)
    consumer.begin(short, 0.1)
    consumer.chore.do()
    assert consumer.published().keys() == {long}
    slot.finish(succeeded=True)
    consumer.chore.do()
    assert consumer.published() is None


def test_of_a_process_that_has_died_nothing_is_published_any_more(consumer: Consumer) -> None:
    consumer.begin(new_id(), 1.5)
    consumer.chore.do()
    consumer.crew.mark_dead({NAME: OWNER})
    consumer.chore.do()
    assert consumer.published() is None


def test_of_thousands_those_are_published_that_have_run_longest_and_each_can_be_cancelled(
    consumer: Consumer,
) -> None:
    ids = [new_id() for _ in range(AT_ONCE)]
    for number, id in enumerate(ids):
        consumer.begin(id, 2.0 + number).report(id, 2**63, 2**63, "\1" * 32)
    consumer.store.set({asked_key(ids[0]): b"ask"}, 60)

    consumer.chore.do()

    assert consumer.published().keys() == set(ids[-len(consumer.published()) :])
    assert [entry.id for entry in consumer.board.running() if entry.asked] == [ids[0]]


def test_a_store_that_is_down_ends_nothing_and_is_written_when_it_is_back(consumer: Consumer) -> None:
    guard = Guard(consumer.chore, consumer.stores, logger, longest_pause=0.01)
    id = new_id()
    consumer.begin(id, 1.5)
    consumer.store.down = True
    guard.do_if_due()
    assert consumer.published() is None
    assert not consumer.board.overdue(time.monotonic())
    assert guard.due_in() > 0

    consumer.store.down = False
    consumer.chore.do()

    assert consumer.published().keys() == {id}
