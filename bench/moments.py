"""When calls were made and when their commands began, for commands that carry the moment of their call.

All moments are of the monotonic clock, which is one for all processes of a machine.
"""

from __future__ import annotations

import os
import struct
import time
from functools import cache
from typing import NamedTuple

from bench.peers.protocol import FOLDER

_PATH = FOLDER / "moments"
_RECORD = struct.Struct("=Bdd")


class Noted(NamedTuple):
    """One command that has begun."""

    kind: int
    called: float
    began: float

    @property
    def milliseconds(self) -> float:
        """From the call until it began."""
        return (self.began - self.called) * 1000


def note(kind: int, called: float) -> None:
    """Note that a command begins now. Costs some microseconds."""
    # One appending write is never torn, even if other processes write.
    os.write(_file(), _RECORD.pack(kind, called, time.monotonic()))


@cache
def _file() -> int:
    return os.open(_PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def forget() -> None:
    os.truncate(_file(), 0)


def noted() -> list[Noted]:
    return [Noted(*record) for record in _RECORD.iter_unpack(_PATH.read_bytes())]


def wait_for(count: int, patience: float) -> list[Noted]:
    """Return them when ``count`` have begun; ``TimeoutError`` after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while (begun := _PATH.stat().st_size // _RECORD.size) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{begun} of {count} commands began within {patience:.0f} s")
        time.sleep(0.05)
    return noted()
