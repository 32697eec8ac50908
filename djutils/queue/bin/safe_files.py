"""Files in directories that other users can write to: opened once, and never a file that another user planted.

A path is resolved component by component and opened without following a link; all further checks
use the descriptor. A file that cannot be trusted raises ``Untrusted``, an ``OSError``
whose ``strerror`` gives the reason.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Self

LOG_MODE = 0o640
_PATH_ONLY = getattr(os, "O_PATH", 0)
_DIRECTORY = (_PATH_ONLY or os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KERNELS = Path("/proc")
_MOST_LINKS = 40
_TRIES = 10
_LAST_BYTES = 1 << 13
_LAST_LINES = 20
_OTHERS = 0o022


class Untrusted(PermissionError):
    """Another user may have planted this file; it is neither read nor written."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EPERM, reason)


class Directory:
    """A directory, opened once: its path may lead elsewhere later, the descriptor does not. A context manager.

    Links in its path are followed if they belong to a trusted user. Raises ``OSError``.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open("/", _DIRECTORY)
        try:
            self._walk(path.absolute())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of the file ``name``, new files with mode 0600; raise ``OSError`` for a symbolic link.

        This never blocks: a pipe without a reader also raises ``OSError``.
        """
        # Links in /proc/self/fd lead to open files, which may be unnamed: only the kernel can follow them.
        follow = 0 if self.is_the_kernels else os.O_NOFOLLOW
        return os.open(name, flags | _FILE | follow, 0o600, dir_fd=self._fd)

    def open_or_create(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Return a descriptor of the file ``name``; a new file has ``mode``, whatever the umask."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return self.open(name, flags)
            with suppress(FileExistsError):
                fd = self.open(name, flags | os.O_CREAT | os.O_EXCL)
                os.fchmod(fd, mode)
                return fd
        raise Untrusted("it is being removed and recreated all the time")

    def has(self, name: str, fd: int) -> bool:
        """Return whether the open file ``fd`` is still the file with that name."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=self._fd, follow_symlinks=False))
        except FileNotFoundError:
            return False

    def rename(self, name: str, other: str) -> None:
        """Rename the file ``name`` to ``other``, replacing an existing file."""
        os.rename(name, other, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def unlink(self, name: str) -> None:
        """Remove the file ``name``."""
        os.unlink(name, dir_fd=self._fd)

    def link(self, name: str) -> str | None:
        """Return the target of the symbolic link ``name``, None if it is not a link.

        Raises ``Untrusted`` if the link belongs to a user who is not trusted here.
        """
        try:
            if not _PATH_ONLY:
                found = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
                return self._target(name, self._fd, found, name) if stat.S_ISLNK(found.st_mode) else None
            fd = os.open(name, _PATH_ONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(fd)
            # Read through the descriptor: the name may belong to another link by now.
            return self._target("", fd, found, name) if stat.S_ISLNK(found.st_mode) else None
        finally:
            os.close(fd)

    @property
    def is_the_kernels(self) -> bool:
        """Whether it is part of /proc, where no user can plant files."""
        with suppress(FileNotFoundError):
            return os.fstat(self._fd).st_dev == _KERNELS.stat().st_dev
        return False

    def reason_to_refuse(self, file: os.stat_result) -> str:
        """Return why ``file``, found in this directory, must not be written; '' if it may be."""
        if self.is_the_kernels or stat.S_ISCHR(file.st_mode) or not self._is_shared():
            return ""
        if not self._trusts(file.st_uid):
            return f"it belongs to {user(file.st_uid)}"
        return "it has a second name, a hard link" if file.st_nlink > 1 else ""

    def _walk(self, path: Path) -> None:
        names, links = deque(path.parts[1:]), 0
        while names:
            name = names.popleft()
            if (target := self.link(name)) is None:
                self._step(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            parts = Path(target).parts
            if parts[0] == "/":
                self._step("/")
                parts = parts[1:]
            names.extendleft(reversed(parts))

    def _step(self, name: str) -> None:
        inner = os.open(name, _DIRECTORY, dir_fd=self._fd)
        os.close(self._fd)
        self._fd = inner

    def _target(self, path: str, fd: int, link: os.stat_result, name: str) -> str:
        if not (self._trusts(link.st_uid) or self.is_the_kernels):
            raise Untrusted(f"'{name}' is a symbolic link of {user(link.st_uid)}, which is not followed")
        return os.readlink(path, dir_fd=fd)

    def _trusts(self, owner: int) -> bool:
        """Return whether ``owner`` is trusted here: we and root are; if we are not root, so is the directory's owner."""
        us = os.geteuid()
        return owner in _trusted() or (us != 0 and owner == os.fstat(self._fd).st_uid)

    def _is_shared(self) -> bool:
        """Return whether others can put files into it."""
        found = os.fstat(self._fd)
        return bool(found.st_mode & _OTHERS) or found.st_uid not in _trusted()


def _trusted() -> set[int]:
    # In a user namespace root's files may belong to another id: the owner of the root directory is trusted.
    return {os.geteuid(), 0, Path("/").stat().st_uid}


def open_log(path: Path) -> int:
    """Return a descriptor that appends to the log at ``path``; a new file has mode 0640, whatever the umask.

    The log may be a regular file, a pipe with a reader, or a device such as ``/dev/stderr``. Raises ``OSError``.
    """
    path = path.absolute()
    for _ in range(_MOST_LINKS):
        with Directory(path.parent) as directory:
            target = None if directory.is_the_kernels else directory.link(path.name)
            if target is None:
                return _open_log(directory, path.name)
        path = path.parent / target
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def create_log(path: Path, uid: int, gid: int) -> None:
    """Create an empty log that belongs to another user; raise ``OSError`` if the name is taken."""
    with Directory(path.parent) as directory:
        fd = directory.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.fchmod(fd, LOG_MODE)
        os.fchown(fd, uid, gid)
    finally:
        os.close(fd)


def _open_log(directory: Directory, name: str) -> int:
    try:
        fd = directory.open_or_create(name, os.O_WRONLY | os.O_APPEND, LOG_MODE)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nothing reads from this pipe or socket") from error
        raise
    found = os.fstat(fd)
    kinds = (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISCHR)
    known = directory.is_the_kernels or any(is_kind(found.st_mode) for is_kind in kinds)
    if reason := directory.reason_to_refuse(found) if known else "it is neither a file, a pipe nor a device":
        os.close(fd)
        raise Untrusted(reason)
    os.set_blocking(fd, True)
    return fd


def size(path: Path) -> int:
    """Return the size in bytes of the file at ``path``; 0 if it is unknown."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def last_lines(path: Path, since: int = 0) -> list[str]:
    """Return the last lines of a regular file that follow its first ``since`` bytes; only the last few KiB are read."""
    try:
        fd = os.open(path, os.O_RDONLY | _FILE)
    except OSError:
        return []
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return []
        start = max(since, found.st_size - _LAST_BYTES)
        lines = os.pread(fd, _LAST_BYTES, start).decode(errors="replace").splitlines()
        # The first line is incomplete.
        return lines[1 if start > since else 0 :][-_LAST_LINES:]
    finally:
        os.close(fd)


def user(uid: int) -> str:
    """Return the user ``uid`` as text for a message."""
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"
