"""A worker's view of one queue: the channel to it, what was requested, the messages held, and those to be settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

from djutils.queue.backends.channel import Channel
from djutils.queue.exceptions import BackendError
from djutils.queue.message import RELEASED, Action, Delivery, Outcome

from .board import Slot
from .runner import ACK, FINISH, Finished
from .settling import Settling
from .switches import OPEN


class _Prefetch(NamedTuple):
    """A batch of up to ``wanted`` that was requested and not heard of yet, and what is acked with it."""

    answer: Callable[[], list[Delivery]]
    wanted: int
    done: list[Finished]
    asked_at: float
    channel: Channel
    """The one whose next reply this is."""


class Feed:
    """Keeps track of one queue for the pump.

    Its backend can lend the next batch while the last one runs: ``prefetch`` requests it, and ``hear`` takes it
    in, which must come before any other call of the channel.
    """

    def __init__(self, number: int, channel: Channel, switch: memoryview) -> None:
        self.number = number
        """Its position among the queues of this consumer."""
        self.turn = 0.0
        """When it is asked next, among weighted queues: the least turn comes first."""
        self.channel = channel
        self.asked_at = 0.0
        """When it last requested something that was answered: at that time the backend knew its owner."""
        self.has_plenty = False
        """Whether it was last lent as many as it requested: there are probably more."""
        self.is_all_aside = False
        """Whether all that it was last lent was put aside: there is probably more of it, and other messages wait behind it."""
        self.done: list[Finished] = []
        """Successful deliveries, to be acked with the next ``receive``."""
        self.held: set[str] = set()
        """Every id that was received and is not settled yet."""
        self._switch = switch
        self._settling = Settling()
        self._slots: dict[str, Slot] = {}  # of ended deliveries that ``_settling`` has
        self._doubts_acks = False
        self._prefetch: _Prefetch | None = None

    @property
    def is_paused(self) -> bool:
        """Whether nothing may be requested, and nothing that has not begun may begin."""
        return self._switch[0] != OPEN

    @property
    def is_requested(self) -> bool:
        """Whether a batch was requested and not heard of yet."""
        return self._prefetch is not None

    @property
    def unsettled(self) -> bool:
        """Whether an outcome could be settled but has not been, or a batch was not heard of yet."""
        return bool(self.done or self._settling.waiting or self._prefetch)

    @property
    def is_clogged(self) -> bool:
        """Whether so many outcomes were refused that nothing more should be received."""
        return len(self._settling.refused) >= self.channel.batch

    def note(self, ended: Sequence[Finished]) -> None:
        """Sort ended deliveries by how they must be settled."""
        succeeded = [one for one in ended if one.outcome.action is ACK]
        self.done += succeeded
        for one in ended if len(succeeded) < len(ended) else ():
            if one.outcome.action is FINISH:  # of all others, only these can be many
                self._pass_on(one)
                continue
            match one.outcome.action:
                case Action.ACK | Action.FINISH:
                    pass
                case Action.SETTLED if one.outcome.kept is None and not one.outcome.lane:
                    self._settled([one])
                case Action.SETTLED | Action.DROP | Action.RELEASE | Action.RETRY | Action.REJECT:
                    self._pass_on(one)
                case Action.ASIDE:
                    self._pass_on(one)
                case _:
                    assert_never(one.outcome.action)

    def give_back(self, delivery: Delivery, delay: float) -> None:
        """Give back ``delivery``, which has not begun, with the next ``settle()``."""
        self._settling.waiting.append((delivery, RELEASED._replace(delay=delay)))

    def put_aside(self, delivery: Delivery, outcome: Outcome) -> None:
        """Put ``delivery``, which has not begun, aside with the next ``settle()``."""
        self._settling.waiting.append((delivery, outcome))

    def settle(self) -> None:
        """Settle everything but acks; acks as well if the last ``receive`` failed, as one of them may be the cause."""
        if self._doubts_acks:
            for one in self.done:
                self._pass_on(one)
            self.done.clear()
            self._doubts_acks = False
        if not (self._settling.waiting or self._settling.refused):
            return
        try:
            self._settling.carry_out(self.channel)
        finally:
            settled, self._settling.settled = self._settling.settled, []
            self.held.difference_update(settled)
            for id in settled:
                if id in self._slots:
                    self._slots.pop(id).clear()

    def receive(self, room: int, wait: float = 0.0) -> list[Delivery]:
        """Ack finished deliveries and return up to ``room`` new ones, waiting up to ``wait`` seconds."""
        done, asked_at = self.done, time.monotonic()
        try:
            deliveries = self.channel.receive(room, _ids(done), wait)
        except BackendError:
            self._doubts_acks = bool(done)
            raise
        self.done = []
        return self._take_in(deliveries, room, done, asked_at)

    def prefetch(self, count: int) -> bool:
        """Request up to ``count`` deliveries and ack what is done; return whether the backend supports this."""
        done, asked_at = self.done, time.monotonic()
        answer = self.channel.prefetch(count, _ids(done))
        if answer is None:
            return False
        self._prefetch, self.done = _Prefetch(answer, count, done, asked_at, self.channel), []
        return True

    def hear(self) -> list[Delivery]:
        """Return the requested deliveries, if there was a request."""
        requested, self._prefetch = self._prefetch, None
        if requested is None:
            return []
        try:
            deliveries = requested.answer()
        except BackendError:
            self._take_again(requested.done)
            raise
        return self._take_in(deliveries, *requested[1:4])

    def disconnect(self) -> None:
        """Close the connection; a batch that was requested on it is lost, until ``adopt``."""
        if self._prefetch is not None and self._prefetch.channel is self.channel:
            self._take_again(self._prefetch.done)
            self._prefetch = None
        self.channel.disconnect()

    def drop_request(self) -> None:
        """Discard the request: its reply will not be read."""
        self._prefetch = None

    def _take_again(self, done: list[Finished]) -> None:
        """Keep ``done`` for the next ack: it is unknown whether the backend has their acks."""
        self.done = done + self.done
        self._doubts_acks = bool(self.done)

    def _take_in(
        self, deliveries: list[Delivery], wanted: int, done: Sequence[Finished], asked_at: float
    ) -> list[Delivery]:
        self.asked_at = asked_at
        self._settled(done)
        self.held.update([delivery.id for delivery in deliveries])
        if wanted:
            self.has_plenty = len(deliveries) >= wanted
        return deliveries

    def adopt(self) -> list[Delivery]:
        """Return messages that were lent in a reply that was lost."""
        unheard = self.channel.adopt(self.held)
        self.held.update([delivery.id for delivery in unheard])
        return unheard

    def close(self) -> None:
        """Leave: give back what is held; charge what the store refused to settle, so that it is not retried forever."""
        self.channel.close(self._settling.finally_refused(self.channel))

    def _pass_on(self, one: Finished) -> None:
        self._slots[one.delivery.id] = one.slot
        self._settling.waiting.append((one.delivery, one.outcome))

    def _settled(self, done: Sequence[Finished]) -> None:
        self.held.difference_update(_ids(done))
        for one in done:
            one.slot.clear()


def _ids(done: Sequence[Finished]) -> list[str]:
    """Return the ids of ``done``."""
    return [one.delivery.id for one in done]
