"""Lanes on SQLite: one writer at a time, so the first write is the lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from djutils.models import QueueMessage

from .lane_statements import LaneStatements, LockedLane


class SQLiteLanes(LaneStatements):
    """The statements for SQLite."""

    locking = ""

    def _lock(self, cursor: Any, queue: str, within: str, params: Iterable[Any]) -> list[LockedLane]:
        # A transaction that begins with a read may be refused when it writes later.
        cursor.execute(f"UPDATE {self.lanes} SET id = id WHERE id = 0")
        return super()._lock(cursor, queue, within, params)

    def places(self, cursor: Any, count: int) -> Sequence[int]:
        table = QueueMessage._meta.db_table
        cursor.execute(
            f"UPDATE sqlite_sequence SET seq = MAX(seq, (SELECT MAX(id) FROM {self.messages})) + %s "
            f"WHERE name = %s RETURNING seq",
            [count, table],
        )
        ((last,),) = cursor.fetchall()
        return range(last - count + 1, last + 1)
