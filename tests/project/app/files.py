"""Lines in files: what a command leaves behind even if its process or its database dies."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: str | os.PathLike[str], line: object) -> None:
    """Append a line atomically, even if others are writing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def lines(path: str | os.PathLike[str]) -> list[str]:
    """What was written so far; of a line that is just being written one may see half."""
    whole, _, _ = Path(path).read_text().rpartition("\n") if Path(path).exists() else ("", "", "")
    return whole.splitlines()
