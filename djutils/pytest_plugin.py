"""The pytest plugin: each test begins with an empty MemoryQueue.

It is loaded in every environment that djutils is installed in. So it imports nothing of Django, and nothing of
djutils before a test asks for it.
"""

from __future__ import annotations

import sys

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Empty every MemoryQueue, if there is one."""
    if (memory := sys.modules.get("djutils.queue.backends.memory")) is not None:
        memory.MemoryQueue.forget_all()
