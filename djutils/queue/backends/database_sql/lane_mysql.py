"""Lanes on MariaDB and MySQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .lane_statements import LaneStatements


class MySQLLanes(LaneStatements):
    """The statements for MariaDB and MySQL."""

    def on_duplicate(self, table: str) -> str:
        # Not INSERT IGNORE: that would also hide other errors, such as truncated data.
        return f" ON DUPLICATE KEY UPDATE {table}.id = {table}.id"

    def places(self, cursor: Any, count: int) -> Sequence[int]:
        # An UPDATE of the number does not move the table's counter; an INSERT does, and no rollback moves it back.
        cursor.execute("SAVEPOINT djutils_places")
        cursor.execute(*self.temporary(count))
        first = cursor.lastrowid
        cursor.execute("ROLLBACK TO SAVEPOINT djutils_places")
        return range(first, first + count)
