"""A consumer for development that restarts whenever the code changes."""

from __future__ import annotations

import logging
import math
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from django.apps import apps
from django.utils.autoreload import StatReloader, get_child_arguments

logger = logging.getLogger("djutils.queue.bin.reloading")

NO_RELOAD = "--no-reload"
_LOOK_EVERY = 1.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def was_called_as(command: str) -> bool:
    """Return whether this process was started as ``manage.py <command>``, and can be started so again."""
    return sys.argv[1:2] == [command]


def child_command() -> list[str]:
    """Return the command line that starts this process again, without reloading."""
    return [*map(str, get_child_arguments()), NO_RELOAD]


class CodeWatcher(StatReloader):
    """Django's own watcher of every imported file, and of the project's files that are not imported yet."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[Path, float] = {}
        installed = Path(sysconfig.get_path("purelib"))
        for app in apps.get_app_configs():
            if not Path(app.path).is_relative_to(installed):
                self.watch_dir(app.path, "**/*.py")

    def changed(self) -> list[Path]:
        """Return the files written since the last call; the first call only records them.

        A new file counts if it belongs to the project.
        """
        before, self._seen = self._seen, dict(self.snapshot_files())
        return [path for path, written in self._seen.items() if before and written > self._when(path, before)]

    def _when(self, path: Path, before: dict[Path, float]) -> float:
        ours = any(path.is_relative_to(directory) for directory in self.directory_globs)
        return before.get(path, 0.0 if ours else math.inf)


class Reloader:
    """Keeps the consumer ``command`` running as a child process, and restarts it for every change of the code.

    The child has its own process group, so that a Ctrl-C reaches it only once, through this process. It
    reads nothing from the terminal.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._told = False

    def run(self) -> int:
        """Run until a signal ends it; return the last child's exit code."""
        heard = [*_STOPPING]
        if (
            signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        ):  # nohup; the consumer itself always handles the others
            heard.remove(signal.SIGHUP)
        before = {number: signal.signal(number, self._stop) for number in heard}
        try:
            return self._keep()
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _keep(self) -> int:
        watcher = CodeWatcher()
        watcher.changed()
        self._start()
        while not self._stopped:
            time.sleep(_LOOK_EVERY)
            if changed := watcher.changed():
                logger.warning("%s changed: restarting the consumer.", changed[0])
                self._end()
                if not self._stopped:
                    self._start()
            elif self._child and self._child.poll() is not None and not (self._told or self._stopped):
                self._told = True
                logger.warning(
                    "The consumer ended with code %d; it is restarted when the code changes.",
                    self._child.returncode,
                )
        self._end()
        return max(0, self._child.returncode) if self._child else 0

    def _start(self) -> None:
        self._told = False
        self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, process_group=0)

    def _end(self) -> None:
        if self._child and self._child.poll() is None:
            if not self._stopped:
                self._child.terminate()
            self._child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Pass the signal on at once: a second one ends running commands, as it does without reloading."""
        self._stopped = True
        if self._child:
            self._child.send_signal(signal.SIGTERM)
