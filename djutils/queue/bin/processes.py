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
    """What the kernel knows about a process."""

    name: str
    state: str
    parent: int
    group: int
    session: int
    birth: str
    """When it started, in clock ticks since boot: together with the pid it identifies one process forever."""


def stat(pid: int) -> Stat | None:
    """Return what is known about a running process; None if it is gone, or this system has no /proc."""
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
    """Return a value that distinguishes ``pid`` from a later process with that number; '' where there is none."""
    found = stat(pid)
    return found.birth if found else ""


def is_same(pid: int, born: str) -> bool:
    """Return whether ``pid`` is alive and has that birth; with '' or without /proc any process matches."""
    if found := stat(pid):
        return born in {"", found.birth}
    return not _has_proc() and _session(pid) is not None


def identity(pid: int) -> tuple[int, int] | None:
    """Return the effective user id and group id of a process; None where they cannot be known."""
    try:
        lines = (_PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return None
    fields = dict(line.partition(":")[::2] for line in lines)
    return int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1])


def has_open(pid: int, file: os.stat_result) -> bool | None:
    """Return whether process ``pid`` has ``file`` open; None where we may not check."""
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
    """Return the parent of ``pid``, its parent and so on; without /proc only the parent of this process."""
    if not _has_proc():
        return [os.getppid()]
    found: list[int] = []
    while (its := stat(pid)) and its.parent and its.parent not in found:
        found.append(pid := its.parent)
    return found


def everyone() -> dict[int, Stat]:
    """Return all running processes by pid; nothing without /proc."""
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
    """A handle of one process that stays valid even when the pid is reused.

    Raises ``ProcessLookupError`` if there is no such process. On systems without pidfd it is only the pid.
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
        """Send signal ``number``; ignore a process that has ended."""
        with suppress(ProcessLookupError):
            if self._fd is not None:
                signal.pidfd_send_signal(self._fd, number)
            else:
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end, and return whether it did."""
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
        except OSError:  # an old kernel, or a sandbox that forbids it
            pass
    os.getsid(pid)
    return None
