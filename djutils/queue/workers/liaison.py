"""The messages between the supervisor and the maintainer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from .worker import Born, Deaf, Died, Reclaimed


class Liaison:
    """The supervisor's end of the pipe to the current maintainer process."""

    def __init__(self) -> None:
        self._pipe: Connection | None = None
        self._dead: deque[Died] = deque()
        self._telling = False

    @property
    def descriptors(self) -> list[int]:
        """The descriptors to wait on for a report of the maintainer."""
        return [self._pipe.fileno()] if self._pipe else []

    @property
    def has_dead_workers(self) -> bool:
        """Whether the maintainer has not yet settled every dead worker."""
        return bool(self._dead)

    def open(self) -> Connection:
        """Start with a new maintainer; return its end of the pipe, to be closed here once it is forked."""
        self._pipe, theirs = Pipe()
        self._telling = False
        return theirs

    def tell_everything(self, living: Iterable[Born]) -> None:
        """Tell a new maintainer which workers are alive and which have died."""
        for born in living:
            self._tell(born)
        self._tell_of_the_dead()

    def tell_of_birth(self, born: Born) -> None:
        """Report that a worker process is about to start."""
        self._tell(born)

    def tell_of_death(self, died: Died) -> None:
        """Report that a worker process has died, once the previous ones are settled."""
        self._dead.append(died)
        self._tell_of_the_dead()

    def hear(self) -> Deaf | None:
        """Read one report of the maintainer; return it if the supervisor must act on it."""
        if self._pipe is None:
            return None
        try:
            word: Deaf | Reclaimed = self._pipe.recv()
        except (EOFError, OSError):
            self._pipe = None
            return None
        if isinstance(word, Deaf):
            return word
        self._dead.popleft()
        self._telling = False
        self._tell_of_the_dead()
        return None

    def hang_up(self) -> None:
        """Close the pipe: the maintainer ends when it has settled the dead workers."""
        if self._pipe:
            self._pipe.close()
            self._pipe = None

    def lose(self) -> None:
        """Note that the maintainer has died."""
        self._pipe = None

    def _tell(self, news: Born | Died) -> None:
        with suppress(OSError):  # the maintainer has just died; the next one is told everything again
            if self._pipe:
                self._pipe.send(news)

    def _tell_of_the_dead(self) -> None:
        """Report one death at a time, and wait for its confirmation: the pipe can never fill up."""
        if self._dead and not self._telling:
            self._telling = True
            self._tell(self._dead[0])
