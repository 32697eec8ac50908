"""Messages in other queues cost a queue nothing: every statement has an index that starts with its conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import get_args

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueKey, QueueMessage, QueueWorker, State
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Retrial, StateName
from djutils.testing.contract import LeasedQueueContract
from tests.contract.lane_costs import EACH, LaneCosts

MOST = EACH // 5
"""How much a call may read: rows and index entries, or steps of SQLite's virtual machine."""
QUEUES = 5
"""How many other queues: with only one, a planner would consider its name useless."""
ABANDONED = "abandoned-"
STRANGER = 7
"""The owner of what is lent in the first one; the others follow."""


class NeighbourContract(LaneCosts, LeasedQueueContract):
    """For a queue in the database ``alias``."""

    FORGET: tuple[str, ...] = ()
    """Statements that make the server believe the indexes were empty."""

    @pytest.fixture
    def neighbours(self, server: None) -> Iterator[None]:
        connection = connections[self.alias]
        for number in range(QUEUES):
            QueueWorker.objects.using(self.alias).create(
                owner=STRANGER + number, queue=f"{ABANDONED}{number}"
            )
        columns = "message_id, queue, message, state, due, died, owner"
        with connection.cursor() as cursor:
            for state in State:
                owner = f"{STRANGER} + n % {QUEUES}" if state == State.LEASED else "NULL"
                cursor.execute(
                    f"INSERT INTO djutils_queuemessage ({columns}) SELECT {self.text(f'{state:d}-')}, "
                    f"{self.text(ABANDONED, f'(n % {QUEUES})')}, 'x', {state:d}, 1, 1, {owner} FROM {self.NUMBERS}"
                )
            cursor.execute(
                f"INSERT INTO djutils_queuekey ({connection.ops.quote_name('key')}, value, expires) "
                f"SELECT {self.text('key-')}, 'x', 99999999999999 FROM {self.NUMBERS}"
            )
        yield
        QueueMessage.objects.using(self.alias).filter(queue__startswith=ABANDONED).delete()
        QueueKey.objects.using(self.alias).filter(key__startswith="key-").delete()
        QueueWorker.objects.using(self.alias).filter(queue__startswith=ABANDONED).delete()

    def text(self, prefix: str, number: str = "n") -> str:
        return f"'{prefix}' || {number}"

    @pytest.mark.parametrize("owner", [12, None], ids=["deleted", "none"])
    def test_what_an_operator_has_left_without_an_owner_is_swept_up(
        self, queue: DatabaseQueue, owner: int | None
    ) -> None:
        first, second = new_owner(), new_owner()
        queue.enroll(first)
        queue.enroll(second)
        ids = [new_id() for _ in range(4)]
        queue.send([Envelope(id, b"data") for id in ids])
        queue.receive(first, 2)
        queue.receive(second, 1)
        held = QueueMessage.objects.using(self.alias).filter(queue=queue.name, owner=first)
        held.update(owner=owner)

        assert queue.sweep() == 2
        assert queue.sweep() == 0

        assert queue.held(second, ids) == {ids[2]}
        again = queue.receive(second, 10).deliveries
        assert [(one.id, one.redeliveries) for one in again] == [(ids[0], 1), (ids[1], 1), (ids[3], 0)]
        for one in (first, second):
            queue.reap(one)

    @pytest.mark.parametrize("owner", [12, None], ids=["deleted", "none"])
    def test_what_is_lent_to_no_enrolled_owner_is_counted_and_shown(
        self, queue: DatabaseQueue, owner: int | None
    ) -> None:
        first, second = new_owner(), new_owner()
        queue.enroll(first)
        queue.enroll(second)
        ids = [new_id() for _ in range(3)]
        queue.send([Envelope(id, b"data") for id in ids])
        queue.receive(first, 2)
        queue.receive(second, 1)
        QueueMessage.objects.using(self.alias).filter(queue=queue.name, owner=first).update(owner=owner)
        QueueWorker.objects.using(self.alias).filter(owner=first).delete()

        if owner:  # no index finds, and so no statistic counts on every database, what names no owner at all
            assert queue.stats().leased == 3
        assert [one.id for one in queue.peek("leased")] == ids
        assert {one.id for one in queue.find("", count=10)} == set(ids)

        queue.reap(second)

    def test_a_flush_forgets_what_is_lent_to_an_owner_that_was_deleted(self, queue: DatabaseQueue) -> None:
        owner = new_owner()
        queue.enroll(owner)
        queue.send([Envelope(new_id(), b"data")])
        queue.receive(owner, 1)
        QueueWorker.objects.using(self.alias).filter(owner=owner).delete()

        queue.flush()

        assert queue.sweep() == 0
        assert not QueueMessage.objects.using(self.alias).filter(queue=queue.name).exists()

    @pytest.mark.slow
    @pytest.mark.usefixtures("neighbours")
    @pytest.mark.parametrize("opened", [True, False], ids=["a consumer", "a producer"])
    def test_what_lies_in_other_queues_costs_nothing(self, queue: DatabaseQueue, opened: bool) -> None:
        if opened:
            queue.open()
        with connections[self.alias].cursor() as cursor:
            for statement in self.FORGET:
                cursor.execute(statement)
        costs = dict(self.costs(queue))
        with connections[self.alias].cursor() as cursor:
            cursor.execute(self.ANALYZE)
        costs |= {f"{call}, analyzed": cost for call, cost in self.costs(queue)}

        # Done once and by hand, a flush may look at all that is lent.
        dear = {call: cost for call, cost in costs.items() if cost > MOST + EACH * call.startswith("flush")}
        assert not dear, dear

    def costs(self, queue: DatabaseQueue) -> Iterator[tuple[str, int]]:
        """Each call, and what it read."""
        owner = new_owner()
        queue.enroll(owner)
        ids = [new_id() for _ in range(20)]
        for call, act in self.calls(queue, owner, ids).items():
            queue._swept = float("-inf")
            before = self.work(queue)
            act()
            yield call, self.work(queue) - before
        queue.reap(owner)
        queue.flush()

    @staticmethod
    def calls(queue: DatabaseQueue, owner: int, ids: list[str]) -> dict[str, Callable[[], object]]:
        return {
            "look": lambda: (queue.receive(owner, 10), queue.receive(owner, 10)),
            "send": lambda: queue.send([Envelope(id, b"data") for id in ids[:15]]),
            "send later": lambda: queue.send([Envelope(id, b"data", delay=0.001) for id in ids[15:]]),
            "send once": lambda: queue.send_once(ids[0], Envelope(ids[0], b"data")),
            "store": lambda: use_store(queue, ids),
            "stats": queue.stats,
            "length": lambda: len(queue),
            "promote": queue._promote,
            "claim": lambda: queue.receive(owner, 19),
            "sweep": lambda: queue.sweep() if queue._own else 0,  # only consumers do
            "held": lambda: queue.held(owner, ids),
            "adopt": lambda: queue.adopt(owner, ids),
            "beat": lambda: (queue.beat([owner]), queue.owners()),
            "ack": lambda: queue.ack(owner, ids[:2]),
            "ack and claim": lambda: queue.receive(owner, 0, ids[2:4]),
            "release": lambda: queue.release(owner, ids[4:6]),
            "retry": lambda: queue.retry(owner, [Retrial(id, 60.0, "again") for id in ids[6:8]]),
            "reject": lambda: queue.reject(owner, [Rejection(id, "no") for id in ids[8:14]]),
            "peek": lambda: turn_pages(queue),
            "find": lambda: (queue.find(ids[6]), queue.find(ids[8][:20]), queue.find("f" * 32)),
            "find by what many ids begin with": lambda: queue.find("0"),
            "oldest": queue.oldest,
            "dead letters": queue.dead_letters,
            "dead letters by id": lambda: queue.dead_letters(ids),
            "dead ids": lambda: queue.dead_ids(ids[8][:20]),
            "replay": lambda: (queue.replay(ids[8:9]), queue.replay(ids[9:10])),
            "discard by id": lambda: queue.discard(ids[10:11]),
            "discard": queue.discard,
            "read": queue.read,
            "reap": lambda: queue.reap(owner, running={ids[14]: "signal 9"}),
            "flush": queue.flush,
        }


def turn_pages(queue: DatabaseQueue) -> None:
    """Look at two pages of each state, from either end; the second one is not full. Nothing waits in lanes here."""
    for state in get_args(StateName):
        if state == "waiting":
            assert queue.peek(state) == queue.lanes() == []
            continue
        for newest in (False, True):
            first = queue.peek(state, newest=newest, count=1)
            queue.peek(state, newest=newest, after=first[0].place, count=100)


def use_store(queue: DatabaseQueue, ids: list[str]) -> None:
    """Call every method of the store beside ``queue``."""
    store = queue.store
    store.set(dict.fromkeys(ids, b"value"), 60.0)
    store.add(ids[0], b"value", 60.0)
    store.increment(queue.name, 1, 60.0)
    store.get(ids)
    store.remove_expired(100)
    store.delete([*ids, queue.name])


def connection_of(queue: DatabaseQueue) -> BaseDatabaseWrapper:
    """The connection that ``queue`` uses."""
    with queue._database() as connection:
        connection.ensure_connection()
        return connection
