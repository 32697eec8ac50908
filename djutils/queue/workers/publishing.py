"""Publishing: what runs for longer than a second, how far it is, and who has cancelled it.

The results of calls and the pages of operators read it. What ends sooner costs nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from math import inf
from operator import attrgetter

from djutils.queue.backends.border import border
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.cancelling import asked_key, wants_kill
from djutils.queue.reading import published, running_key
from djutils.queue.record import Progress
from djutils.queue.stores.base import Store

from .board import Entry
from .chore import Chore, Stores
from .crew import Crew, Member
from .options import ConsumerOptions

_EVERY = 1.0
_LONG = 1.0
_MOST = 3000
"""How many commands of one process are published, those that have run longest: a store takes up to a mebibyte."""


class Publishing(Chore):
    """Looks at the boards once a second, and writes what has changed: one value for each worker process."""

    name = "publishing what runs"

    def __init__(self, stores: Stores, crew: Crew, options: ConsumerOptions) -> None:
        self._stores = stores
        self._crew = crew
        self._options = options
        self._next = 0.0
        self._told: dict[tuple[str, int], tuple[bytes, float]] = {}

    def due_in(self) -> float:
        return self._next - time.monotonic() if self._stores.leased else inf

    def do(self) -> None:
        """Publish, and hear what was cancelled."""
        self._next = time.monotonic() + _EVERY
        long = {
            (name, member.owners[name]): (member, self._long_running(number, member))
            for number, name in enumerate(self._options.queues)
            for member in self._crew
            if not member.dead and member.has_the_board
        }
        if not (self._told or any(entries for _, entries in long.values())):
            return
        self._stores.open()
        for name, queue in self._stores.leased.items():
            if (store := queue.store) is not None:
                with border(queue):
                    self._publish(name, store, long)
                    self._hear(name, queue, long)

    def _publish(
        self, name: str, store: Store, long: dict[tuple[str, int], tuple[Member, list[Entry]]]
    ) -> None:
        for (queue, owner), (member, entries) in long.items():
            if queue == name and entries:
                self._tell(store, (name, owner), published(self._worker(member), _since(entries[:_MOST])))
        # What has ended since, and processes that are gone.
        for queue, owner in [one for one in self._told if one[0] == name]:
            if not long.get((queue, owner), (None, []))[1]:
                store.delete([running_key(owner)])
                del self._told[queue, owner]

    def _tell(self, store: Store, place: tuple[str, int], text: bytes) -> None:
        told, at = self._told.get(place, (b"", 0.0))
        # In any case before it expires: what is published ends with the consumer that did it.
        if text != told or time.monotonic() - at > self._options.lease / 3:
            store.set({running_key(place[1]): text}, self._options.lease)
            self._told[place] = text, time.monotonic()

    def _hear(
        self, name: str, queue: LeasedQueue, long: dict[tuple[str, int], tuple[Member, list[Entry]]]
    ) -> None:
        where = {
            asked_key(entry.id): (member, entry.id)
            for (of, _), (member, entries) in long.items()
            if of == name
            for entry in entries
        }
        if not where or queue.store is None:
            return
        for key, how in queue.store.get(list(where)).items():
            member, id = where[key]
            member.board.ask_to_end(id, kill=wants_kill(how))

    def _long_running(self, number: int, member: Member) -> list[Entry]:
        now = time.monotonic()
        entries = [entry for entry in member.board.running_on(number) if now - entry.began >= _LONG]
        return sorted(entries, key=attrgetter("began"))

    def _worker(self, member: Member) -> str:
        return f"{socket.gethostname()}:{member.board.pid}"


def _since(entries: list[Entry]) -> Iterator[tuple[str, float, Progress | None]]:
    now, clock = time.time(), time.monotonic()
    for entry in entries:
        yield entry.id, round(now - (clock - entry.began), 3), entry.progress
