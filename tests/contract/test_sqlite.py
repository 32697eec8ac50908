from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.exceptions import BackendError
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Retrial
from djutils.testing.contract import LaneContract
from djutils.testing.contract_machine import ModelContract

from .lane_races import LaneRaces
from .neighbours import EACH, NeighbourContract, connection_of

STEPS = 100


SPOILT = [
    ("message_id", "CAST(x'ff42' AS TEXT)"),
    ("message_id", "x'0042'"),
    ("error", "CAST(x'ff41' AS TEXT)"),
    ("error", "x'41'"),
    ("attempts", "'many'"),
    ("message", "CAST(x'ff43' AS TEXT)"),
]
"""Columns of a message, and what no djutils writes into them."""


class TestSQLite(NeighbourContract, ModelContract):
    prompt = False
    NUMBERS = (
        f"(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {EACH})"
        f" SELECT n FROM numbers)"
    )
    ANALYZE = "ANALYZE"

    @pytest.fixture(autouse=True)
    def server(self, sqlite_alias: str) -> None:
        self.alias = sqlite_alias

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)

    @pytest.fixture(autouse=True)
    def steps(self) -> None:
        self.taken = 0

    def work(self, queue: DatabaseQueue) -> int:
        def step() -> None:
            self.taken += STEPS

        connection_of(queue).connection.set_progress_handler(step, STEPS)
        return self.taken

    def test_settling_waits_for_another_writer_whatever_the_transaction_mode(self) -> None:
        connection = connections[self.alias]
        connection.ensure_connection()
        connection.transaction_mode = None  # SQLite's own default, and Django's
        queue, owner, id = self.make_queue(), new_owner(), new_id()
        queue.open()
        queue.enroll(owner)
        queue.send([Envelope(id, b"data")])
        queue.receive(owner, 1)
        path = connection.settings_dict["NAME"]

        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute(
                "INSERT INTO djutils_queuekey (key, value, expires) VALUES ('another writer', '', 0)"
            )
            committing = threading.Timer(0.2, lambda: other.execute("COMMIT"))
            committing.start()

            assert queue.release(owner, [id]) == {id}
            committing.join()

    def test_who_watches_the_queries_sees_the_call(self, queue: DatabaseQueue) -> None:
        connection = connections[self.alias]
        seen: list[str] = []

        def watch(execute: Any, sql: str, *args: Any) -> Any:
            seen.append(sql)
            return execute(sql, *args)

        with CaptureQueriesContext(connection) as queries:
            queue.send([Envelope(new_id(), b"data")])
        with connection.execute_wrapper(watch):
            queue.send([Envelope(new_id(), b"data")])
        assert ["INSERT" in query["sql"] for query in queries] == [True]
        assert ["INSERT" in sql for sql in seen] == [True]
        assert len(queue) == 2

    def test_in_a_broken_transaction_nothing_is_sent(self, queue: DatabaseQueue) -> None:
        with transaction.atomic(using=self.alias):
            transaction.set_rollback(True, using=self.alias)
            with pytest.raises(BackendError, match="TransactionManagementError|atomic"):
                queue.send([Envelope(new_id(), b"data")])
        assert len(queue) == 0

    def spoil(self, id: str, column: str, value: str) -> None:
        """Write ``value``, an expression of SQL, into a column of the message ``id`` as another program may."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(f"UPDATE djutils_queuemessage SET {column} = {value} WHERE message_id = %s", [id])

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            *SPOILT,
            ("offers", "1.5"),
            ("message", "'text'"),
            ("prio_rank", "'first'"),
        ],
    )
    def test_a_row_that_another_program_has_spoilt_blocks_no_other(self, column: str, value: str) -> None:
        queue, owner = self.make_queue(f"spoilt-{new_id()}"), new_owner()
        ids = [new_id() for _ in range(3)]
        queue.send([Envelope(id, id.encode()) for id in ids])
        self.spoil(ids[0], column, value)
        queue.enroll(owner)

        deliveries = queue.receive(owner, 10).deliveries

        assert [delivery.id for delivery in deliveries][1:] == ids[1:]
        assert tuple(map(type, deliveries[0])) == (str, bytes, int, int, int, str, int)
        all_ids = [delivery.id for delivery in deliveries]
        assert queue.ack(owner, all_ids) == set(all_ids)
        queue.reap(owner, running={})

    def test_a_spoilt_row_of_the_lowest_priority_does_not_starve_its_others(self) -> None:
        queue, owner = self.make_queue(f"spoilt-{new_id()}"), new_owner()
        low = [new_id(), new_id()]
        queue.send([Envelope(id, b"data", priority=-1) for id in low])
        queue.send([Envelope(new_id(), b"data") for _ in range(100)])
        self.spoil(low[0], "attempts", "'many'")
        queue.enroll(owner)

        lent = [delivery.id for _ in range(3) for delivery in queue.receive(owner, 10).deliveries]

        assert [id for id in lent if id in low] == low
        queue.reap(owner, running={})

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            *SPOILT,
            ("error", "42"),
            ("died", "'long ago'"),
            ("died", "1e300"),
        ],
    )
    def test_a_dead_letter_that_another_program_has_spoilt_is_shown_with_the_others(
        self, column: str, value: str
    ) -> None:
        queue, owner = self.make_queue(f"spoilt-{new_id()}"), new_owner()
        queue.enroll(owner)
        ids = [new_id() for _ in range(3)]
        queue.send([Envelope(id, id.encode()) for id in ids])
        queue.receive(owner, 10)
        queue.reject(owner, [Rejection(id, "it failed") for id in ids])
        self.spoil(ids[0], column, value)

        letters = queue.dead_letters()
        by_id = queue.dead_letters(queue.dead_ids(""))

        assert {*ids[1:]} < {letter.id for letter in letters}
        assert {letter.id for letter in by_id} <= {letter.id for letter in letters}
        assert all((type(one.id), type(one.data), type(one.reason)) == (str, bytes, str) for one in letters)
        assert all(isinstance(one.attempts, int) for one in letters)
        assert queue.discard() == 3
        queue.reap(owner, running={})


class TestSQLiteLanes(LaneRaces, LaneContract):
    @pytest.fixture(autouse=True)
    def server(self, sqlite_alias: str) -> None:
        self.alias = sqlite_alias

    def make_queue(self, name: str = "contract") -> DatabaseQueue:
        return DatabaseQueue(name, self.alias)

    def test_messages_without_a_lane_touch_no_table_of_lanes(self, queue: DatabaseQueue) -> None:
        owner = new_owner()
        with CaptureQueriesContext(connections[self.alias]) as queries:
            queue.enroll(owner)
            ids = self.send(queue, 6) + self.send(queue, 1, delay=60.0)
            lent = self.lend(queue, owner, 5)
            queue.receive(owner, 1, done=lent[:1])
            queue.ack(owner, lent[1:2])
            queue.release(owner, lent[2:3])
            queue.retry(owner, [Retrial(lent[3], 0.0)])
            queue.reject(owner, [Rejection(lent[4], "it failed")])
            queue.reap(owner)

        assert len(ids) == 7
        assert not [query["sql"] for query in queries if "lane" in query["sql"]]
