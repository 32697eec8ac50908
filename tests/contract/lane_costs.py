"""A page of what waits in lanes costs a page, however much waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from django.db import connections

from djutils.models import LaneState, QueueLaneMessage, QueueMessage, State
from djutils.queue.backends.database import DatabaseQueue

EACH = 100_000
LANES = 20_000
PAGE = 20
MOST = 8_000
"""How much a page may read: rows and index entries, or steps of SQLite's virtual machine."""


class LaneCosts:
    """For a queue in the database ``alias``."""

    alias: str
    NUMBERS: str
    """A subquery for the numbers ``n`` from 1 to ``EACH``."""
    ANALYZE: str

    def work(self, queue: DatabaseQueue) -> int:
        """Return how much the database has read so far for ``queue``."""
        raise NotImplementedError

    def text(self, prefix: str, number: str = "n") -> str:
        """Return the expression for ``prefix`` and a number."""
        raise NotImplementedError

    def fill(self, queue: DatabaseQueue) -> None:
        """Put a hundred thousand messages into lanes, of which the first of each lane is admitted."""
        with connections[self.alias].cursor() as cursor:
            for table, columns, values, states in (
                (QueueMessage, "message", "'x'", (State.READY, State.WAITING)),
                (
                    QueueLaneMessage,
                    "lane, width, ordered, pace, burst",
                    f"{self.text('lane-', f'(n % {LANES})')}, 1, 0, 0, 1",
                    (LaneState.ADMITTED, LaneState.WAITING),
                ),
            ):
                cursor.execute(
                    f"INSERT INTO {table._meta.db_table} (message_id, queue, state, {columns}) "
                    f"SELECT {self.text('costs-')}, '{queue.name}', "
                    f"CASE WHEN n <= {LANES} THEN {states[0]:d} ELSE {states[1]:d} END, {values} FROM {self.NUMBERS}"
                )
            cursor.execute(self.ANALYZE)

    def costs_of_pages(self, queue: DatabaseQueue) -> Iterator[tuple[str, int]]:
        """Yield each call, and what it read."""
        for newest, lane in product((False, True), (None, "lane-700")):
            after = ""
            for number in range(2):
                before = self.work(queue)
                page = queue.peek(
                    "waiting", newest=newest, lane=lane, count=PAGE if lane is None else 2, after=after
                )
                yield f"page {number}, newest={newest}, lane={lane}", self.work(queue) - before
                after = page[-1].place
        for name in ("", "lane-1234"):
            before = self.work(queue)
            assert len(queue.lanes(count=PAGE, after=name)) == PAGE
            yield f"lanes after '{name}'", self.work(queue) - before

    def test_a_page_of_what_waits_in_lanes_costs_a_page(self, queue: DatabaseQueue) -> None:
        try:
            self.fill(queue)
            costs = dict(self.costs_of_pages(queue))
            assert not {call: cost for call, cost in costs.items() if cost > MOST}, costs
        finally:
            QueueLaneMessage.objects.using(self.alias).filter(queue=queue.name).delete()
            QueueMessage.objects.using(self.alias).filter(queue=queue.name).delete()
