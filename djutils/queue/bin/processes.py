"""Other processes: found, signalled and waited for, and never mistaken for one another."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

_PROC = Path("/proc")
_LOOK_EVERY = 0.02


class Stat(NamedTuple):
    """What the kernel tells of a process."""

    state: str
    parent: int
    session: int
    birth: str
    """When it began, in clock ticks since boot: with the pid it names one process for ever."""


def stat(pid: int) -> Stat | None:
    """Answer what is known of a living process; None when it is gone, or this system has no /proc."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    found = Stat(fields[0], int(fields[1]), int(fields[3]), fields[19])
    return None if found.state in "ZX" else found


def birth(pid: int) -> str:
    """Answer what tells ``pid`` from a later process of that number; '' where nothing does."""
    found = stat(pid)
    return found.birth if found else ""


def members(session: int, known: Iterable[int] = ()) -> list[int]:
    """Answer the living processes of ``session``; without /proc only those among ``known``."""
    if not _has_proc():
        return [pid for pid in known if _session(pid) == session]
    return [pid for pid, found in _everyone().items() if found.session == session]


def family(pid: int, known: Iterable[int] = ()) -> list[int]:
    """Answer ``pid`` and what descends from it; without /proc ``known`` is taken at its word."""
    if not _has_proc():
        return [one for one in (pid, *known) if _session(one) is not None]
    everyone = _everyone()
    found = [pid] if pid in everyone else []
    for parent in found:  # grows while it is walked
        found += [child for child, its in everyone.items() if its.parent == parent]
    return found


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _everyone() -> dict[int, Stat]:
    pids = [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208  (faster)
    return {pid: found for pid in pids if (found := stat(pid))}


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


class Process:
    """A handle of one process that stays its own even when the pid is given away again.

    ``ProcessLookupError`` when there is none. Systems without pidfd only have the pid itself.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = _open_pidfd(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def signal(self, number: int) -> None:
        """Send signal ``number``; a process that has ended is passed over."""
        with suppress(ProcessLookupError):
            if self._fd is not None:
                signal.pidfd_send_signal(self._fd, number)
            else:
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end, and answer whether it came."""
        if self._fd is not None:
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            return bool(poll.poll(max(0.0, seconds) * 1000))
        deadline = time.monotonic() + seconds
        while _session(self.pid) is not None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY)
        return True


def _open_pidfd(pid: int) -> int | None:
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except OSError:  # an old kernel, or a sandbox that does not let us
            pass
    os.getsid(pid)
    return None
