"""What a command in the main thread finds of its process, and gets back as it was whatever the last one did."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from django.core.cache import caches

from .os_signals import WorkerSignals

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class World:
    """Current directory, umask and signal handlers: what costs next to nothing to put back.

    The environment, the locale and what modules hold are the command's own to put back.
    """

    def __init__(self, signals: WorkerSignals) -> None:
        self._signals = signals
        self._directory = -1
        self._path = ""
        self._umask = 0

    def remember(self) -> None:
        """Take what is now for what every command is to find."""
        self._signals.remember()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        with suppress(OSError):  # it has been removed, or may not be read
            self._path = os.getcwd()  # noqa: PTH109  (a str is what chdir wants)
            self._directory = os.open(".", _DIRECTORY)

    def restore(self) -> None:
        """Put it back."""
        os.umask(self._umask)
        try:
            os.fchdir(self._directory)
        except OSError:
            self._go_back()
        self._signals.restore()

    def _go_back(self) -> None:
        """A command has closed the directory with all other files; or it could never be opened."""
        with suppress(OSError):
            os.chdir(self._path)
            self._directory = os.open(".", _DIRECTORY)


def keep_caches() -> None:
    """Let each thread keep its cache connections from command to command.

    Django keeps them in the context, of which every command has one of its own: each that uses the
    cache would connect.
    """
    caches._connections = threading.local()  # type: ignore[attr-defined]
