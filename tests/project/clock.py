"""A clock that is wrong: ``DJUTILS_TEST_CLOCK`` names a file with the seconds it is ahead.

What Python asks for the time of day by ``time`` and ``django.utils.timezone`` is told a wrong one,
and another one as soon as the file says so; the monotonic clock stays right. (libfaketime makes
``time.sleep`` fail, on Debian 12.)
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from django.utils import timezone

CLOCK = "DJUTILS_TEST_CLOCK"
_time, _time_ns = time.time, time.time_ns


def _ahead() -> int:
    return int(Path(os.environ[CLOCK]).read_text())


def falsify() -> None:
    """From now on the clock of this process and its children is wrong."""
    time.time = lambda: _time() + _ahead()
    time.time_ns = lambda: _time_ns() + _ahead() * 10**9
    timezone.now = lambda: datetime.fromtimestamp(time.time(), UTC)
