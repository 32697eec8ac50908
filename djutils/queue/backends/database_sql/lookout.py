"""Who looks when all are woken: one NOTIFY is heard by every idle worker, but one look is enough.

The workers of a consumer share a page of memory and a file without a name, made before they are
forked. Whoever hears a call locks the byte of its queue, notes the time and looks; the others see
that someone began to look after they heard, and go on waiting. The lock of a process that dies is
freed by the kernel. Processes that share nothing, such as consumers on other machines, each look.
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
from contextlib import suppress
from functools import cache

_PAGE = mmap.PAGESIZE
_STAMP = struct.Struct("d")
_SLOTS = _PAGE // _STAMP.size
_PAUSES = (0.001, 0.008)


class _Shared:
    """What a process shares with those it forks."""

    def __init__(self) -> None:
        self.stamps = mmap.mmap(-1, _PAGE)
        # A file of its own: a lock is let go when any descriptor of its file is closed.
        if hasattr(os, "memfd_create"):
            self.file = os.memfd_create("djutils-lookout", os.MFD_CLOEXEC)
        else:
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115
            self.file = self._kept.fileno()


_shared = cache(_Shared)


class Lookout:
    """The turn to look into ``queue`` on the database ``alias``, among the processes of one consumer."""

    def __init__(self, alias: str, queue: str) -> None:
        self._shared = _shared()
        self._slot = zlib.crc32(f"{alias} {queue}".encode("utf-8", "surrogatepass")) % _SLOTS
        self._locked = False

    def take(self, deadline: float) -> bool:
        """Return whether this process is to look, after a call that it has just heard.

        False when another one began to look since; at ``deadline``, by the monotonic clock, True.
        """
        heard, pause = time.monotonic(), _PAUSES[0]
        while self._looked_at() <= heard:
            if self._lock():
                _STAMP.pack_into(self._shared.stamps, self._slot * _STAMP.size, time.monotonic())
                return True
            if time.monotonic() >= deadline:
                return True
            time.sleep(random.uniform(0.5, 1.0) * pause)
            pause = min(2 * pause, _PAUSES[1])
        return False

    def release(self) -> None:
        """Let others look."""
        if self._locked:
            self._locked = False
            with suppress(OSError):  # a command closed the file; then nobody is kept waiting either
                fcntl.lockf(self._shared.file, fcntl.LOCK_UN, 1, self._slot)

    def _looked_at(self) -> float:
        return float(_STAMP.unpack_from(self._shared.stamps, self._slot * _STAMP.size)[0])

    def _lock(self) -> bool:
        try:
            fcntl.lockf(self._shared.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._slot)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a command closed the file
            return True
        self._locked = True
        return True
