"""A consumer as a separate process, for tests that signal it, kill it and read its log."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "tests.run_consumer")
READY = re.compile(r"Worker process (\d+) is ready")


class Consumer:
    """Runs until the ``with`` ends; no process of it is left then, whatever happened.

    ``options`` are those of the command line. It is the leader of its own session.
    """

    def __init__(
        self, environment: Mapping[str, str], log: Path, *options: str, processes: int = 1, threads: int = 1
    ) -> None:
        self.log_file = log
        self.processes = processes
        self._command = [*COMMAND, "-w", str(processes), "-t", str(threads), *options]
        self._environment = {**os.environ, **environment, "DJANGO_SETTINGS_MODULE": "tests.project.settings"}
        self._read_from = log.stat().st_size if log.exists() else 0

    def __enter__(self) -> Consumer:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill_all()

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self._process.pid

    def log(self) -> str:
        """What this consumer has logged so far."""
        return self.log_file.read_bytes()[self._read_from :].decode(errors="replace")

    def ready(self) -> Consumer:
        """Wait until every worker process has reached the backend."""
        wait_until(self._is_ready, why=self.log)
        return self

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, f"the consumer ended at once:\n{self.log()}"
        return len(READY.findall(self.log())) >= self.processes

    def workers(self) -> list[int]:
        """The process ids of the workers that are ready and alive, the oldest first."""
        alive = self.members()
        return [pid for pid in map(int, READY.findall(self.log())) if pid in alive]

    def maintainer(self) -> int:
        """The process id of the maintainer, once every worker is ready; 0 before."""
        others = self.members() - {self.pid, *self.workers()}
        return others.pop() if len(others) == 1 and len(self.workers()) == self.processes else 0

    def is_running(self) -> bool:
        """Whether the supervisor is still running."""
        return self._process.poll() is None

    def members(self) -> set[int]:
        """Every process of this consumer that is alive."""
        return members_of(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        self._process.send_signal(number)

    def exit_code(self, timeout: float = 40.0) -> int:
        """Wait for its end, and for the end of all its processes; by default for longer than its grace period."""
        wait_until(lambda: self._process.poll() is not None, timeout, why=self.log)
        wait_until(lambda: not self.members(), why=lambda: f"left behind: {self.members()}\n{self.log()}")
        return int(self._process.returncode)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of it at once; each worker has its own process group."""
        for pid in self.members():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_worker(self) -> None:
        """Kill the oldest worker as soon as there is one; return when it is gone."""
        pid = wait_until(self.workers, why=self.log)[0]
        with suppress(ProcessLookupError):  # it was just ending
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))

    def insist(self) -> None:
        """Send SIGTERM, with pauses, until it stops waiting for running commands."""
        wait_until(lambda: "are killed" in self.log() or self.signal(signal.SIGTERM), every=0.1, why=self.log)

    def stop(self) -> int:
        """Send SIGTERM; return the exit code when everything has ended."""
        self.signal(signal.SIGTERM)
        return self.exit_code()

    def kill_all(self) -> float:
        """Send SIGKILL to all its processes; return the moment from which none of them did anything."""
        # One by one, the last would have the time to take over from the first.
        wait_until(self._is_stopped)
        moment = time.time()
        self.signal_all(signal.SIGKILL)
        self._process.wait()
        wait_until(self._is_gone)
        return moment

    def _is_stopped(self) -> bool:
        self.signal_all(signal.SIGSTOP)
        return all(_stat_of(Path("/proc", str(pid)))[0] in "TtZX" for pid in self.members())

    def _is_gone(self) -> bool:
        self.signal_all(signal.SIGKILL)  # what was just being forked
        return not self.members()


def members_of(session: int) -> set[int]:
    """Every living process of a session."""
    return {int(path.name) for path in Path("/proc").glob("[0-9]*") if _session_of(path) == session}


def kill_session(session: int) -> None:
    """Send SIGKILL to every process group of a session."""
    while members := members_of(session):
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _session_of(process: Path) -> int:
    """Return the session, or 0 for a process that is gone or a zombie."""
    state, session = _stat_of(process)
    return 0 if state in "ZX" else session


def _stat_of(process: Path) -> tuple[str, int]:
    """Return the state and the session of a process; ``X`` and 0 if it is gone."""
    try:
        state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
    except (OSError, ValueError):
        return "X", 0
    return state, int(session)


def is_alive(pid: int) -> bool:
    """Return whether there is such a process, and it is not a zombie."""
    return bool(_session_of(Path("/proc", str(pid))))
