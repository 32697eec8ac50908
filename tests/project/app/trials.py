"""The commands that tests/chaos counts, and those that do harm."""

from __future__ import annotations

import os
import signal
from functools import cache
from pathlib import Path
from random import uniform
from threading import Timer
from time import monotonic, sleep

from djutils.queue.bin.processes import birth
from djutils.queue.decorators import queue_command
from djutils.queue.ids import new_id

from .files import lines, write

HISTORY = "history"
"""The file in a folder of trials that has a line for each begin and each end."""


@cache
def _named(pid: int) -> str:
    return f"{pid}/{birth(pid)}"


def is_alive(process: str) -> bool:
    """Does the process live that was named so?"""
    pid, _, born = process.partition("/")
    return birth(int(pid)) == born


@queue_command
def record(folder: str, number: int, sending: int, pause: float = 0.0) -> None:
    """Note begin and end of this run, and which other runs of this message began in processes still alive."""
    run, me = f"{number}.{sending}", _named(os.getpid())
    mark = Path(folder, run)
    before = lines(mark)
    write(mark, me)
    rivals = ",".join(filter(is_alive, before))
    write(Path(folder, HISTORY), f"begin {run} {me} {monotonic():.6f} {rivals}")
    if pause:
        sleep(pause)
    write(Path(folder, HISTORY), f"end {run} {me} {monotonic():.6f}")


@queue_command(result=True)
def vouch(ledger: str, number: int, dies: bool = False) -> str:
    """Write a line that no other run writes, as the last act before it is returned with the number.

    If it ``dies``, its process is killed about when this run has been settled, or just before that.
    """
    line = f"{number} {new_id()}"
    if dies and not any(one.startswith(f"{number} ") for one in lines(ledger)):
        Timer(uniform(0.0, 0.01), os.kill, (os.getpid(), signal.SIGKILL)).start()
    write(ledger, line)
    return line
