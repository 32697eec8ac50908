"""Presenting: publishes which worker processes this consumer has, for operators."""

from __future__ import annotations

import os
import platform
import resource
import socket
import time
from contextlib import suppress
from math import inf
from pathlib import Path

import django

import djutils
from djutils.queue.backends.border import border
from djutils.queue.presence import presence_key, presented

from .chore import Chore, Stores
from .crew import Crew, Member
from .options import ConsumerOptions

VERSION = f"djutils {djutils.__version__}, Django {django.get_version()}, Python {platform.python_version()}"


class Presenting(Chore):
    """Publishes with each beat, in one call for each queue; what is published ends with the lease."""

    name = "publishing who works"

    def __init__(self, stores: Stores, crew: Crew, options: ConsumerOptions) -> None:
        self._stores = stores
        self._crew = crew
        self._options = options
        self._next = 0.0
        self._since: dict[Member, float] = {}

    def due_in(self) -> float:
        return self._next - time.monotonic() if self._stores.leased else inf

    def do(self) -> None:
        self._next = time.monotonic() + self._options.beat_every
        members = [member for member in self._crew if not member.dead and member.has_the_board]
        self._since = {member: self._since.get(member, time.time()) for member in members}
        told = {member: presented(self._facts(member)) for member in members if member.board.pid}
        if not told:
            self._next = time.monotonic() + 1.0  # none has started
            return
        self._stores.open()
        for name, queue in self._stores.leased.items():
            if (store := queue.store) is not None:
                with border(queue):
                    values = {presence_key(member.owners[name]): facts for member, facts in told.items()}
                    store.set(values, self._options.lease)

    def _facts(self, member: Member) -> dict[str, object]:
        pid = member.board.pid
        return {
            "host": socket.gethostname(),
            "pid": pid,
            "consumer": os.getppid(),
            "since": round(self._since[member], 3),
            "version": VERSION,
            "queues": self._options.queues,
            "threads": self._options.threads,
            "coroutines": self._options.coroutines,
            "memory": _mebibytes(pid),
        }


def _mebibytes(pid: int) -> int | None:
    """Return the resident memory of a process; None where that is not told."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 2**20
    return None
