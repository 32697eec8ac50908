"""A user's own backend: a folder with one file per message, and four methods."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from djutils.queue.backends.base import BaseQueue
from djutils.queue.ids import new_id


class FolderQueue(BaseQueue):
    """``connection`` is the folder."""

    def _files(self) -> list[Path]:
        folder = Path(self.connection, quote(self.name, safe=""))
        return sorted(folder.glob("*-*")) if folder.exists() else []

    def write(self, data: bytes) -> None:
        folder = Path(self.connection, quote(self.name, safe=""))
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"draft.{new_id()}"
        draft.write_bytes(data)
        draft.replace(folder / f"{_ticket(folder):020}-{new_id()}")

    def read(self) -> bytes | None:
        for file in self._files():
            mine = file.with_name(f"mine.{new_id()}")
            try:
                file.rename(mine)
            except FileNotFoundError:
                continue  # another process was faster
            data = mine.read_bytes()
            mine.unlink()
            return data
        return None

    def flush(self) -> None:
        for file in self._files():
            file.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._files())


def _ticket(folder: Path) -> int:
    """A number larger than every one before it: the counter is a file that grows by a byte."""
    descriptor = os.open(folder / "tickets", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, b".")
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)
