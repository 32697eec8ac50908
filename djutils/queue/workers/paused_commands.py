"""Which commands are paused, in memory that the processes of a consumer share, so that no worker asks the store."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Collection

from djutils.queue.command_pauses import MOST

_SIZE = 8
_COUNT = slice(1, 5)
_HEAD = 8


def digest_of(queue: str, command: str) -> bytes:
    """Return what stands in the memory for a paused command of a queue."""
    text = f"{queue}\0{command}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_SIZE).digest()


class PausedCommands:
    """The digests of the commands that are paused on ``queues`` queues; the maintainer publishes, worker processes read.

    The first byte is a word that changes with them, and is odd while they are being written. Each process that reads has
    its own copy of the last digests it has read.
    """

    def __init__(self, queues: int) -> None:
        self._most = MOST * max(1, queues)
        # Pages that are never written to take no memory.
        self._memory = memoryview(mmap.mmap(-1, _HEAD + _SIZE * self._most))
        self._read: frozenset[bytes] = frozenset()
        self._word = 0
        self._obeyed = 0

    # The maintainer

    def publish(self, digests: Collection[bytes]) -> None:
        """Replace the digests, if they are others: one process only."""
        chosen = sorted(digests)[: self._most]
        if self._look()[1] == frozenset(chosen) and not self._memory[0] & 1:
            return
        memory, word = self._memory, self._memory[0] | 1
        memory[0] = word
        memory[_COUNT] = len(chosen).to_bytes(4, "big")
        memory[_HEAD : _HEAD + _SIZE * len(chosen)] = b"".join(chosen)
        memory[0] = (word + 1) & 0xFF

    # A worker process

    def current(self) -> frozenset[bytes]:
        """Return the digests as they are now: one look at a byte, unless they have changed."""
        word = self._memory[0]
        if word != self._word and not word & 1:
            before, found = self._look()
            # Otherwise they are being written: the next look finds them.
            if before == word == self._memory[0]:
                self._word, self._read = word, found
        return self._read

    @property
    def changed(self) -> bool:
        """Whether they have changed since the last ``obey()``, and are not being written."""
        word = self._memory[0]
        return word != self._obeyed and not word & 1

    def obey(self) -> None:
        """Note that nothing that has not begun was received before the last change."""
        self.current()
        self._obeyed = self._word

    def _look(self) -> tuple[int, frozenset[bytes]]:
        word, count = self._memory[0], int.from_bytes(self._memory[_COUNT], "big")
        data = bytes(self._memory[_HEAD : _HEAD + _SIZE * min(count, self._most)])
        return word, frozenset(data[at : at + _SIZE] for at in range(0, len(data), _SIZE))
