"""The pidfile and the state file beside it: which process the consumer is, whether it is alive, and how it runs.

The pidfile holds the process id and a newline, as every tool expects. The state file,
``<pidfile>.state``, is JSON: ``pid``, ``birth``, ``started`` (seconds since the epoch), ``queues``,
``processes``, ``threads``, ``coroutines``, ``workers`` (their pids) and whatever else ``stop`` and ``restart`` need.

The lock on the state file is authoritative: only its owner and root can open the file, so no other user can
hold that lock. The pidfile is also locked. That lock counts where there is no usable state file: it
was removed, it may not be read, or the consumer predates state files and keeps its JSON in
the pidfile's second line. Every user may read a pidfile and lock it; it is trusted only if the
process it names is the one that has it open.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from djutils.queue.bin import processes
from djutils.queue.bin.options import CANNOT_WRITE
from djutils.queue.bin.safe_files import Directory, user
from djutils.queue.exceptions import ConsumerError

ALREADY_RUNNING = 75
STATE = ".state"
_LARGEST = 1 << 16
_TRIES = 15
_PAUSE = 0.02


class Holder(NamedTuple):
    """The contents of a pidfile and its state file."""

    alive: bool
    pid: int
    """0 if unknown."""
    info: dict[str, Any]
    owner: int = 0
    """The id of the user who owns the files."""


class Pidfile:
    """A context manager that creates the pidfile, keeps it locked, and removes it.

    Entering raises ``ConsumerError``: 75 if a consumer holds it, 73 if it cannot be written.
    A stale pidfile is replaced. The files are given to ``owner``, a user id and a group id.
    """

    def __init__(self, path: Path, owner: tuple[int, int] | None = None, **info: Any) -> None:
        self.path = path
        self._owner = owner
        self._info = info
        self._directory: Directory | None = None
        self._state = self._fd = -1
        self._name = path.name

    def __enter__(self) -> Self:
        try:
            with _explained(self.path):
                self._directory = Directory(self.path.parent)
                self._take(self._directory)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._directory:
            _remove(self._directory, self._name, self._fd)
            _remove(self._directory, self.path.name + STATE, self._state)
        self.let_go()

    def let_go(self) -> None:
        """Close the files. In a forked child, this leaves the locks to the parent alone."""
        for fd in {self._fd, self._state} - {-1}:
            os.close(fd)
        self._state = self._fd = -1
        if self._directory:
            self._directory.close()
            self._directory = None

    def rewrite(self, **info: Any) -> None:
        """Update the state file in place. Raises ``OSError``; the locks are kept even then."""
        self._info.update(info)
        if self._state != -1:
            _write(self._state, json.dumps(self._info))

    def _take(self, directory: Directory) -> None:
        trusted = {os.geteuid(), 0, *(self._owner or ())[:1]}
        self._state = _lock_state(directory, self.path, trusted)
        if self._state == -1:
            raise already_running(self.path, read(self.path))
        if found := _look_at_pidfile(directory, self.path):
            if found.alive:
                raise already_running(self.path, found)
            if found.owner not in trusted:
                raise not_yours(self.path, found.owner)
        pid = os.getpid()
        name = self._name = f"{self.path.name}.{pid}.new"
        self.rewrite(pid=pid, started=time.time(), birth=processes.birth(pid))
        with suppress(FileNotFoundError):
            directory.unlink(name)
        # Complete and locked before it gets its name: no process ever reads an empty pidfile.
        self._fd = directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        _lock(self._fd, fcntl.LOCK_EX)
        _write(self._fd, str(pid))
        # Whatever the umask: every user may check whether it is running.
        os.fchmod(self._fd, 0o644)
        if self._owner:
            os.fchown(self._state, *self._owner)
            os.fchown(self._fd, *self._owner)
        directory.rename(name, self.path.name)
        self._name = self.path.name


def read(path: Path) -> Holder | None:
    """Return the contents of the pidfile at ``path`` and its state file; None if there is no pidfile.

    Raises ``ConsumerError`` if it cannot be read, or if it belongs to another user and names a
    process that is not a consumer of that user.
    """
    for _ in range(_TRIES):
        holder = _look(path)
        if holder is None or holder.pid or not holder.alive:
            return holder
        time.sleep(_PAUSE)  # created, but not yet written
    return holder


def remove_stale(path: Path) -> bool:
    """Remove the pidfile at ``path`` and its state file if no consumer holds them; return whether it did.

    Raises ``ConsumerError`` if they may not be removed.
    """
    with _explained(path, "remove"), suppress(FileNotFoundError), Directory(path.parent) as directory:
        found = _look_at_pidfile(directory, path)
        if found is None:
            return False
        state = _lock_state(directory, path, {os.geteuid(), 0, found.owner})
        try:
            # Check again: now no consumer can start in between.
            if state != -1 and (found := _look_at_pidfile(directory, path)) and not found.alive:
                directory.unlink(path.name)
                return True
        finally:
            if state != -1:
                _remove(directory, path.name + STATE, state)
                os.close(state)
    return False


def already_running(path: Path, holder: Holder | None) -> ConsumerError:
    """Return the error for a consumer that is already running."""
    who = f"process {holder.pid}" if holder and holder.pid else "another process"
    return ConsumerError(
        f"Already running: {who} holds the pidfile {path}. Stop it first, or run a second consumer "
        f"with its own pidfile (-p).",
        ALREADY_RUNNING,
    )


def not_yours(path: Path, owner: int) -> ConsumerError:
    """Return the error that names the owner of the pidfile and says that nothing was done."""
    return ConsumerError(
        f"The pidfile {path} belongs to {user(owner)} and is left alone. Act as that user, or name "
        f"another file with -p.",
        CANNOT_WRITE,
    )


class _State(NamedTuple):
    """What was read from a state file."""

    locked: bool
    info: dict[str, Any]
    file: os.stat_result


def _look(path: Path) -> Holder | None:
    with _explained(path, "read"), suppress(FileNotFoundError), Directory(path.parent) as directory:
        found = _look_at_pidfile(directory, path)
        state = _look_at_state(directory, path, found.owner if found else os.geteuid())
        if state and state.locked:
            return _living(state, found, path)
        if found and state and not found.info and found.pid in {0, state.info.get("pid")}:
            # A running consumer would hold this lock, whichever process holds the one on the pidfile.
            return found._replace(alive=False, info=state.info)
        return found
    return None


def _living(state: _State, found: Holder | None, path: Path) -> Holder:
    """Return the process that holds the lock on the state file."""
    pid = state.info.get("pid")
    if not isinstance(pid, int):  # it is damaged: the pidfile may name the process
        pid = found.pid if found and processes.has_open(found.pid, state.file) else 0
    owner = found.owner if found else state.file.st_uid
    _refuse_planted(path, owner, pid, state.file)
    return Holder(True, pid, state.info, owner)


def _look_at_pidfile(directory: Directory, path: Path) -> Holder | None:
    """Return the contents of the pidfile; the consumer is alive if the named process has it open and locked."""
    try:
        fd = directory.open(path.name, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        file = _refuse_other_files(fd, path)
        locked = not _lock(fd, fcntl.LOCK_SH)
        first, _, rest = os.read(fd, _LARGEST).decode(errors="replace").partition("\n")
    finally:
        os.close(fd)
    pid, info = int(first) if first.isdigit() else 0, _parse(rest)
    if locked and pid:
        _refuse_planted(path, file.st_uid, pid, file)
    alive = locked and pid > 0 and processes.is_same(pid, str(info.get("birth", "")))
    alive = alive and processes.has_open(pid, file) is not False
    return Holder(alive, pid, info, file.st_uid)


def _look_at_state(directory: Directory, path: Path, owner: int) -> _State | None:
    """Return the state file's contents; None if it is missing, unreadable, or was made by another user."""
    try:
        fd = directory.open(path.name + STATE, os.O_RDONLY)
    except OSError:
        return None
    try:
        file = os.fstat(fd)
        if not stat.S_ISREG(file.st_mode) or file.st_uid not in {os.geteuid(), 0, owner}:
            return None
        locked = not _lock(fd, fcntl.LOCK_SH)
        return _State(locked, _parse(os.read(fd, _LARGEST).decode(errors="replace")), file)
    finally:
        os.close(fd)


def _refuse_planted(path: Path, owner: int, pid: int, file: os.stat_result) -> None:
    """Refuse another user's file, unless the process it names belongs to that user and may have the file open."""
    if owner in {os.geteuid(), 0}:
        return
    its = processes.identity(pid)
    if its is None or its[0] != owner or processes.has_open(pid, file) is False:
        raise not_yours(path, owner)


def _refuse_other_files(fd: int, path: Path) -> os.stat_result:
    """Refuse a file that is not a pidfile: a mistyped -p must not overwrite someone's file."""
    file = os.fstat(fd)
    regular = stat.S_ISREG(file.st_mode) and file.st_nlink < 2
    first = os.pread(fd, 64, 0).partition(b"\n")[0].strip() if regular else b"?"
    if first and not first.isdigit():
        raise ConsumerError(
            f"{path} is not a pidfile and is left alone: name another file with -p.", CANNOT_WRITE
        )
    return file


def _lock_state(directory: Directory, path: Path, owners: set[int]) -> int:
    """Return a descriptor of the locked state file; -1 if a consumer holds the lock."""
    name = path.name + STATE
    for _ in range(_TRIES):
        fd, locked = directory.open_or_create(name, os.O_RDWR), False
        try:
            file = os.fstat(fd)
            if not stat.S_ISREG(file.st_mode) or file.st_nlink > 1 or file.st_uid not in owners:
                raise not_yours(path.with_name(name), file.st_uid)
            locked = _lock(fd, fcntl.LOCK_EX) and directory.has(name, fd)
            if locked:
                os.fchmod(fd, 0o600)
                return fd
        finally:
            if not locked:
                os.close(fd)
        time.sleep(_PAUSE)  # a process that only reads it holds the lock for a moment
    return -1


def _remove(directory: Directory, name: str, fd: int) -> None:
    """Remove an open file; empty it where removal is not allowed."""
    if fd == -1 or not directory.has(name, fd):
        return
    try:
        directory.unlink(name)
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, 0)


def _write(fd: int, line: str) -> None:
    # Truncated after writing: a reader never finds it empty.
    text = f"{line}\n".encode()
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))


def _parse(text: str) -> dict[str, Any]:
    info: Any = {}
    with suppress(ValueError, RecursionError):
        # Anything after the first value is left over from a rewrite in progress.
        info = json.JSONDecoder().raw_decode(text)[0]
    return info if isinstance(info, dict) else {}


def _lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _explained(path: Path, what: str = "write") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if what != "write":
            raise
        reason = f"the directory {path.parent} does not exist; create it."
        raise ConsumerError(f"Cannot write the pidfile {path}: {reason}", CANNOT_WRITE) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            reason = (
                f"The pidfile {path} is a symbolic link, which is not followed: name a real file with -p."
            )
            raise ConsumerError(reason, CANNOT_WRITE) from error
        reason = f"Cannot {what} the pidfile {path}: {error.strerror}. Name another with -p."
        raise ConsumerError(reason, CANNOT_WRITE) from error
