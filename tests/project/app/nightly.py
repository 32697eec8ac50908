"""Commands of the clock, only in consumers whose test wants them."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from djutils.queue.decorators import every, periodic_command
from djutils.queue.signals import command_enqueued

from .files import write

FILE = "DJUTILS_TEST_SCHEDULES"
"""In the environment of a consumer: the file where these commands leave their lines."""
FATAL_TICK = "DJUTILS_TEST_FATAL_TICK"
"""In the environment of a consumer: a file. The first process whose clock has enqueued removes it, and is killed."""

_BERLIN = ZoneInfo("Europe/Berlin")
_IS_WANTED = FILE in os.environ


def _leave(name: str) -> None:
    # What the clock of the process shows, which a test may have set.
    moment = datetime.fromtimestamp(time.time(), UTC).astimezone(_BERLIN)
    write(os.environ[FILE], f"{moment:%H:%M%z} {name}")


@periodic_command("30 2 * * *", time_zone="Europe/Berlin", enabled=_IS_WANTED)
def half_past_two() -> None:
    """Leave a line at half past two in Berlin."""
    _leave("half past two")


@periodic_command(every(minutes=1), misfire="once", enabled=_IS_WANTED)
def each_minute() -> None:
    """Leave a line in each minute."""
    _leave("each minute")


def _die(**kwargs: Any) -> None:
    try:
        Path(os.environ[FATAL_TICK]).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


if FATAL_TICK in os.environ:
    command_enqueued.connect(_die)
