"""Commands that go over many rows, and are interrupted on the way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Collection, Iterator

from djutils.queue import queue_command, resume

from .files import lines, write
from .models import Note


@queue_command(result=True, max_attempts=1)
def see_rows(prefix: str, path: str, fatal: Collection[int], always: bool = False) -> None:
    """Write the number of each row; at each of ``fatal`` the process is killed, once or ``always``."""
    for number in _numbers(prefix):
        if _is_due(number, path, fatal, always):
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, number)


@queue_command(result=True, max_attempts=1, time_limit=(0.3, 0.6))
def see_rows_until_it_hangs(prefix: str, path: str, fatal: Collection[int], always: bool = False) -> None:
    """As ``see_rows``, but it hangs where no exception reaches it."""
    for number in _numbers(prefix):
        if _is_due(number, path, fatal, always):
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            lock = threading.Lock()
            lock.acquire()
            lock.acquire(timeout=600)
        write(path, number)


@queue_command
async def be_killed_later(path: str) -> None:
    """Die in a coroutine."""
    write(path, "ran")
    os.kill(os.getpid(), signal.SIGKILL)


def _numbers(prefix: str) -> Iterator[int]:
    rows = resume(Note.objects.filter(text__startswith=prefix), batch=50)
    return (int(row.text.rpartition(" ")[2]) for row in rows)


def _is_due(number: int, path: str, fatal: Collection[int], always: bool) -> bool:
    if number not in fatal:
        return False
    if str(number) in lines(f"{path}.died") and not always:
        return False
    write(f"{path}.died", number)
    return True
