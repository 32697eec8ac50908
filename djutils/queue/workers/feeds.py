"""All queues of one worker process: in which order they are asked, and which of them wait for messages.

Without weights the first queue is always asked first, and the others get the room that it leaves. With weights
each gets its share of the commands while there are messages on all of them, by start-time fair queueing (Goyal,
Vin and Cheng, 1996): a queue that was empty for some time is not owed anything for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from operator import attrgetter

from djutils.queue.backends.channel import Channel

from .feed import Feed
from .paused_commands import PausedCommands
from .runner import Finished, Waiting
from .switches import OPEN, PAUSED, UNKNOWN, new_switches

_by_turn = attrgetter("turn")
_WHILE_PAUSED = 0.5
_WHILE_UNKNOWN = 0.05


class Feeds:
    """The feeds of one worker process. ``weights`` are those of ``channels``; empty: in the given order.

    ``switches`` say which queues are paused, ``paused_commands`` which commands; None: none ever is.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        weights: Sequence[int] = (),
        switches: memoryview | None = None,
        paused_commands: PausedCommands | None = None,
    ) -> None:
        self.paused_commands = paused_commands or PausedCommands(0)
        self._switches = new_switches(len(channels), OPEN) if switches is None else switches
        self._obeyed = self._switches.tobytes()
        self._feeds = [
            Feed(number, channel, self._switches[number : number + 1])
            for number, channel in enumerate(channels)
        ]
        self._weights = weights
        self._now = 0.0
        self.waiting = self._waiting()
        """The feeds that can wait for a message: one for each place with a queue that is not paused."""
        self.only = self._feeds[0] if len(self._feeds) == 1 else None

    def __iter__(self) -> Iterator[Feed]:
        return iter(self._feeds)

    @property
    def switched(self) -> bytes | None:
        """The switches, if one of them is not as in the last ``obey()``."""
        switches = self._switches.tobytes()
        return None if switches == self._obeyed else switches

    @property
    def patience(self) -> float:
        """The longest wait: nothing but the switch tells that a queue is not paused any more."""
        if UNKNOWN in self._obeyed:
            return _WHILE_UNKNOWN
        return _WHILE_PAUSED if PAUSED in self._obeyed else inf

    def obey(self, switches: bytes) -> bool:
        """Wait from now on only for messages of queues that are not paused; return whether that changes a wait."""
        self._obeyed, before = switches, self._obeyed
        self.waiting = self._waiting()
        for feed in self.waiting:
            feed.channel.wait_beside(self._open_beside(feed))
        return PAUSED in before or PAUSED in switches

    def _waiting(self) -> list[Feed]:
        # One connection hears of the messages of every queue in the same place.
        feeds = [feed for feed in self._feeds if feed.channel.blocking and self._obeyed[feed.number] == OPEN]
        return list({feed.channel.place: feed for feed in feeds}.values())

    def _open_beside(self, waiting: Feed) -> list[str]:
        """Return the other queues in the place of ``waiting`` that are not paused."""
        return [
            feed.channel.name
            for feed in self._feeds
            if feed is not waiting
            and feed.channel.place == waiting.channel.place
            and self._obeyed[feed.number] == OPEN
        ]

    def in_turn(self) -> Sequence[Feed]:
        """Return the feeds in the order in which they are asked now."""
        return sorted(self._feeds, key=_by_turn) if self._weights else self._feeds

    def charge(self, feed: Feed, got: int) -> None:
        """Record that ``feed`` was lent ``got`` messages: its next turn comes later, the less its weight the later."""
        if self._weights:
            self._now = max(self._now, feed.turn)
            feed.turn = self._now + got / self._weights[feed.number]

    @property
    def held(self) -> int:
        """How many deliveries were received and are not settled yet."""
        return sum([len(feed.held) for feed in self._feeds])

    @property
    def unsettled(self) -> bool:
        """Whether an outcome could be settled, or a batch heard of, and has not been."""
        return any(feed.unsettled for feed in self._feeds)

    def note(self, ended: Sequence[Finished]) -> None:
        """Sort ended deliveries by how they must be settled."""
        if self.only:
            self.only.note(ended)
            return
        for feed in self._feeds:
            feed.note([one for one in ended if one.channel == feed.number])

    def give_back(self, waiting: Sequence[Waiting], delay: float) -> None:
        """Give back deliveries that have not begun, with the next ``settle()``."""
        for number, delivery in waiting:
            self._feeds[number].give_back(delivery, delay)

    def settle(self) -> None:
        """Settle whatever has ended; see ``Feed.settle``."""
        for feed in self._feeds:
            feed.settle()

    def open(self) -> None:
        """Open every channel. Raises ``BackendError``."""
        for feed in self._feeds:
            feed.channel.open()

    def join(self) -> None:
        """Open every channel again, after ``disconnect()`` or in another thread. Raises ``BackendError``."""
        for feed in self._feeds:
            feed.channel.join()

    def lead_through(self, channels: Sequence[Channel]) -> list[Channel]:
        """Use other channels of the same owners; return those used before."""
        before = [feed.channel for feed in self._feeds]
        for feed, channel in zip(self._feeds, channels, strict=True):
            feed.channel = channel
        return before

    def disconnect(self) -> None:
        """Close every connection."""
        for feed in self._feeds:
            feed.disconnect()

    def drop_requests(self) -> None:
        """Discard every request: its reply will not be read."""
        for feed in self._feeds:
            feed.drop_request()

    def close(self) -> None:
        """Leave every queue; see ``Feed.close``."""
        for feed in self._feeds:
            feed.close()
