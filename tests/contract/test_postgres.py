from __future__ import annotations

import math

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.database_sql import watermark
from djutils.queue.message import Envelope, new_id
from djutils.testing.contract import LeasedQueueContract
from djutils.testing.contract_lines import until
from djutils.testing.contract_machine import ModelContract


class TestPostgres(LeasedQueueContract, ModelContract):
    prompt = False

    @pytest.fixture(autouse=True)
    def server(self, postgres_alias: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alias = postgres_alias
        # A busy machine would make it slow, and the order another.
        monkeypatch.setattr(watermark, "SLOW", math.inf)

    @pytest.fixture
    def slow(self, server: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watermark, "SLOW", 0.0)

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)

    def test_who_watches_the_queries_sees_many_calls_too(self, queue: DatabaseQueue) -> None:
        with CaptureQueriesContext(connections[self.alias]) as queries:
            self.send(queue, 3)
        assert ["INSERT" in query["sql"] for query in queries].count(True) == 1
        assert len(queue) == 3

    # When looking from the start has become slow, it begins where it found the last ones.

    @pytest.mark.usefixtures("slow")
    def test_what_was_given_back_behind_the_last_claim_is_lent_again(
        self, queue: DatabaseQueue, owner: int, other: int
    ) -> None:
        first, second, third = self.send(queue, 3)
        assert self.lend(queue, other, 1) == [first]
        assert self.lend(queue, owner, 1) == [second]
        queue.release(other, [first])

        assert set(self.lend(queue, owner, 10)) == {first, third}

    @pytest.mark.usefixtures("slow")
    def test_a_message_that_is_more_urgent_is_lent_first_wherever_the_last_claim_was(
        self, queue: DatabaseQueue, owner: int
    ) -> None:
        low = self.send(queue, 3, priority=-5)
        assert self.lend(queue, owner, 1) == low[:1]
        high, middle = self.send(queue, 1, priority=5), self.send(queue, 1)

        assert self.lend(queue, owner, 3) == [*high, *middle, low[1]]

    @pytest.mark.usefixtures("slow")
    def test_a_busy_consumer_comes_back_soon_to_what_was_given_back(
        self, queue: DatabaseQueue, owner: int, other: int
    ) -> None:
        first, *_ = self.send(queue, 1)
        assert self.lend(queue, other, 1) == [first]
        queue.send([Envelope(new_id(), b"data") for _ in range(2000)])
        assert self.lend(queue, owner, 1)
        queue.release(other, [first])

        assert until(lambda: first in self.lend(queue, owner, 1), "it was lent again")

    @pytest.mark.usefixtures("slow")
    def test_each_consumer_has_a_place_of_its_own(self, queue: DatabaseQueue, owner: int) -> None:
        ids = self.send(queue, 4)
        another, second = self.make_queue(queue.name), new_owner()
        another.enroll(second)

        assert self.lend(queue, owner, 2) == ids[:2]
        queue.release(owner, ids[:2])
        assert self.lend(another, second, 4) == ids
