"""Ageing: the share of what is lent that goes to the oldest messages, so that urgent ones cannot hold back the others forever.

A share and not a promotion: no message is rewritten, and no clock is read. Which is next by age is found from the heads of
the priorities, so the order among messages of one priority stays as it is.
"""

from __future__ import annotations

ONE_IN = 10
"""Of so many messages that a process receives from a queue, one is the oldest that waits, whatever its priority."""


class Turns:
    """Counts what one process receives from one queue. Each process counts for itself, so each keeps the share."""

    def __init__(self) -> None:
        self.since = 0
        """How many messages were lent since one was chosen by age."""

    def by_age(self, count: int) -> int:
        """Return how many of the next ``count`` messages are to be chosen by age: after the others, which priority decides."""
        return (self.since + count) // ONE_IN

    def lent(self, count: int) -> None:
        """Note that ``count`` messages were lent."""
        self.since = (self.since + count) % ONE_IN
