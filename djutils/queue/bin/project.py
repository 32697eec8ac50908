"""The project whose commands are run: its code is loaded and asked as the user who will run them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from djutils.queue.bin import preflight, privileges, remarks
from djutils.queue.bin.surroundings import current_directory, make_importable

T = TypeVar("T")


class Project:
    """Asks the project's code: here, or as long as we are root and will not stay it, in child processes.

    ``search_here``: it may be found in the current directory.
    """

    def __init__(self, account: privileges.Account | None, search_here: bool) -> None:
        self.account = account
        self.remarks: list[str] = []
        """What there is to say to the one who starts a consumer of it, once it was checked."""
        self._search_here = search_here
        self._default_queue = ""
        self._checked = False

    def ask(self, question: Callable[[], T]) -> T:
        """Return what ``question`` returns where the project can be imported; it fits into JSON."""

        def ask() -> T:
            if self._search_here:
                make_importable()
            return question()

        return privileges.ask_as(self.account, ask)

    def default_queue(self) -> str:
        """Return the name of its default queue; ``ConsumerError`` 78 if its settings cannot be imported."""
        self._default_queue = self._default_queue or self.ask(preflight.default_queue)
        return self._default_queue

    def check(self, queues: Sequence[str]) -> None:
        """Load it and reach its backend, once; ``ConsumerError`` if that fails."""
        if not self._checked:
            self.remarks = self.ask(lambda: _load(queues))
            self._checked = True

    def move_in(self, queues: Sequence[str]) -> None:
        """Become its user, if it has one of its own, and have it loaded in this very process."""
        if self.account:
            privileges.become(self.account)
            self.account, self._checked = None, False  # what a child had loaded, this process has not
        self.check(queues)
        preflight.close_connections()


def _load(queues: Sequence[str]) -> list[str]:
    current_directory()
    preflight.load_project()
    preflight.reach_backend(queues)
    return remarks.find(queues)
