"""The pidfile: who the consumer is and, by its lock, whether it lives.

The lock is the truth. Whatever pid an unlocked file names, nobody of ours has it any more. The
first line is the pid, the second JSON: ``started`` (seconds since the epoch), ``queues``,
``processes``, ``threads``, ``workers`` (their pids) and what ``stop`` needs to know.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from djutils.queue.bin import processes
from djutils.queue.exceptions import ConsumerError

CANNOT_WRITE = 73
ALREADY_RUNNING = 75
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_LARGEST = 1 << 16
_TRIES = 15
_PAUSE = 0.02


class Holder(NamedTuple):
    """What a pidfile says."""

    alive: bool
    pid: int
    """0 if the file does not say."""
    info: dict[str, Any]


class Pidfile:
    """Takes the pidfile, keeps it locked, and removes it: a context manager.

    Entering raises ``ConsumerError``: 75 when a consumer holds it, 73 when it cannot be written.
    A stale one is replaced.
    """

    def __init__(self, path: Path, **info: Any) -> None:
        self.path = path
        self._info = info
        self._fd: int | None = None

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            fd = self._open()
            try:
                _refuse_foreign(fd, self.path)
                if _lock(fd, fcntl.LOCK_EX) and _is_at(fd, self.path):
                    self._fd = fd
                    self._begin()
                    return self
            finally:
                if self._fd is None:
                    os.close(fd)
            time.sleep(_PAUSE)  # someone who only reads has it for a moment
        raise already_running(self.path, read(self.path))

    def __exit__(self, *exc_info: object) -> None:
        if self._fd is None:
            return
        if _is_at(self._fd, self.path):
            with suppress(FileNotFoundError):
                self.path.unlink()
        self.let_go()

    def let_go(self) -> None:
        """Close the file. In a forked child, that leaves the lock to the parent alone."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def rewrite(self, **info: Any) -> None:
        """Change what it says, in place. Raises ``OSError``; the lock is held all the same."""
        self._info.update(info)
        if self._fd is not None:
            text = f"{os.getpid()}\n{json.dumps(self._info)}\n".encode()
            # Cut after writing: a reader never finds it empty.
            os.pwrite(self._fd, text, 0)
            os.ftruncate(self._fd, len(text))

    def _begin(self) -> None:
        pid = os.getpid()
        try:
            self.rewrite(started=time.time(), birth=processes.birth(pid))
            # Whatever the umask: everybody may ask whether it runs.
            os.fchmod(self._fd or -1, 0o644)
        except OSError as error:
            self.__exit__()
            raise ConsumerError(_explain(self.path, error), CANNOT_WRITE) from error

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)
        except OSError as error:
            raise ConsumerError(_explain(self.path, error), CANNOT_WRITE) from error


def read(path: Path) -> Holder | None:
    """Answer what the pidfile at ``path`` says; None when there is none.

    Raises ``ConsumerError`` when it cannot be read.
    """
    for _ in range(_TRIES):
        holder = _look(path)
        if holder is None or holder.pid or not holder.alive:
            return holder
        time.sleep(_PAUSE)  # taken, but not yet written
    return holder


def remove_stale(path: Path) -> bool:
    """Remove the pidfile at ``path`` if nobody holds it; answer whether it was removed."""
    try:
        fd = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError:
        return False
    try:
        _refuse_foreign(fd, path)
        if stale := _lock(fd, fcntl.LOCK_EX) and _is_at(fd, path):
            path.unlink()
    except OSError as error:
        raise ConsumerError(f"Cannot remove the stale pidfile {path}: {error.strerror}.") from error
    finally:
        os.close(fd)
    return stale


def already_running(path: Path, holder: Holder | None) -> ConsumerError:
    """Answer the error that says so."""
    who = f"process {holder.pid}" if holder and holder.pid else "another process"
    return ConsumerError(
        f"Already running: {who} holds the pidfile {path}. Stop it first, or run a second consumer "
        f"with a pidfile of its own (-p).",
        ALREADY_RUNNING,
    )


def _look(path: Path) -> Holder | None:
    try:
        fd = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConsumerError(_explain(path, error, "read"), CANNOT_WRITE) from error
    try:
        _refuse_foreign(fd, path)
        alive = not _lock(fd, fcntl.LOCK_SH)
        text = os.read(fd, _LARGEST).decode(errors="replace")
    finally:
        os.close(fd)
    first, _, rest = text.partition("\n")
    info: Any = {}
    with suppress(ValueError):
        # What follows the first value was left over by a rewrite going on right now.
        info = json.JSONDecoder().raw_decode(rest)[0]
    return Holder(alive, int(first) if first.isdigit() else 0, info if isinstance(info, dict) else {})


def _refuse_foreign(fd: int, path: Path) -> None:
    """A mistyped -p must not cost somebody his data."""
    regular = stat.S_ISREG(os.fstat(fd).st_mode)
    first = os.pread(fd, 64, 0).partition(b"\n")[0].strip() if regular else b"?"
    if first and not first.isdigit():
        raise ConsumerError(
            f"{path} is not a pidfile and is left alone: name another file with -p.", CANNOT_WRITE
        )


def _lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, path: Path) -> bool:
    """Whoever locked a file that was just removed or replaced has locked nothing."""
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


def _explain(path: Path, error: OSError, what: str = "write") -> str:
    if error.errno == errno.ELOOP:
        return f"The pidfile {path} is a symbolic link, which is not followed: name a real file with -p."
    if error.errno == errno.ENOENT:
        return f"Cannot {what} the pidfile {path}: the directory {path.parent} does not exist; create it."
    return f"Cannot {what} the pidfile {path}: {error.strerror}. Name another with -p."
