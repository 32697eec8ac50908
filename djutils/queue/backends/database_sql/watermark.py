"""Where to look for the next messages, when vacuum cannot remove what is gone before them.

A long transaction somewhere in the cluster keeps every index entry that was deleted since it began,
and they pile up just where a claim begins to look. When that has become slow, a consumer remembers
where its last claim found something and begins there. What has come before that place since, a
message given back for one, is found by a look from the start, at least once a second and never for
more than a tenth of the time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

SLOW = 0.01
"""Seconds above which a look from the start is too slow to begin with every time."""
_LOOK_EVERY = 1.0
_SHARE = 10


class Place(NamedTuple):
    """A place in the order of a queue."""

    rank: int
    id: int


START = Place(-(2**15), 0)


class Watermark:
    """The place of one consumer in one queue."""

    def __init__(self) -> None:
        self._place = START
        self._look_at = 0.0
        self._slow = False

    def place(self) -> Place:
        """Answer where the next claim is to begin."""
        return START if time.monotonic() >= self._look_at else self._place

    def note(self, began: Place, lent: Sequence[tuple[Any, ...]], seconds: float) -> None:
        """A claim that began there took so long and lent these rows, as many as it was asked for.

        Or none, if there were not so many. Each begins with its rank and id. The first of the
        largest rank is where the next claim begins: smaller ranks are always looked for from the
        start.
        """
        if began == START:
            self._look_at = time.monotonic() + max(_LOOK_EVERY, _SHARE * seconds)
            self._slow = seconds > SLOW
        if self._slow and lent:
            last = max(row[0] for row in lent)
            self._place = Place(last, min(row[1] for row in lent if row[0] == last))
        else:
            self._place = START
