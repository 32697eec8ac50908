"""Other processes: found, signalled and waited for, and never mistaken for one another."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

_PROC = Path("/proc")
_LOOK_EVERY = 0.02


class Stat(NamedTuple):
    """What the kernel says of a process."""

    name: str
    state: str
    parent: int
    group: int
    session: int
    birth: str
    """When it began, in clock ticks since boot: with the pid it names one process forever."""


def stat(pid: int) -> Stat | None:
    """Return what is known of a living process; None when it is gone, or this system has no /proc."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    name = head.partition("(")[2]
    found = Stat(name, fields[0], int(fields[1]), int(fields[2]), int(fields[3]), fields[19])
    return None if found.state in "ZX" else found


def birth(pid: int) -> str:
    """Return what tells ``pid`` from a later process of that number; '' where nothing does."""
    found = stat(pid)
    return found.birth if found else ""


def is_same(pid: int, born: str) -> bool:
    """Return whether ``pid`` lives and is the process of that birth; with '' or without /proc any will do."""
    if found := stat(pid):
        return born in {"", found.birth}
    return not _has_proc() and _session(pid) is not None


def identity(pid: int) -> tuple[int, int] | None:
    """Return the effective user and group id of a process; None where that cannot be known."""
    try:
        lines = (_PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return None
    fields = dict(line.partition(":")[::2] for line in lines)
    return int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1])


def has_open(pid: int, file: os.stat_result) -> bool | None:
    """Return whether process ``pid`` holds ``file`` open; None where we may not look."""
    held = _PROC / str(pid) / "fd"
    try:
        names = os.listdir(held)  # noqa: PTH208  (names are enough)
    except OSError:
        return None
    for name in names:
        with suppress(OSError):
            if os.path.samestat((held / name).stat(), file):
                return True
    return False


def ancestors(pid: int) -> list[int]:
    """Return the parent of ``pid``, its parent and so on; without /proc the parent of this process only."""
    if not _has_proc():
        return [os.getppid()]
    found: list[int] = []
    while (its := stat(pid)) and its.parent and its.parent not in found:
        found.append(pid := its.parent)
    return found


def everyone() -> dict[int, Stat]:
    """Return all living processes by their pid; without /proc nothing."""
    if not _has_proc():
        return {}
    pids = [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208  (faster)
    return {pid: found for pid in pids if (found := stat(pid))}


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


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
        """Wait for its end, and return whether it came."""
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
