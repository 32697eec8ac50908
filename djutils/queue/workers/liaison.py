"""What the supervisor and the maintainer tell each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from .worker import Born, Buried, Deaf, Died


class Liaison:
    """The supervisor's end of the pipe to its maintainer, whichever process that is at the moment."""

    def __init__(self) -> None:
        self._pipe: Connection | None = None
        self._graves: deque[Died] = deque()
        self._telling = False

    @property
    def descriptors(self) -> list[int]:
        """What to wait on for a word of the maintainer."""
        return [self._pipe.fileno()] if self._pipe else []

    @property
    def has_graves(self) -> bool:
        """Whether the maintainer has not yet buried every dead worker."""
        return bool(self._graves)

    def open(self) -> Connection:
        """Begin with a new maintainer; return its end, to be closed here once it is forked."""
        self._pipe, theirs = Pipe()
        self._telling = False
        return theirs

    def tell_everything(self, living: Iterable[Born]) -> None:
        """Tell a new maintainer who lives and who died."""
        for born in living:
            self._tell(born)
        self._tell_of_the_dead()

    def tell_of_birth(self, born: Born) -> None:
        """Tell that a worker process is about to live."""
        self._tell(born)

    def tell_of_death(self, died: Died) -> None:
        """Tell that a worker process has died, as soon as those before it are buried."""
        self._graves.append(died)
        self._tell_of_the_dead()

    def hear(self) -> Deaf | None:
        """Take in one word of the maintainer; return what the supervisor has to act on."""
        if self._pipe is None:
            return None
        try:
            word: Deaf | Buried = self._pipe.recv()
        except (EOFError, OSError):
            self._pipe = None
            return None
        if isinstance(word, Deaf):
            return word
        self._graves.popleft()
        self._telling = False
        self._tell_of_the_dead()
        return None

    def hang_up(self) -> None:
        """The maintainer ends when it has buried the dead."""
        if self._pipe:
            self._pipe.close()
            self._pipe = None

    def lose(self) -> None:
        """The maintainer has died."""
        self._pipe = None

    def _tell(self, news: Born | Died) -> None:
        with suppress(OSError):  # it has just died; the next one is told everything again
            if self._pipe:
                self._pipe.send(news)

    def _tell_of_the_dead(self) -> None:
        """One at a time, confirmed by an answer: the pipe can never be full."""
        if self._graves and not self._telling:
            self._telling = True
            self._tell(self._graves[0])
