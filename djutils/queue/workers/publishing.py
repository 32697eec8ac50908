"""Publishing: what runs for longer than a second, how far it is, and who has cancelled it.

The results of calls and the pages of operators read it. What ends sooner costs nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from math import inf
from operator import attrgetter

from djutils.queue.backends.border import border
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.cancelling import cancelled_among
from djutils.queue.keeping import worker_name
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


_Running = tuple[Member, list[Entry]]
_Told = tuple[bytes, float]
"""What was published last, and when."""


class Publishing(Chore):
    """Looks at the boards once a second, and writes what has changed: one value for each worker process."""

    name = "publishing what runs"

    def __init__(self, stores: Stores, crew: Crew, options: ConsumerOptions) -> None:
        self._stores = stores
        self._crew = crew
        self._options = options
        self._next = 0.0
        self._told: defaultdict[str, dict[int, _Told]] = defaultdict(dict)

    def due_in(self) -> float:
        return self._next - time.monotonic() if self._stores.leased else inf

    def do(self) -> None:
        """Publish, and hear what was cancelled."""
        self._next = time.monotonic() + _EVERY
        long = {name: self._long_running(number, name) for number, name in enumerate(self._options.queues)}
        if not (any(self._told.values()) or any(long.values())):
            return
        self._stores.open()
        for name, queue in self._stores.leased.items():
            if (store := queue.store) is not None:
                with border(queue):
                    self._publish(store, long[name], self._told[name])
                    _hear(queue, long[name])

    def _publish(self, store: Store, long: dict[int, _Running], told: dict[int, _Told]) -> None:
        for owner, (member, entries) in long.items():
            text = published(worker_name(member.board.pid), _since(entries[:_MOST]))
            last, at = told.get(owner, (b"", 0.0))
            # In any case before it expires: what is published ends with the consumer that did it.
            if text != last or time.monotonic() - at > self._options.lease / 3:
                store.set({running_key(owner): text}, self._options.lease)
                told[owner] = text, time.monotonic()
        # What has ended since, and processes that are gone.
        for owner in told.keys() - long.keys():
            store.delete([running_key(owner)])
            del told[owner]

    def _long_running(self, number: int, name: str) -> dict[int, _Running]:
        """Return by owner each process that runs commands of this queue for long, and these, the longest first."""
        now, found = time.monotonic(), dict[int, _Running]()
        for member in self._crew:
            if member.dead or not member.has_the_board:
                continue
            entries = [entry for entry in member.board.running_on(number) if now - entry.began >= _LONG]
            if entries:
                found[member.owners[name]] = member, sorted(entries, key=attrgetter("began"))
        return found


def _hear(queue: LeasedQueue, long: dict[int, _Running]) -> None:
    """Ask the commands that were cancelled to end."""
    where = {entry.id: member for member, entries in long.values() for entry in entries}
    for id, kill in cancelled_among(queue, where).items():
        where[id].board.ask_to_end(id, kill=kill)


def _since(entries: list[Entry]) -> Iterator[tuple[str, float, Progress | None]]:
    now, clock = time.time(), time.monotonic()
    for entry in entries:
        yield entry.id, round(now - (clock - entry.began), 3), entry.progress
