from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext

from djutils.models import QueueLane, QueueMessage
from djutils.queue.backends.base import new_owner, own_alias
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.backends.database_sql import watermark
from djutils.queue.exceptions import BackendError
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Lane, Stats
from djutils.testing.contract import LaneContract
from djutils.testing.contract_fixtures import ids_of
from djutils.testing.contract_lanes import ONE, TWO
from djutils.testing.contract_machine import ModelContract
from djutils.testing.contract_queue import PATIENCE, until

from .frozen import FrozenContract
from .lane_races import LaneRaces
from .neighbours import EACH, NeighbourContract, connection_of


class TestPostgres(FrozenContract, NeighbourContract, ModelContract):
    prompt = False
    NUMBERS = f"generate_series(1, {EACH}) AS n"
    ANALYZE = "ANALYZE djutils_queuemessage, djutils_queuekey, djutils_queueworker"
    # Vacuumed, or the rows of the test before would be read once more.
    FORGET = (
        f"VACUUM {ANALYZE}",
        "UPDATE pg_class SET reltuples = 0 WHERE relkind = 'i' AND relname LIKE 'djutils%'",
    )

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

    def work(self, queue: DatabaseQueue) -> int:
        with connection_of(queue).cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT 1")
        with connections[self.alias].cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'djutils%')"
                " + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'djutils%')"
            )
            return int(cursor.fetchone()[0])

    def test_who_watches_the_queries_sees_many_calls_too(self, queue: DatabaseQueue) -> None:
        with CaptureQueriesContext(connections[self.alias]) as queries:
            self.send(queue, 3)
        assert ["INSERT" in query["sql"] for query in queries].count(True) == 1
        assert len(queue) == 3

    def test_a_consumer_frozen_with_an_unread_reply_locks_no_other_out(
        self, queue: DatabaseQueue, owner: int, other: int
    ) -> None:
        ids = self.send(queue, 3)
        frozen = self.make_queue(queue.name)
        frozen.open()
        answer = self.prefetch(frozen, owner, 10)

        until(lambda: queue.stats().leased == 3, "it was lent and committed")
        assert queue.reap(owner) == 3
        assert self.lend(queue, other) == ids
        assert ids_of(answer().deliveries) == ids
        frozen.close()

    def test_after_a_claim_that_failed_the_connection_goes_on(self, queue: DatabaseQueue, owner: int) -> None:
        ids = self.send(queue, 1)
        consumer = self.make_queue(queue.name)
        consumer.open()
        self.lend(consumer, owner, 0)
        before = connections[own_alias(self.alias)].connection
        answer = self.prefetch(consumer, 1 << 70, 1)
        with pytest.raises(BackendError):
            answer()

        assert self.lend(consumer, owner) == ids
        assert connections[own_alias(self.alias)].connection is before
        consumer.close()

    def test_the_claims_of_a_consumer_are_planned_once(self, queue: DatabaseQueue) -> None:
        self.send(queue, 3)
        consumer, owner = self.make_queue(queue.name), new_owner()
        consumer.open()
        consumer.enroll(owner)
        for _ in range(3):
            assert len(self.lend(consumer, owner, 1)) == 1

        with connections[own_alias(self.alias)].cursor() as cursor:
            cursor.execute(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
                " WHERE statement LIKE '%SKIP LOCKED%'"
            )
            assert cursor.fetchall() == [(3, 0)]
        consumer.close()

    # When searching from the start has become slow, a claim starts where it last found messages.

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
    def test_each_consumer_has_its_own_place(self, queue: DatabaseQueue, owner: int) -> None:
        ids = self.send(queue, 4)
        another, second = self.make_queue(queue.name), new_owner()
        another.enroll(second)

        assert self.lend(queue, owner, 2) == ids[:2]
        queue.release(owner, ids[:2])
        assert self.lend(another, second, 4) == ids


@pytest.mark.slow
class TestPostgresLanes(LaneRaces, LaneContract):
    @pytest.fixture(autouse=True)
    def server(self, postgres_alias: str) -> None:
        self.alias = postgres_alias

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)

    def test_an_arrival_counts_what_ended_while_it_waited_for_the_lane(
        self, queue: DatabaseQueue, owner: int
    ) -> None:
        ids = self.sent_to(TWO, queue, 3)
        first, _ = self.lend(queue, owner)

        self.while_it_waits(queue, first, lambda ours: self.sent_to(TWO, ours, 1))
        assert self.lend(queue, owner) == ids[2:]

    def test_an_end_counts_what_ended_while_it_waited_for_the_lane(
        self, queue: DatabaseQueue, owner: int
    ) -> None:
        ids = self.sent_to(TWO, queue, 4)
        first, second = self.lend(queue, owner)

        self.while_it_waits(queue, first, lambda ours: ours.settle_in_lanes(owner, [second]))
        assert self.lend(queue, owner) == ids[2:]

    def sent_to(self, lane: Lane, queue: DatabaseQueue, count: int) -> list[str]:
        ids = [new_id() for _ in range(count)]
        queue.send_in_lanes([(Envelope(id, b"data"), lane) for id in ids])
        return ids

    def while_it_waits(self, queue: DatabaseQueue, id: str, act: Callable[[DatabaseQueue], object]) -> None:
        """Let another connection wait for all lanes in ``act``, and meanwhile end the message ``id`` and admit none for it."""

        def waiting() -> None:
            act(self.make_queue(queue.name))
            connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic(using=self.alias), connections[self.alias].cursor() as cursor:
                assert QueueLane.objects.using(self.alias).select_for_update().in_bulk()
                other = pool.submit(waiting)
                until(lambda: self.is_one_waiting(cursor), "it waited for the lane")
                QueueMessage.objects.using(self.alias).filter(message_id=id).delete()
            other.result(PATIENCE)

    def is_one_waiting(self, cursor: CursorWrapper) -> bool:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])

    def test_ends_and_admissions_in_many_lanes_are_one_round_trip(
        self, queue: DatabaseQueue, owner: int, tmp_path: Path
    ) -> None:
        lanes = [Lane(f"lane {number}") for number in range(20)]
        for _ in range(2):
            queue.send_in_lanes([(Envelope(new_id(), b"data"), lane) for lane in lanes])
        lent = self.lend(queue, owner)

        with self.one_round_trip(queue, tmp_path):
            assert queue.settle_in_lanes(owner, lent) == set(lent)
        assert queue.stats() == Stats(ready=20)
        with self.one_round_trip(queue, tmp_path):
            assert queue.admit([lane.name for lane in lanes]) == 0

    @contextmanager
    def one_round_trip(self, queue: DatabaseQueue, folder: Path) -> Iterator[None]:
        driver = connection_of(queue).connection.pgconn
        with (folder / "messages").open("w+") as messages:
            driver.trace(messages.fileno())
            yield
            driver.untrace()
            messages.seek(0)
            assert messages.read().count("ReadyForQuery") == 1

    def test_an_end_passes_over_what_other_hands_have_deleted(self, queue: DatabaseQueue, owner: int) -> None:
        first, second, third = self.sent_to(ONE, queue, 3)
        assert self.lend(queue, owner) == [first]
        QueueMessage.objects.using(self.alias).filter(message_id=second).delete()

        assert queue.settle_in_lanes(owner, [first]) == {first}
        assert self.lend(queue, owner) == [third]
