"""What a store that can notify gives to those who wait for the end of a message."""

from __future__ import annotations

from typing import Protocol

from djutils.queue.stores.base import Store

AWAITED = "awaited"
"""The key that is in the store beside the queue while a caller may wait: only then does the store tell."""
_AWAITED_FOR = 3600


class Subscription(Protocol):
    """Hears of the end of one message, through its own connection, until it is closed."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is something to hear, perhaps of another message."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep until the message has ended, for at most ``seconds``, and return whether that was heard.

        It may have ended nevertheless. Raises ``BackendError`` if the connection is lost.
        """
        ...

    def close(self) -> None:
        """Hear nothing more."""
        ...


def note_awaited(store: Store) -> None:
    """Have consumers tell of ended messages for the next hour, at most; raises ``BackendError``."""
    if not store.get([AWAITED]):
        store.set({AWAITED: b""}, _AWAITED_FOR)
