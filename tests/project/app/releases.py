"""Two releases of one app: ``DJUTILS_TEST_RELEASE`` says which one this process runs; without it, both.

From ``old`` to ``new`` one command was renamed, one was removed, and one takes another argument.
"""

from __future__ import annotations

import os

from djutils.queue.decorators import queue_command

from .files import write

RELEASE = "DJUTILS_TEST_RELEASE"
_HERE = os.environ.get(RELEASE, "old new").split()

if "old" in _HERE:

    @queue_command(name="releases.greet")
    def greet(path: str, line: str) -> None:
        """Renamed in the new release."""
        write(path, line)

    @queue_command(name="releases.leave")
    def leave(path: str, line: str) -> None:
        """Removed in the new release."""
        write(path, line)


if "new" in _HERE:

    @queue_command(name="releases.welcome")
    def welcome(path: str, line: str) -> None:
        """What greet is called now."""
        write(path, line)


if _HERE == ["new"]:

    @queue_command(name="releases.count", max_attempts=2, backoff=0.05)
    def count(path: str, *, first: int) -> None:
        """What the old release calls with a line."""
        write(path, first)

else:

    @queue_command(name="releases.count", max_attempts=2, backoff=0.05)
    def count(path: str, line: str) -> None:
        """What the new release has given another argument."""
        write(path, line)
