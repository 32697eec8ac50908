"""The last lines a worker process logged, in memory that outlives it: what a dead letter can tell of a crash."""

from __future__ import annotations

import logging
import mmap
import struct

from .log_lines import lines

SIZE = 4096
_LONGEST_LINE = 500
_HEAD = struct.Struct("=Q")


class LastWords(logging.Handler):
    """Keeps the last ``SIZE`` bytes of what is logged. Made before the fork, written in the child."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(lines)
        self._memory = mmap.mmap(-1, _HEAD.size + SIZE)
        self._written = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record, over the oldest ones."""
        try:
            line = f"{self.format(record)[:_LONGEST_LINE]}\n".encode(errors="backslashreplace")
        except Exception:  # noqa: BLE001  (logging's own rule: a record that cannot be formatted ends nothing)
            self.handleError(record)
            return
        at = _HEAD.size + self._written % SIZE
        to_end = _HEAD.size + SIZE - at
        self._memory[at : at + len(line[:to_end])] = line[:to_end]
        self._memory[_HEAD.size : _HEAD.size + len(line[to_end:])] = line[to_end:]
        self._written += len(line)
        _HEAD.pack_into(self._memory, 0, self._written)

    def read(self, count: int = 10) -> str:
        """Answer the last ``count`` lines, oldest first; in whatever process."""
        (written,) = _HEAD.unpack_from(self._memory)
        kept = self._memory[_HEAD.size :]
        at = written % SIZE
        text = (kept[at:] + kept[:at]) if written > SIZE else kept[:at]
        whole = text.decode(errors="replace").splitlines()
        return "\n".join((whole[1:] if written > SIZE else whole)[-count:])
