"""Lanes on PostgreSQL: what is admitted is chosen and moved by one statement, and ends and admissions are one round trip."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueKey, QueueMessage
from djutils.queue.backends.lanes import microseconds
from djutils.queue.message import Lane

from .arrays import number_array, text_array
from .base import is_watched
from .lane_rows import AHEAD, Ended, LockedLane
from .lane_statements import LaneStatements
from .postgresql import undo_what_failed

_LOCKED = "djutils.lanes"
"""The setting in which a transaction notes which lanes it has locked."""


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
        self._admit_sql = _admit_statement(self, f"'{sequence}'", "name = ANY(%(names)s)")
        # The statements of one round trip. What the first one waited for, the last one sees: they cannot be one.
        # An array, for which the planner uses the index of names: a join might look at every lane.
        lanes = f"SELECT lane FROM {self.entries} WHERE message_id = ANY(%(ids)s::varchar[])"
        self._lock_lanes_of_sql = self._locked(f"ARRAY({lanes})")
        self._lock_sql = self._locked("%(names)s::varchar[]")
        # Not by their names: a lane that has been made meanwhile is not locked.
        locked = f"id = ANY(current_setting('{_LOCKED}')::bigint[])"
        self._admit_to_locked_sql = _admit_statement(self, f"'{sequence}'", locked)
        self._leave_and_admit_sql = _admit_statement(self, f"'{sequence}'", locked, leaving=True)
        self._change_sql = (
            f"UPDATE {self.lanes} l SET width = r.width, pace = r.pace, burst = r.burst "
            f"FROM unnest(%(changed)s::varchar[], %(widths)s::int[], %(paces)s::bigint[], %(bursts)s::int[]) "
            f"AS r (name, width, pace, burst) WHERE l.{locked} AND l.name = r.name "
            f"AND (l.width, l.pace, l.burst) <> (r.width, r.pace, r.burst)"
        )
        kept = connection.ops.quote_name(QueueKey._meta.db_table)
        self._end_sql = (
            f"WITH gone AS ({gone}) SELECT message_id, EXISTS "
            f"(SELECT 1 FROM {kept} WHERE key = %(awaited)s AND expires > {self.now}) FROM gone"
        )

    def _locked(self, names: str) -> str:
        """Return the statement that locks the lanes with these names, and notes which for those after it in the transaction."""
        return (
            f"WITH locked AS MATERIALIZED (SELECT id, name FROM {self.lanes} WHERE queue = %(queue)s "
            f"AND name = ANY({names}) ORDER BY id{self.locking}) "
            f"SELECT set_config('{_LOCKED}', coalesce(array_agg(id), '{{}}')::text, true), array_agg(name) FROM locked"
        )

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
        if not self._is_direct(connection):
            return super().end(connection, queue, owner, ids, awaited)
        params = {"queue": queue, "owner": owner, "ids": text_array(ids), "awaited": awaited, "ahead": AHEAD}
        statements = self._lock_lanes_of_sql, self._end_sql, self._leave_and_admit_sql
        _, gone, ((chosen, moved, names),) = self._together(connection, statements, params)
        told = any(told for _, told in gone)
        return Ended({id for id, _ in gone}, moved, told, names if moved < chosen else ())

    def admit_to(
        self, connection: BaseDatabaseWrapper, queue: str, rules: Mapping[str, Lane | None]
    ) -> tuple[int, Collection[str]]:
        # Its own transaction within another one would be a savepoint.
        if connection.in_atomic_block or not (connection.get_autocommit() and self._is_direct(connection)):
            return super().admit_to(connection, queue, rules)
        known = [rule for rule in rules.values() if rule is not None]
        params = {
            "queue": queue,
            "names": text_array(rules),
            "ahead": AHEAD,
            "changed": text_array([rule.name for rule in known]),
            "widths": number_array(rule.width for rule in known),
            "paces": number_array(microseconds(rule.pace) for rule in known),
            "bursts": number_array(rule.burst for rule in known),
        }
        statements = self._lock_sql, self._change_sql, self._admit_to_locked_sql
        ((_, locked),), _, ((chosen, moved, _),) = self._together(connection, statements, params)
        if moved < chosen:
            moved += super().admit_to(connection, queue, dict.fromkeys(rules))[0]
        return moved, rules.keys() - set(locked or ())

    def _is_direct(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether statements may bypass Django's cursors, and travel together."""
        driver: Any = connection.Database  # type: ignore[attr-defined]
        # psycopg2 has no pipelines.
        return hasattr(driver, "Pipeline") and driver.Pipeline.is_supported() and not is_watched(connection)

    def _together(
        self, connection: BaseDatabaseWrapper, statements: Sequence[str], params: Mapping[str, Any]
    ) -> list[list[Any]]:
        """Execute ``statements`` in one transaction and one round trip; return the rows of each."""
        driver: Any = connection.Database  # type: ignore[attr-defined]
        connection.ensure_connection()
        raw = connection.connection
        with connection.wrap_database_errors, ExitStack() as stack:
            stack.callback(undo_what_failed, raw)
            cursors = [stack.enter_context(driver.Cursor(raw)) for _ in statements]
            with raw.pipeline():
                raw.execute("BEGIN ISOLATION LEVEL READ COMMITTED", prepare=True)
                for cursor, statement in zip(cursors, statements, strict=True):
                    cursor.execute(statement, params, prepare=True)
                raw.execute("COMMIT", prepare=True)
            return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

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
    """Return the statement that admits what there is room for in locked lanes, to the end of the line; ``within`` says which.

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
        f"FROM {t} l, clock WHERE l.queue = %(queue)s AND l.{within}), {leave if leaving else ''}"
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
