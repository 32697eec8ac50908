"""The pidfile, and beside it the state file: who the consumer is, whether it lives, and how it runs.

The pidfile holds the process id and a newline, as every tool expects. The state file,
``<pidfile>.state``, is JSON: ``pid``, ``birth``, ``started`` (seconds since the epoch), ``queues``,
``processes``, ``threads``, ``workers`` (their pids) and whatever else ``stop`` and ``restart`` need.

The lock on the state file is the truth: only its owner and root can open it, so no stranger can
hold that lock. The pidfile is locked as well. That lock counts where there is no state: the file
was removed, it may not be read, or the consumer is older than state files and keeps its JSON in
the pidfile's second line. Everybody may read a pidfile, and lock it; it is believed only if the
process it names is the one that holds it.
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
    """What a pidfile and its state file say."""

    alive: bool
    pid: int
    """0 if they do not say."""
    info: dict[str, Any]
    owner: int = 0
    """The user id to which they belong."""


class Pidfile:
    """Takes the pidfile, keeps it locked, and removes it: a context manager.

    Entering raises ``ConsumerError``: 75 when a consumer holds it, 73 when it cannot be written.
    A stale one is replaced. The files are given to ``owner``, a user and a group id.
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
        """Close the files. In a forked child, that leaves the locks to the parent alone."""
        for fd in {self._fd, self._state} - {-1}:
            os.close(fd)
        self._state = self._fd = -1
        if self._directory:
            self._directory.close()
            self._directory = None

    def rewrite(self, **info: Any) -> None:
        """Change what the state file says, in place. Raises ``OSError``; the locks are held all the same."""
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
        # Complete and locked before it gets its name: nobody ever reads an empty one.
        self._fd = directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        _lock(self._fd, fcntl.LOCK_EX)
        _write(self._fd, str(pid))
        # Whatever the umask: everybody may ask whether it runs.
        os.fchmod(self._fd, 0o644)
        if self._owner:
            os.fchown(self._state, *self._owner)
            os.fchown(self._fd, *self._owner)
        directory.rename(name, self.path.name)
        self._name = self.path.name


def read(path: Path) -> Holder | None:
    """Return what the pidfile at ``path`` and its state file say; None when there is no pidfile.

    Raises ``ConsumerError`` when it cannot be read, or when it belongs to another user and names a
    process that is not a consumer of his.
    """
    for _ in range(_TRIES):
        holder = _look(path)
        if holder is None or holder.pid or not holder.alive:
            return holder
        time.sleep(_PAUSE)  # taken, but not yet written
    return holder


def remove_stale(path: Path) -> bool:
    """Remove the pidfile at ``path`` and its state file if no consumer holds them; return whether it did.

    Raises ``ConsumerError`` when it may not be removed.
    """
    with _explained(path, "remove"), suppress(FileNotFoundError), Directory(path.parent) as directory:
        found = _look_at_pidfile(directory, path)
        if found is None:
            return False
        state = _lock_state(directory, path, {os.geteuid(), 0, found.owner})
        try:
            # Looked at again: now no consumer can start in between.
            if state != -1 and (found := _look_at_pidfile(directory, path)) and not found.alive:
                directory.unlink(path.name)
                return True
        finally:
            if state != -1:
                _remove(directory, path.name + STATE, state)
                os.close(state)
    return False


def already_running(path: Path, holder: Holder | None) -> ConsumerError:
    """Return the error that says so."""
    who = f"process {holder.pid}" if holder and holder.pid else "another process"
    return ConsumerError(
        f"Already running: {who} holds the pidfile {path}. Stop it first, or run a second consumer "
        f"with its own pidfile (-p).",
        ALREADY_RUNNING,
    )


def not_yours(path: Path, owner: int) -> ConsumerError:
    """Return the error that says whose pidfile it is, and that nothing was done."""
    return ConsumerError(
        f"The pidfile {path} belongs to {user(owner)} and is left alone. Act as that user, or name "
        f"another file with -p.",
        CANNOT_WRITE,
    )


class _State(NamedTuple):
    """What was seen of a state file."""

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
            # A living one would hold the lock, whoever holds that on the pidfile.
            return found._replace(alive=False, info=state.info)
        return found
    return None


def _living(state: _State, found: Holder | None, path: Path) -> Holder:
    """Return who holds the lock on the state file."""
    pid = state.info.get("pid")
    if not isinstance(pid, int):  # it is damaged: the pidfile may know
        pid = found.pid if found and processes.has_open(found.pid, state.file) else 0
    owner = found.owner if found else state.file.st_uid
    _refuse_planted(path, owner, pid, state.file)
    return Holder(True, pid, state.info, owner)


def _look_at_pidfile(directory: Directory, path: Path) -> Holder | None:
    """Return what the pidfile itself says; it lives if the process it names holds it and its lock."""
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
    """Return what the state file says; None if there is none, if we may not look, or if a stranger made it."""
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
    """What another user wrote can only be about his own process, and only one that takes part."""
    if owner in {os.geteuid(), 0}:
        return
    its = processes.identity(pid)
    if its is None or its[0] != owner or processes.has_open(pid, file) is False:
        raise not_yours(path, owner)


def _refuse_other_files(fd: int, path: Path) -> os.stat_result:
    """A mistyped -p must not overwrite someone's file."""
    file = os.fstat(fd)
    regular = stat.S_ISREG(file.st_mode) and file.st_nlink < 2
    first = os.pread(fd, 64, 0).partition(b"\n")[0].strip() if regular else b"?"
    if first and not first.isdigit():
        raise ConsumerError(
            f"{path} is not a pidfile and is left alone: name another file with -p.", CANNOT_WRITE
        )
    return file


def _lock_state(directory: Directory, path: Path, owners: set[int]) -> int:
    """Return a descriptor of the state file, locked; -1 if a consumer has it."""
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
        time.sleep(_PAUSE)  # someone who only reads has it for a moment
    return -1


def _remove(directory: Directory, name: str, fd: int) -> None:
    """Remove an open file; empty it where that is not allowed."""
    if fd == -1 or not directory.has(name, fd):
        return
    try:
        directory.unlink(name)
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, 0)


def _write(fd: int, line: str) -> None:
    # Cut after writing: a reader never finds it empty.
    text = f"{line}\n".encode()
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))


def _parse(text: str) -> dict[str, Any]:
    info: Any = {}
    with suppress(ValueError, RecursionError):
        # What follows the first value was left over by a rewrite going on right now.
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
