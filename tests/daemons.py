"""The consumer's command line as a user types it, and the processes it leaves running."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.consumers import is_alive
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "djutils" / "queue" / "bin" / "consumer.py"
BY_PATH = (sys.executable, str(SCRIPT))
AS_MODULE = (sys.executable, "-m", "djutils.queue.bin.consumer")
MANAGE = (sys.executable, "-m", "tests.project.manage")
_MARK = "DJUTILS_TEST_MARK"


class Terminal:
    """Runs commands in ``folder``; ``-p pid -l log`` are added to the consumer's own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.pidfile = folder / "pid"
        self.log_file = folder / "log"
        self._begun: list[subprocess.Popen[str]] = []
        self._mark = secrets.token_hex(8)
        self.environment = {
            **os.environ,
            **environment,
            "DJANGO_SETTINGS_MODULE": environment.get("DJANGO_SETTINGS_MODULE", "tests.project.settings"),
            "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
            _MARK: self._mark,
        }

    def consumer(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``consumer.py words -l log -p pid``, to its end."""
        return self.run(*BY_PATH, *words, "-l", "log", "-p", "pid")

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Any command, to its end."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def begin(self, *command: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        """Any command, in the background."""
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=pass_fds,
        )
        self._begun.append(process)
        return process

    def pid(self) -> int:
        """The process id in the pidfile."""
        return int(self.pidfile.read_text().splitlines()[0])

    def log(self) -> str:
        """What is in the log file."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def processes(self) -> set[int]:
        """Every living process started from this terminal."""
        mark = f"{_MARK}={self._mark}".encode()
        found = set()
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (path / "environ").read_bytes().split(b"\0") and is_alive(int(path.name)):
                    found.add(int(path.name))
        return found

    def close(self) -> None:
        """Kill whatever is left."""
        # Until there are none: a supervisor may replace a killed worker before it is killed itself.
        wait_until(self._all_are_killed)
        for process in self._begun:
            process.communicate()

    def _all_are_killed(self) -> bool:
        left = self.processes()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left
