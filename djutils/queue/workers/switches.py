"""A switch for each queue of a consumer, in memory that its processes share: one byte, which the maintainer sets."""

from __future__ import annotations

import mmap

OPEN, PAUSED, UNKNOWN = range(3)
"""UNKNOWN: the store was not asked yet. Nothing begins then, so that no message slips through a pause at the start."""


def new_switches(count: int, state: int = UNKNOWN) -> memoryview:
    """Return ``count`` switches, shared with the processes that this one forks from now on."""
    memory = memoryview(mmap.mmap(-1, max(1, count)))[:count]
    memory[:] = bytes([state]) * count
    return memory
