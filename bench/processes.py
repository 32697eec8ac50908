"""What a process and all under it use."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Processor time used so far by ``pid`` and every process under it."""
    used = 0.0
    for one in family(pid):
        with suppress(OSError):  # it has just ended
            # Linux: the clock of another process, in nanoseconds; /proc counts in hundredths of a second.
            used += time.clock_gettime(~one << 3 | 2)
    return used


def family(pid: int) -> list[int]:
    """``pid`` and every process under it."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def is_linux() -> bool:
    return os.path.isdir("/proc/self")  # noqa: PTH112
