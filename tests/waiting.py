"""Waiting for a condition, with a deadline: the only place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which something that should happen soon counts as failed."""


def wait_until(
    condition: Callable[[], T], timeout: float = PATIENCE, every: float = 0.02, why: Callable[[], str] = str
) -> T:
    """Return the result of ``condition`` as soon as it is true; after ``timeout`` the test fails and shows ``why()``."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.1f} s in vain. {why()}".strip())
        time.sleep(every)
    return answer
