"""The statements that lend the oldest messages, whatever their priority; only where several priorities wait.

The index of the claim leads from one priority to the next and to the first messages of each, so nothing else is read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .claims import COLUMNS

_LOOK_EVERY = 1.0
"""Seconds between two looks at which priorities wait: a queue in which all have the same pays for nothing else."""


class Priorities:
    """Which priorities wait in a queue, as one consumer knows it; as ranks, which are their negatives."""

    def __init__(self) -> None:
        self.ranks: Sequence[int] = ()
        self._look_at = float("-inf")

    @property
    def are_several(self) -> bool:
        return len(self.ranks) > 1

    @property
    def are_outdated(self) -> bool:
        return time.monotonic() >= self._look_at

    def note(self, ranks: Sequence[int]) -> None:
        """Note that messages of these ranks wait now."""
        self.ranks, self._look_at = ranks, time.monotonic() + _LOOK_EVERY


def oldest_statement(t: str, queue: str, ranks: Sequence[int], count: int) -> tuple[str, list[Any]]:
    """Return the statement that reads the keys of the ``count`` oldest messages of these ranks, and its parameters."""
    parts, params = list[str](), list[Any]()
    for rank in ranks:
        parts.append(
            f"SELECT * FROM (SELECT id FROM {t} WHERE queue = %s AND state = 0 AND prio_rank = %s "
            f"ORDER BY id LIMIT %s) AS part_{len(parts)}"
        )
        params += [queue, rank, count]
    return f"SELECT id FROM ({' UNION ALL '.join(parts)}) AS heads ORDER BY id LIMIT %s", [*params, count]


def postgres_statement(t: str, w: str, oldest: str) -> str:
    """Return PostgreSQL's claim of the keys that the statement ``oldest`` reads; ``w`` is the table of workers.

    Its parameters are the owner and the queue, those of ``oldest``, and the owner.
    """
    # As in the other claim: fenced sub-selects, and a row that another consumer has locked is left to it. With a plain
    # condition on the state the planner might use the index of ready messages instead of the key.
    return (
        f"WITH me AS MATERIALIZED (SELECT owner FROM {w} WHERE owner = %s AND queue = %s FOR KEY SHARE), "
        f"oldest AS MATERIALIZED ({oldest}), "
        f"chosen AS MATERIALIZED (SELECT ctid FROM {t} WHERE id = ANY(ARRAY(SELECT id FROM oldest)) AND state + 0 = 0 "
        f"AND EXISTS (SELECT 1 FROM me) FOR UPDATE SKIP LOCKED) "
        f"UPDATE {t} t SET state = 2, owner = %s FROM chosen WHERE t.ctid = chosen.ctid "
        f"RETURNING {', '.join(f't.{column}' for column in COLUMNS.split(', '))}"
    )
