"""Becoming a daemon, and reporting the result to the terminal. The only file that uses python-daemon."""

from __future__ import annotations

import json
import logging
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, NoReturn

from daemon import DaemonContext

from djutils.queue.bin import streams
from djutils.queue.bin.safe_files import open_log
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.child import leave, leave_finalizers
from djutils.queue.workers.streams import flush_standard_streams

logger = logging.getLogger("djutils.queue.bin.daemonize")

_TO_END = 10.0
_OPEN_FILES = "/dev/fd"


class Readiness:
    """The pipe on which a daemon reports, once, to the process that started it whether it is up."""

    def __init__(self) -> None:
        self._hear, self._say = os.pipe()

    @property
    def is_awaited(self) -> bool:
        """Whether the report has not been made yet."""
        return self._say != -1

    def ok(self) -> None:
        """Report that the daemon is up."""
        self._tell({})

    def failed(self, error: ConsumerError) -> None:
        """Report why the daemon cannot start. After ``ok()`` this has no effect: the starter no longer listens."""
        self._tell({"error": str(error), "exit_code": error.exit_code})

    def let_go(self) -> None:
        """Close the pipe: an end held open by a child would hide that this process has died."""
        for fd in {self._hear, self._say} - {-1}:
            os.close(fd)
        self._hear = self._say = -1

    def wait(self) -> None:
        """Wait for the report: return on success, raise the reported error, or ``EOFError`` if it died without one."""
        os.close(self._say)
        self._say = -1
        with os.fdopen(self._hear, encoding="utf-8") as pipe:
            self._hear = -1
            word = pipe.readline()
        if not word.endswith("\n"):
            raise EOFError
        if failure := json.loads(word):
            raise ConsumerError(failure["error"], failure["exit_code"])

    def _tell(self, word: dict[str, Any]) -> None:
        if not self.is_awaited:
            return
        with suppress(BrokenPipeError), os.fdopen(self._say, "w", encoding="utf-8") as pipe:
            self._say = -1
            pipe.write(json.dumps(word) + "\n")


def spawn(live: Callable[[Readiness], int]) -> None:
    """Run ``live`` in a child with one end of a pipe, and wait for its report.

    The child exits with the code that ``live`` returns; it never returns from here. Raises the error that
    the child reports, or ``EOFError`` if it died without a report.
    """
    readiness = Readiness()
    flush_standard_streams()
    pid = os.fork()
    if pid == 0:
        _exit_with(live, readiness)
    leave_finalizers()  # left to the daemon, which keeps using what this process made
    try:
        readiness.wait()
    finally:
        os.waitpid(pid, 0)


def _exit_with(live: Callable[[Readiness], int], readiness: Readiness) -> NoReturn:
    code = 1
    try:
        code = live(readiness)
    except ConsumerError as error:
        readiness.failed(error)
        code = error.exit_code
    except BaseException:  # any error must reach the terminal, and this child must end
        logger.exception("The consumer failed.")
        readiness.failed(ConsumerError(f"The consumer failed:\n{traceback.format_exc()}"))
    finally:
        leave(code, _TO_END)


def apart(act: Callable[[], int], log: Path) -> None:
    """Run ``act`` in a detached process with its own session; return at once.

    Its output goes to ``log``, if that can be opened.
    """
    flush_standard_streams()
    pid = os.fork()
    if pid:
        leave_finalizers()  # left to the detached process
        os.waitpid(pid, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    code = 1
    try:
        _lead_away(log)
        code = act()
    except ConsumerError as error:
        streams.warn(str(error))
    except BaseException:  # noqa: BLE001  (the error is reported nowhere else, and this process must end)
        streams.warn(traceback.format_exc())
    finally:
        leave(code, _TO_END)


def _lead_away(log: Path) -> None:
    output = null = os.open(os.devnull, os.O_RDWR)
    with suppress(OSError):
        output = open_log(log)
    for number, target in enumerate((null, output, output)):
        os.dup2(target, number)


def detached(pidfile: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """Return a context in which this process is a daemon that holds ``pidfile``.

    It has its own session, no terminal, and the same directory and umask; the standard streams are /dev/null.
    Files that this program opened itself stay open.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    context: AbstractContextManager[Any] = DaemonContext(
        detach_process=True,  # python-daemon guesses wrong under a shell that is process 1
        working_directory=os.getcwd(),  # noqa: PTH109  (it expects a str)
        umask=umask,
        prevent_core=False,  # limits are the caller's choice, as in the foreground
        pidfile=pidfile,
        files_preserve=_own_files(),
        # SIGTERM keeps its default until the supervisor handles it: python-daemon's handler raises SystemExit.
        signal_map=dict.fromkeys((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)),
    )
    return context


def _own_files() -> list[int]:
    """Return the files that Python opened: unlike inherited ones, they close on exec.

    Closing them would leave objects with descriptor numbers that soon belong to other files.
    """
    found = []
    for fd in [int(name) for name in os.listdir(_OPEN_FILES)]:  # noqa: PTH208  (names are enough)
        with suppress(OSError):  # the descriptor that listed the directory
            if fd > 2 and not os.get_inheritable(fd):
                found.append(fd)
    return found
