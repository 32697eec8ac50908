"""Where a consumer is started: the current directory, and the directories it makes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from djutils.queue.bin.options import CANNOT_WRITE
from djutils.queue.exceptions import ConsumerError


def make_importable() -> None:
    """Add the current directory to the import path; for root only if no other user can write there."""
    with suppress(OSError):
        here = os.getcwd()  # noqa: PTH109  (entries of sys.path are texts)
        found = Path(here).stat()
        closed = found.st_uid == 0 and not found.st_mode & 0o022
        if (closed or os.geteuid()) and not sys.flags.safe_path and here not in sys.path:
            sys.path.append(here)


def current_directory() -> Path:
    """Return the current directory; raise ``ConsumerError`` 73 if it has been deleted."""
    try:
        return Path.cwd()
    except OSError as error:
        raise ConsumerError(
            f"The current directory is gone ({error.strerror}). Change to one that exists, and try again.",
            CANNOT_WRITE,
        ) from error


def make_directory(path: Path) -> None:
    """Make a private directory, and its parents; raise ``ConsumerError`` 73 if that fails."""
    try:
        for missing in reversed([one for one in (path, *path.parents) if not one.exists()]):
            missing.mkdir(exist_ok=True)
            missing.chmod(0o700)
    except OSError as error:
        raise ConsumerError(
            f"Cannot make the directory {path}: {error.strerror}. Name other places with -p and -l.",
            CANNOT_WRITE,
        ) from error
