"""Processes that are sure to end: what the example starts, it ends, however it ends itself."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Words = Sequence[object]


class Trouble(Exception):
    """The example cannot go on; the message is for the user."""


class _Interrupter:
    """Turns a signal into a KeyboardInterrupt, at once or at the end of an ``undisturbed`` block."""

    def __init__(self) -> None:
        self.depth, self.came = 0, False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self.raise_if_due()

    def raise_if_due(self) -> None:
        """Raise what came, unless it has to wait."""
        if self.came and not self.depth:
            self.came = False
            raise KeyboardInterrupt


_interrupter = _Interrupter()


def listen_to_signals() -> None:
    """Let each of ``SIGNALS`` end the example as Ctrl-C does."""
    for number in SIGNALS:
        signal.signal(number, _interrupter)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put off a signal to the end of the block: what begins in here is finished."""
    _interrupter.depth += 1
    try:
        yield
    finally:
        _interrupter.depth -= 1
        _interrupter.raise_if_due()


@contextmanager
def alone(folder: Path) -> Iterator[TextIO]:
    """Make ``folder`` and make sure that no other run is at work in it.

    Yields a file for the address of the site, which another run shows when it finds this one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise Trouble(
            f"Nothing can be written to {folder}: {error.strerror}. Name another folder with --out."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            place = f" and open at {address}" if (address := file.read().strip()) else ""
            raise Trouble(
                f"Another run is at work in {folder}{place}. Stop it with Ctrl-C, or name another folder with --out."
            ) from None
        file.truncate(0)
        yield file


@contextmanager
def stage() -> Iterator[ExitStack]:
    """Yield a stack of what has to be ended; another Ctrl-C does not disturb the ending."""
    stack = ExitStack()
    try:
        yield stack
    finally:
        with undisturbed():
            stack.close()


def call(words: Words, log: Path, environment: dict[str, str] | None = None) -> str:
    """Run a program to its end and return what it printed, which ``log`` also gets.

    Interrupted, it takes the program and its children along. Raises ``Trouble`` if it fails.
    """
    command = [str(word) for word in words]
    program = None
    try:
        with undisturbed():
            program = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        printed = program.communicate()[0].decode(errors="replace")
    except BaseException:
        if program is not None:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
        raise
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n{printed}")
    if program.returncode:
        raise Trouble(f"This failed:\n\n  {' '.join(command)}\n\n{tail(printed)}\n\nAll of it is in {log}.")
    return printed


def start(
    stack: ExitStack,
    words: Words,
    log: Path,
    environment: dict[str, str] | None = None,
    *,
    listen: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program that runs until ``stack`` closes; its standard input ends with this process.

    ``log`` gets what it prints; with ``listen`` its standard output is for the caller to read.
    """
    with undisturbed(), log.open("ab") as file:
        program = subprocess.Popen(
            [str(word) for word in words], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if listen else file, stderr=file, start_new_session=True,
        )  # fmt: skip
        stack.callback(end, program)
    return program


def end(program: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    """End a program, with SIGKILL if it takes more than ten seconds."""
    program.send_signal(number)
    try:
        program.wait(10)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def tail(text: str, lines: int = 15) -> str:
    """Return the last lines of ``text``, indented."""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def in_session_of(pid: int) -> set[int]:
    """Return the processes in the session of process ``pid``: of a daemon, that is all its workers."""
    try:
        session = os.getsid(pid)
    except ProcessLookupError:
        return set()
    return {other for other in _pids() if _session(other) == session}


def still_there(pids: set[int]) -> set[int]:
    """Return which of ``pids`` still run."""
    return pids & _pids()


def _pids() -> set[int]:
    if not Path("/proc/self").exists():
        return {int(line) for line in subprocess.check_output(["ps", "-A", "-o", "pid="], text=True).split()}
    return {
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and not _is_zombie(path)
    }


def _is_zombie(process: Path) -> bool:
    """Whether it has ended but is still listed, as in a container whose first process does not reap."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return -1
