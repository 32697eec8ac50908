"""A FIFO beside a SQLite file: a producer rings after it has sent something, and a waiting consumer wakes at once.

It carries no message and guarantees nothing: a ring that no consumer hears only delays the message until the
next poll. All processes that share a SQLite file are on one machine, so the bell reaches each of them.

Other users may be allowed to write to its directory. Its path is therefore opened once, never through a
symbolic link, and the open file is checked before use: it must be a FIFO with a trusted owner.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import select
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISFIFO

logger = logging.getLogger("djutils.queue.backends.database")

_MANY = 4096
_PASSED_ON = 8
_PRIVATE = 0o600
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


class Doorbell:
    """The bell of one queue in the database file ``database``.

    Any thread may ``ring``; only one waits. The FIFO exists as long as a consumer waits for it.
    """

    def __init__(self, database: Path, queue: str) -> None:
        name = hashlib.sha256(queue.encode()).hexdigest()[:12]
        self._database = database
        self._path = database.with_name(f"{database.name}-djutils-{name}")
        self._fd = -1
        self._told = False

    def ring(self, times: int = 1) -> None:
        """Wake one waiting consumer, or ``times`` of them, if there are any."""
        if not os.access(
            self._path, os.W_OK
        ):  # the usual case while all are busy: opening it would cost more
            return
        with suppress(OSError):  # no consumer waits, or so many rings are unread that one more adds nothing
            # Not kept open: a descriptor number that another thread has just closed may belong to another file.
            fd = os.open(self._path, os.O_WRONLY | _FLAGS)
            try:
                if self._is_ours(os.fstat(fd)):
                    os.write(fd, b"1" * times)
            finally:
                os.close(fd)

    def listen(self) -> int:
        """Open the bell that producers find now, or make one; return its descriptor, or -1 if it cannot be used."""
        try:
            if self._fd < 0 or not self._is_found():
                self._let_go()
                self._fd = self._opened()
        except OSError as error:
            self._give_up(error)
        return self._fd

    def hear(self) -> bool:
        """Return whether it has rung; another consumer may have heard it first."""
        try:
            rings = len(os.read(self._fd, _MANY))
        except BlockingIOError:
            return False
        except OSError as error:
            self._give_up(error)
            return False
        if rings > 1:
            # Pass some of the rings on, as there may be work for the others. Fewer each time, so that they end.
            self.ring(min(rings - 1, _PASSED_ON))
        return True

    def _give_up(self, error: OSError) -> None:
        if not self._told:
            logger.info("The doorbell %s cannot be used (%s): this queue is polled.", self._path, error)
        self._told = True
        # If a command has closed it, the descriptor number may belong to another file by now.
        self._fd = -1

    def _opened(self) -> int:
        made = True
        try:
            os.mkfifo(self._path, _PRIVATE)
        except FileExistsError:
            made = False
        # Also open it for writing: otherwise it would seem to ring whenever the last producer closes it.
        fd = os.open(self._path, os.O_RDWR | _FLAGS)
        try:
            there = os.fstat(fd)
            if not self._is_ours(there):
                raise FileExistsError("something else has its name")
            if made:
                self._share(fd, there)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _is_found(self) -> bool:
        """Return whether the open FIFO is still the one that producers find."""
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _is_ours(self, there: os.stat_result) -> bool:
        """Return whether this is a FIFO of this user, the owner of the database, or root."""
        return S_ISFIFO(there.st_mode) and (
            there.st_uid in {os.geteuid(), 0} or there.st_uid == self._database.stat().st_uid
        )

    def _share(self, fd: int, made: os.stat_result) -> None:
        """Let every user ring who may write to the database, as SQLite does with its own files."""
        if made.st_uid != os.geteuid() or made.st_nlink != 1 or made.st_mode & ~_PRIVATE & 0o7777:
            raise FileExistsError("something else has taken its name")
        database = self._database.stat()
        with suppress(PermissionError):
            os.fchown(fd, database.st_uid, database.st_gid)
        os.fchmod(fd, database.st_mode & 0o666)

    def close(self) -> None:
        """Stop waiting; the last consumer removes the bell."""
        if self._fd < 0:
            return
        self._let_go()
        try:
            os.close(os.open(self._path, os.O_WRONLY | _FLAGS))
        except OSError as error:
            if error.errno == errno.ENXIO:  # no other process listens
                self._path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def wait_for(bells: Sequence[Doorbell], seconds: float) -> Doorbell | None:
    """Wait up to ``seconds`` until one of ``bells`` rings, and return it; None if none did."""
    listening = {fd: bell for bell in bells if (fd := bell.listen()) >= 0}
    try:
        ready, _, _ = select.select([*listening], [], [], seconds)
    except OSError:  # a command has closed one of them: the next wait opens it again
        ready = [*listening]
    if not ready:
        return None
    rung = [listening[fd] for fd in ready if listening[fd].hear()]
    return rung[0] if rung else None
