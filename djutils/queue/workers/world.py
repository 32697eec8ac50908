"""Process state that every command in the main thread finds unchanged, whatever the previous command did."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from django.core.cache import caches

from .os_signals import WorkerSignals

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class World:
    """Current directory, umask and signal handlers: state that costs next to nothing to restore.

    Restoring the environment, the locale and module state is left to the commands.
    """

    def __init__(self, signals: WorkerSignals) -> None:
        self._signals = signals
        self._directory = -1
        self._path = ""
        self._umask = 0

    def remember(self) -> None:
        """Record the current state as the one that every command should find."""
        self._signals.remember()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        with suppress(OSError):  # the directory has been removed, or may not be read
            self._path = os.getcwd()  # noqa: PTH109  (chdir expects a str)
            self._directory = os.open(".", _DIRECTORY)

    def restore(self) -> None:
        """Restore the recorded state."""
        os.umask(self._umask)
        try:
            os.fchdir(self._directory)
        except OSError:
            self._go_back()
        self._signals.restore()

    def _go_back(self) -> None:
        """Change the directory by path: a command closed the descriptor, or it could never be opened."""
        with suppress(OSError):
            os.chdir(self._path)
            self._directory = os.open(".", _DIRECTORY)


def keep_caches() -> None:
    """Let each thread keep its cache connections between commands.

    Django keeps them in the context, and every command has its own context: each command that uses the
    cache would open a connection.
    """
    caches._connections = threading.local()  # type: ignore[attr-defined]
