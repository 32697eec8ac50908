"""Lanes on MariaDB and MySQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from djutils.queue.stores.base import slices

from .base import placeholders
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

    # A name that comes from another row of the statement is no bound of a range here: each look would read the whole index.

    def lanes_after(self, cursor: Any, queue: str, name: str, most: int) -> list[str]:
        found: list[str] = []
        while len(found) < most:
            nearest: list[str] = []
            for state in (0, 1):
                cursor.execute(
                    f"SELECT MIN(lane) FROM {self.entries} WHERE queue = %s AND state = {state} AND lane > %s",
                    [queue, name],
                )
                nearest += [lane for (lane,) in cursor.fetchall() if lane is not None]
            if not nearest:
                break
            name = min(nearest)  # the columns compare names as Python does: byte by byte
            found.append(name)
        return found

    def waiting_lanes(
        self, cursor: Any, queue: str, after: str, most: int
    ) -> list[tuple[str, int | None, int | None]]:
        cursor.execute(
            f"SELECT DISTINCT lane FROM {self.entries} WHERE queue = %s AND state = 0 AND lane > %s ORDER BY lane LIMIT {most}",
            [queue, after],
        )
        names = [name for (name,) in cursor.fetchall()]
        if not names:
            return []
        cursor.execute(
            f"SELECT name, width, opens FROM {self.lanes} WHERE queue = %s AND name IN ({placeholders(names)})",
            [queue, *names],
        )
        rules = {name: (width, opens) for name, width, opens in cursor.fetchall()}
        is_open = [name for name in names if rules.get(name, (None, None))[1] is None]
        held = self._held_in(cursor, queue, is_open)
        return [(name, held.get(name), rules.get(name, (None, None))[0]) for name in names]

    def _held_in(self, cursor: Any, queue: str, names: Sequence[str]) -> dict[str, int]:
        """Return how many are admitted to each of these lanes."""
        held: dict[str, int] = {}
        count = (
            f"SELECT %s, COUNT(*) FROM {self.entries} s JOIN {self.alive} "
            f"WHERE s.queue = %s AND s.state = 1 AND s.lane = %s"
        )
        for some in slices(names):
            params = [value for name in some for value in (name, queue, name)]
            cursor.execute(" UNION ALL ".join([count] * len(some)), params)
            held |= dict(cursor.fetchall())
        return held
