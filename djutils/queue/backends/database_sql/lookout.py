"""Which idle worker looks for a message: all of them hear the same call, but one look is enough.

The workers of a consumer share some memory and an unnamed file, made before they are forked. Each call
has a number. The first worker that hears a call locks the byte of its queue in the file, records in the
shared memory which calls it has heard, and looks; the others find the call recorded and keep waiting. The
kernel releases the lock of a process that dies. Processes that share nothing, such as consumers
on other machines, each look.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import random
import struct
import tempfile
import time
import zlib
from collections.abc import Collection
from contextlib import suppress
from functools import cache

_NOTED = struct.Struct("32Q")
"""The most recent calls of one queue that a worker has handled."""
_SLOTS = 256
_PAUSES = (0.001, 0.008)


class _SharedMemory:
    """What a process shares with those it forks."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, _SLOTS * _NOTED.size)
        # A separate file: a lock is released when any descriptor of its file is closed.
        if hasattr(os, "memfd_create"):
            self.file = os.memfd_create("djutils-lookout", os.MFD_CLOEXEC)
        else:
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115
            self.file = self._kept.fileno()


_shared = cache(_SharedMemory)


def share() -> None:
    """Create the memory and the file that this process shares with those it forks from now on."""
    _shared()


class Lookout:
    """Decides which process of one consumer looks into ``queue`` on the database ``alias``."""

    def __init__(self, alias: str, queue: str) -> None:
        self._shared = _shared()
        self._slot = zlib.crc32(f"{alias} {queue}".encode("utf-8", "surrogatepass")) % _SLOTS
        self._locked = False

    def take(self, calls: Collection[int], deadline: float) -> bool:
        """Return whether this process should look because of ``calls``, which it has just heard.

        False when other processes have handled them all; True at ``deadline``, by the monotonic clock.
        """
        pause = _PAUSES[0]
        while not self._are_answered(calls):
            if self._lock():
                return self._answer(calls)
            if time.monotonic() >= deadline:
                return True
            time.sleep(random.uniform(0.5, 1.0) * pause)
            pause = min(2 * pause, _PAUSES[1])
        return False

    def release(self) -> None:
        """Let other processes look."""
        if self._locked:
            self._locked = False
            with suppress(OSError):  # a command closed the file, which freed the lock
                fcntl.lockf(self._shared.file, fcntl.LOCK_UN, 1, self._slot)

    def _are_answered(self, calls: Collection[int]) -> bool:
        return set(self._noted()).issuperset(calls)

    def _noted(self) -> tuple[int, ...]:
        return _NOTED.unpack_from(self._shared.memory, self._slot * _NOTED.size)

    def _answer(self, calls: Collection[int]) -> bool:
        """Record ``calls`` while holding the lock; return False if another process has just done so."""
        noted = self._noted()
        new = [call for call in calls if call not in noted]
        if not new:
            self.release()
            return False
        latest = (*new, *noted)[: len(noted)]
        _NOTED.pack_into(self._shared.memory, self._slot * _NOTED.size, *latest)
        return True

    def _lock(self) -> bool:
        try:
            fcntl.lockf(self._shared.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._slot)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a command closed the file
            return True
        self._locked = True
        return True
