"""Lanes on SQLite: one writer at a time, so the first write is the lock, and a statement for each lane costs no round trip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueMessage

from .base import placeholders
from .lane_rows import Admitted, Ended, LockedLane
from .lane_statements import LaneStatements


class SQLiteLanes(LaneStatements):
    """The statements for SQLite."""

    locking = ""
    least = "MIN"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        # Always the same text, which is parsed once.
        self._next_sql = (
            f"SELECT id, message_id FROM {self.entries} WHERE queue = ? AND state = 0 AND lane = ? "
            f"ORDER BY prio_rank, id LIMIT ?"
        )

    def begin(self, connection: BaseDatabaseWrapper, cursor: Any) -> None:
        # A transaction that begins with a read may be refused when it writes later.
        cursor.execute(f"UPDATE {self.lanes} SET id = id WHERE id = 0")

    def end(
        self, connection: BaseDatabaseWrapper, queue: str, owner: int, ids: Collection[str], awaited: str
    ) -> Ended:
        """End messages as elsewhere, but look for each only once: no other process writes meanwhile."""
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            self.begin(connection, cursor)
            # Only leased rows have an owner; naming the state would make SQLite use the index of leased rows.
            cursor.execute(
                f"SELECT m.id, m.message_id, e.id, e.lane FROM {self.messages} m LEFT JOIN {self.entries} e "
                f"ON e.message_id = m.message_id WHERE m.message_id IN ({placeholders(ids)}) AND m.owner = %s",
                [*ids, owner],
            )
            held = cursor.fetchall()
            names = {lane for _, _, _, lane in held if lane is not None}
            for table, keys in (
                (self.messages, [row[0] for row in held]),
                (self.entries, [row[2] for row in held]),
            ):
                cursor.execute(f"DELETE FROM {table} WHERE id IN ({placeholders(keys)})", keys)
            admitted = self.admit(cursor, queue, self.lock(cursor, queue, names))
            return Ended({id for _, id, _, _ in held}, admitted, awaited=False)

    def _chosen(
        self, cursor: Any, queue: str, lanes: Sequence[LockedLane]
    ) -> Mapping[str, Sequence[Admitted]]:
        execute = cursor.connection.execute
        chosen: dict[str, list[Admitted]] = defaultdict(list)
        held = self._held(cursor, queue, lanes)
        for lane in lanes:
            if (room := lane.room(held.get(lane.name, 0))) > 0:
                rows = execute(self._next_sql, (queue, lane.name, room))
                chosen[lane.name] = [
                    Admitted(number, id, message_id, lane.turn(number))
                    for number, (id, message_id) in enumerate(rows, 1)
                ]
        return chosen

    def _move(self, cursor: Any, admitted: Sequence[Admitted]) -> None:
        placed = zip(self.places(cursor, len(admitted)), admitted, strict=True)
        cursor.executemany(
            f"UPDATE {self.messages} SET id = %s, due = %s, state = %s WHERE message_id = %s AND state = 4",
            [(place, one.due, int(one.due is not None), one.message_id) for place, one in placed],
        )
        cursor.executemany(
            f"UPDATE {self.entries} SET state = 1 WHERE id = %s", [(one.id,) for one in admitted]
        )

    def places(self, cursor: Any, count: int) -> Sequence[int]:
        table = QueueMessage._meta.db_table
        cursor.execute(
            f"UPDATE sqlite_sequence SET seq = MAX(seq, (SELECT MAX(id) FROM {self.messages})) + %s "
            f"WHERE name = %s RETURNING seq",
            [count, table],
        )
        ((last,),) = cursor.fetchall()
        return range(last - count + 1, last + 1)
