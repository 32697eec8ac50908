"""The project whose commands are run: its code is loaded as the user who will run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from djutils.queue.bin import preflight, privileges, remarks
from djutils.queue.bin.surroundings import current_directory, make_importable
from djutils.queue.workers.options import ConsumerOptions

T = TypeVar("T")


class Project:
    """Calls the project's code: in this process, or in child processes as long as we are root but will not stay root.

    ``search_here``: whether it may be found in the current directory.
    """

    def __init__(self, account: privileges.Account | None, search_here: bool) -> None:
        self.account = account
        self.remarks: list[str] = []
        """Warnings for the operator who starts its consumer; filled by ``check()``."""
        self._search_here = search_here
        self._default_queue = ""
        self._checked = False

    def call(self, function: Callable[[], T]) -> T:
        """Return what ``function`` returns where the project can be imported; the result must fit into JSON."""

        def run() -> T:
            if self._search_here:
                make_importable()
            return function()

        return privileges.call_as(self.account, run)

    def default_queue(self) -> str:
        """Return the name of its default queue; raise ``ConsumerError`` 78 if its settings cannot be imported."""
        self._default_queue = self._default_queue or self.call(preflight.default_queue)
        return self._default_queue

    def check(self, consumer: ConsumerOptions) -> None:
        """Load it and reach the backends of the consumer's queues, once; raise ``ConsumerError`` if that fails."""
        if not self._checked:
            self.remarks = self.call(lambda: _load(consumer))
            self._checked = True

    def move_in(self, consumer: ConsumerOptions) -> None:
        """Become its user, if one was given, and load it in this process."""
        if self.account:
            privileges.become(self.account)
            self.account, self._checked = None, False  # what a child process has loaded is not loaded here
        self.check(consumer)
        preflight.close_connections()


def _load(consumer: ConsumerOptions) -> list[str]:
    current_directory()
    preflight.load_project()
    queues = preflight.with_known_queues(consumer).queues
    preflight.reach_backend(queues)
    return remarks.find(queues)
