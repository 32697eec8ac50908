"""Lanes on PostgreSQL: what is admitted is chosen and moved by one statement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueMessage

from .lane_statements import AHEAD, LaneStatements, LockedLane


class PostgresLanes(LaneStatements):
    """The statements for PostgreSQL."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        sequence = connection.ops.quote_name(f"{QueueMessage._meta.db_table}_id_seq")
        self._remove_sql = (
            f"WITH gone AS (DELETE FROM {self.messages} WHERE message_id = ANY(%(ids)s::varchar[]) AND owner = %(owner)s "
            f"RETURNING message_id), left_lane AS (DELETE FROM {self.entries} e USING gone "
            f"WHERE e.message_id = gone.message_id) SELECT message_id FROM gone"
        )
        self._admit_sql = _admit_statement(self, f"'{sequence}'")

    def begin(self, connection: BaseDatabaseWrapper, cursor: Any) -> None:
        # Nothing was read yet, so this is allowed. At any other level the count would not see what the lock waited for.
        if getattr(connection, "isolation_level", None) not in {None, 1}:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def remove(self, cursor: Any, owner: int, ids: Collection[str]) -> set[str]:
        cursor.execute(self._remove_sql, {"owner": owner, "ids": list(ids)})
        return {id for (id,) in cursor.fetchall()}

    def admit(self, cursor: Any, queue: str, lanes: Sequence[LockedLane]) -> int:
        total = 0
        names = [lane.name for lane in lanes]
        while names:
            cursor.execute(self._admit_sql, {"queue": queue, "names": names, "ahead": AHEAD})
            ((chosen, moved),) = cursor.fetchall()
            total += moved
            # Other hands had deleted some of them: there is room for others.
            if chosen == moved:
                break
        return total


def _admit_statement(lanes: LaneStatements, sequence: str) -> str:
    """Return the statement that admits what there is room for in locked lanes, to the end of the line.

    The numbers are drawn in the order in which each lane's first comes before any lane's second.
    """
    e, m, t = lanes.entries, lanes.messages, lanes.lanes
    return (
        f"WITH clock AS MATERIALIZED (SELECT {lanes.now} * 1000 AS now), "
        f"lane AS MATERIALIZED (SELECT l.id, l.name, l.pace, l.burst, l.admitted, clock.now, "
        f"greatest(l.admitted, clock.now) AS base, CASE WHEN l.pace > 0 THEN greatest(0, l.burst + "
        f"floor((clock.now + %(ahead)s - greatest(l.admitted, clock.now))::numeric / l.pace)::bigint) END AS let_in, "
        f"l.width - (SELECT count(*) FROM (SELECT 1 FROM {e} s JOIN {lanes.alive} WHERE s.queue = l.queue "
        f"AND s.state = 1 AND s.lane = l.name LIMIT l.width) AS held) AS room "
        f"FROM {t} l, clock WHERE l.queue = %(queue)s AND l.name = ANY(%(names)s)), "
        f"chosen AS MATERIALIZED (SELECT lane.id AS lane_id, lane.now, w.id, w.message_id, w.number, "
        f"lane.base + (w.number - lane.burst) * lane.pace AS turn FROM lane CROSS JOIN LATERAL ("
        f"SELECT first.id, first.message_id, row_number() OVER (ORDER BY first.prio_rank, first.id) AS number FROM ("
        f"SELECT id, message_id, prio_rank FROM {e} WHERE queue = %(queue)s AND state = 0 AND lane = lane.name "
        f"ORDER BY prio_rank, id LIMIT greatest(0, least(lane.room, lane.let_in))) AS first) AS w), "
        f"placed AS MATERIALIZED (SELECT *, nextval({sequence}) AS place "
        f"FROM (SELECT * FROM chosen ORDER BY number, id) AS sorted), "
        f"entered AS (UPDATE {e} e SET state = 1, due = NULL FROM placed WHERE e.id = placed.id), "
        f"moved AS (UPDATE {m} m SET id = placed.place, state = CASE WHEN placed.turn > placed.now THEN 1 ELSE 0 END, "
        f"due = CASE WHEN placed.turn > placed.now THEN (placed.turn + 999) / 1000 END "
        f"FROM placed WHERE m.message_id = placed.message_id AND m.state = 4 RETURNING 1), "
        f"paced AS (UPDATE {t} l SET admitted = new.admitted, opens = CASE WHEN new.count >= new.let_in "
        f"THEN (greatest(new.admitted, new.now) + (1 - new.burst) * new.pace - %(ahead)s + 999) / 1000 END "
        f"FROM (SELECT lane.id, lane.pace, lane.burst, lane.let_in, lane.now, c.count, "
        f"CASE WHEN c.count > 0 THEN lane.base + c.count * lane.pace ELSE lane.admitted END AS admitted "
        f"FROM lane, LATERAL (SELECT count(*) AS count FROM chosen WHERE chosen.lane_id = lane.id) AS c "
        f"WHERE lane.pace > 0) AS new WHERE l.id = new.id) "
        f"SELECT (SELECT count(*) FROM chosen), (SELECT count(*) FROM moved)"
    )
