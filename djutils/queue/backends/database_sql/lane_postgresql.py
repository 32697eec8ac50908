"""Lanes on PostgreSQL: what is admitted is chosen and moved by one statement, and ends and admissions are one round trip."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueKey, QueueMessage

from .arrays import text_array
from .base import is_watched
from .lane_statements import AHEAD, Ended, LaneStatements, LockedLane
from .postgresql import undo_what_failed


class PostgresLanes(LaneStatements):
    """The statements for PostgreSQL."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        sequence = connection.ops.quote_name(f"{QueueMessage._meta.db_table}_id_seq")
        gone = f"DELETE FROM {self.messages} WHERE message_id = ANY(%(ids)s::varchar[]) AND owner = %(owner)s RETURNING message_id"
        self._remove_sql = (
            f"WITH gone AS ({gone}), left_lane AS (DELETE FROM {self.entries} e USING gone "
            f"WHERE e.message_id = gone.message_id) SELECT message_id FROM gone"
        )
        self._admit_sql = _admit_statement(self, f"'{sequence}'", "= ANY(%(names)s)")
        self._pipelines = hasattr(connection.Database, "Pipeline")  # type: ignore[attr-defined]  # psycopg 3
        # The statements of one round trip. What the first one waited for, the third one sees: they cannot be one.
        # An array, for which the planner uses the index of names: a join might look at every lane.
        lanes = f"SELECT lane FROM {self.entries} WHERE message_id = ANY(%(ids)s::varchar[])"
        their_lanes = f"= ANY(ARRAY({lanes}))"
        self._lock_sql = f"SELECT id FROM {self.lanes} WHERE queue = %(queue)s AND name {their_lanes} ORDER BY id{self.locking}"
        kept = connection.ops.quote_name(QueueKey._meta.db_table)
        self._end_sql = (
            f"WITH gone AS ({gone}) SELECT message_id, EXISTS "
            f"(SELECT 1 FROM {kept} WHERE key = %(awaited)s AND expires > {self.now}) FROM gone"
        )
        self._leave_and_admit_sql = _admit_statement(self, f"'{sequence}'", their_lanes, leaving=True)

    def begin(self, connection: BaseDatabaseWrapper, cursor: Any) -> None:
        # Nothing was read yet, so this is allowed. At any other level the count would not see what the lock waited for.
        if getattr(connection, "isolation_level", None) not in {None, 1}:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def remove(self, cursor: Any, owner: int, ids: Collection[str]) -> set[str]:
        cursor.execute(self._remove_sql, {"owner": owner, "ids": list(ids)})
        return {id for (id,) in cursor.fetchall()}

    def end(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, ids: Collection[str], awaited: str
    ) -> Ended:
        driver: Any = connection.Database  # type: ignore[attr-defined]
        if not self._pipelines or is_watched(connection) or not driver.Pipeline.is_supported():
            return super().end(connection, queue, owner, ids, awaited)
        connection.ensure_connection()
        raw = connection.connection
        params = {"queue": queue, "owner": owner, "ids": text_array(ids), "awaited": awaited, "ahead": AHEAD}
        with connection.wrap_database_errors, ExitStack() as stack:
            stack.callback(undo_what_failed, raw)
            gone, admitted = (stack.enter_context(driver.Cursor(raw)) for _ in range(2))
            with raw.pipeline():
                raw.execute("BEGIN ISOLATION LEVEL READ COMMITTED", prepare=True)
                gone.execute(self._lock_sql, params, prepare=True)
                gone.execute(self._end_sql, params, prepare=True)
                admitted.execute(self._leave_and_admit_sql, params, prepare=True)
                raw.execute("COMMIT", prepare=True)
            rows = gone.fetchall()
            ((chosen, moved, names),) = admitted.fetchall()
        return Ended(
            {id for id, _ in rows}, moved, any(told for _, told in rows), names if moved < chosen else ()
        )

    def admit(self, cursor: Any, queue: str, lanes: Sequence[LockedLane]) -> int:
        total = 0
        names = [lane.name for lane in lanes]
        while names:
            cursor.execute(self._admit_sql, {"queue": queue, "names": names, "ahead": AHEAD})
            ((chosen, moved, _),) = cursor.fetchall()
            total += moved
            # Other hands had deleted some of them: there is room for others.
            if chosen == moved:
                break
        return total


def _admit_statement(lanes: LaneStatements, sequence: str, within: str, leaving: bool = False) -> str:
    """Return the statement that admits what there is room for in locked lanes, whose names are ``within``, to the end of the line.

    The numbers are drawn in the order in which each lane's first comes before any lane's second. ``leaving``: it also
    forgets which of its ``ids`` are gone; only those that are not are counted.
    """
    e, m, t = lanes.entries, lanes.messages, lanes.lanes
    leave = (
        f"left_lane AS (DELETE FROM {e} e WHERE e.message_id = ANY(%(ids)s::varchar[]) "
        f"AND NOT EXISTS (SELECT 1 FROM {m} m WHERE m.message_id = e.message_id)), "
    )
    return (
        f"WITH clock AS MATERIALIZED (SELECT {lanes.now} * 1000 AS now), "
        f"lane AS MATERIALIZED (SELECT l.id, l.name, l.pace, l.burst, l.admitted, clock.now, "
        f"greatest(l.admitted, clock.now) AS base, CASE WHEN l.pace > 0 THEN greatest(0, l.burst + "
        f"floor((clock.now + %(ahead)s - greatest(l.admitted, clock.now))::numeric / l.pace)::bigint) END AS let_in, "
        f"l.width - (SELECT count(*) FROM (SELECT 1 FROM {e} s JOIN {lanes.alive} WHERE s.queue = l.queue "
        f"AND s.state = 1 AND s.lane = l.name LIMIT l.width) AS held) AS room "
        f"FROM {t} l, clock WHERE l.queue = %(queue)s AND l.name {within}), {leave if leaving else ''}"
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
        f"SELECT (SELECT count(*) FROM chosen), (SELECT count(*) FROM moved), ARRAY(SELECT name FROM lane)"
    )
