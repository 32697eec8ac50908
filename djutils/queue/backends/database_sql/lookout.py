"""Which idle worker looks for a message: all of them hear the same call, but one look is enough.

The workers of a consumer share some memory and a file without a name, made before they are forked.
Each call has a number. The first worker that hears one locks the byte of its queue in the file, notes in the
memory which calls it has heard, and looks; the others find the call noted, and go on waiting. The
lock of a process that dies is freed by the kernel. Processes that share nothing, such as consumers
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
"""The calls of one queue that were answered last."""
_SLOTS = 256
_PAUSES = (0.001, 0.008)


class _Shared:
    """What a process shares with those it forks."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, _SLOTS * _NOTED.size)
        # A file of its own: a lock is let go when any descriptor of its file is closed.
        if hasattr(os, "memfd_create"):
            self.file = os.memfd_create("djutils-lookout", os.MFD_CLOEXEC)
        else:
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115
            self.file = self._kept.fileno()


_shared = cache(_Shared)


def share() -> None:
    """Make what this process will share with those it forks from now on."""
    _shared()


class Lookout:
    """The turn to look into ``queue`` on the database ``alias``, among the processes of one consumer."""

    def __init__(self, alias: str, queue: str) -> None:
        self._shared = _shared()
        self._slot = zlib.crc32(f"{alias} {queue}".encode("utf-8", "surrogatepass")) % _SLOTS
        self._locked = False

    def take(self, calls: Collection[int], deadline: float) -> bool:
        """Return whether this process is to look because of ``calls``, which it has just heard.

        False when others have answered them all; at ``deadline``, by the monotonic clock, True.
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
        """Let others look."""
        if self._locked:
            self._locked = False
            with suppress(OSError):  # a command closed the file, which freed the lock
                fcntl.lockf(self._shared.file, fcntl.LOCK_UN, 1, self._slot)

    def _are_answered(self, calls: Collection[int]) -> bool:
        return set(self._noted()).issuperset(calls)

    def _noted(self) -> tuple[int, ...]:
        return _NOTED.unpack_from(self._shared.memory, self._slot * _NOTED.size)

    def _answer(self, calls: Collection[int]) -> bool:
        """Note ``calls``, whose lock we have; False if another one did so just before."""
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
