"""Where to look for the next messages when vacuum cannot remove the deleted index entries before them.

A long transaction anywhere in the cluster keeps every index entry that was deleted since it began,
and these entries pile up exactly where a claim starts to look. When that becomes slow, a consumer remembers
where its last claim found messages and starts there. Messages that arrive before that place later, such as
one that is given back, are found by a search from the start, at least once a second and never for
more than a tenth of the time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

SLOW = 0.01
"""Seconds above which a search from the start is too slow for every claim."""
_LOOK_EVERY = 1.0
_SHARE = 10


class Position(NamedTuple):
    """A position in the order of a queue."""

    rank: int
    id: int


START = Position(-(2**15), 0)


class Watermark:
    """The position of one consumer in one queue."""

    def __init__(self) -> None:
        self._place = START
        self._look_at = 0.0
        self._slow = False

    def place(self) -> Position:
        """Return where the next claim should start."""
        return START if time.monotonic() >= self._look_at else self._place

    def note(self, began: Position, lent: Sequence[tuple[Any, ...]], seconds: float) -> None:
        """Note that a claim that started at ``began`` took ``seconds`` and lent ``lent``.

        ``lent`` is empty unless as many rows were found as were asked for. Each row begins with its rank and id.
        The next claim starts at the first row of the largest rank: smaller ranks are always searched from the
        start.
        """
        if began == START:
            self._look_at = time.monotonic() + max(_LOOK_EVERY, _SHARE * seconds)
            self._slow = seconds > SLOW
        if self._slow and lent:
            last = max(row[0] for row in lent)
            self._place = Position(last, min(row[1] for row in lent if row[0] == last))
        else:
            self._place = START
