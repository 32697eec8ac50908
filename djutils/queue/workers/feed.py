"""A worker's view of one queue: the channel to it, the messages held, and those to be settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

from djutils.queue.exceptions import BackendError
from djutils.queue.message import RELEASED, Action, Delivery

from .board import Board
from .channel import Channel
from .runner import Finished
from .settling import Settling


class Feed:
    """Keeps track of one queue for the pump."""

    def __init__(self, channel: Channel, board: Board) -> None:
        self.channel = channel
        self.done: list[Finished] = []
        """Successful deliveries, to be acked with the next ``receive``."""
        self.held: set[str] = set()
        """Every id that was received and is not settled yet."""
        self._board = board
        self._settling = Settling()
        self._acking: dict[str, Finished] = {}
        self._doubts_acks = False

    @property
    def unsettled(self) -> bool:
        """Whether an outcome could be settled but has not been."""
        return bool(self.done or self._settling.waiting)

    @property
    def is_clogged(self) -> bool:
        """Whether so many outcomes were refused that nothing more should be received."""
        return len(self._settling.refused) >= self.channel.batch

    def note(self, ended: Sequence[Finished]) -> None:
        """Sort ended deliveries by how they must be settled."""
        succeeded = [one for one in ended if one.outcome.action is Action.ACK]
        self.done += succeeded
        for one in ended if len(succeeded) < len(ended) else ():
            match one.outcome.action:
                case Action.ACK:
                    pass
                case Action.SETTLED:
                    self.held.discard(one.delivery.id)
                case Action.DROP | Action.RELEASE | Action.RETRY | Action.REJECT:
                    self._settling.waiting.append((one.delivery, one.outcome))
                case _:
                    assert_never(one.outcome.action)

    def give_back(self, delivery: Delivery, delay: float) -> None:
        """Give back ``delivery``, which has not begun, with the next ``settle()``."""
        self._settling.waiting.append((delivery, RELEASED._replace(delay=delay)))

    def settle(self) -> None:
        """Settle everything but acks; acks as well if the last ``receive`` failed, as one of them may be the cause."""
        if self._doubts_acks:
            self._acking.update((one.delivery.id, one) for one in self.done)
            self._settling.waiting += [(one.delivery, one.outcome) for one in self.done]
            self.done.clear()
            self._doubts_acks = False
        if not (self._settling.waiting or self._settling.refused):
            return
        try:
            self._settling.carry_out(self.channel)
        finally:
            settled, self._settling.settled = self._settling.settled, []
            self.held.difference_update(settled)
            self._forget([self._acking.pop(id) for id in settled if id in self._acking])

    def receive(self, room: int, wait: float) -> list[Delivery]:
        """Ack finished deliveries and return up to ``room`` new ones, waiting up to ``wait`` seconds."""
        done = self.done
        try:
            deliveries = self.channel.receive(room, ids(done), wait)
        except BackendError:
            self._doubts_acks = bool(done)
            raise
        self.done = []
        self.confirm(done)
        return deliveries

    def confirm(self, done: Sequence[Finished]) -> None:
        """Note that the backend has the acks of ``done``."""
        self.held.difference_update(ids(done))
        self._forget(done)

    def take_again(self, done: list[Finished]) -> None:
        """Keep ``done`` for the next ack: it is unknown whether the backend has their acks."""
        self.done = done + self.done
        self._doubts_acks = bool(self.done)

    def adopt(self) -> list[Delivery]:
        """Return messages that were lent in a reply that was lost."""
        return self.channel.adopt(self.held)

    def close(self) -> None:
        """Leave: give back what is held; charge what the store refused to settle, so that it is not retried forever."""
        self.channel.close(self._settling.finally_refused(self.channel))

    def _forget(self, done: Sequence[Finished]) -> None:
        pads = self._board.pads
        threads = Counter(one.thread for one in done) if pads[1:] else {0: len(done)}
        for thread, count in threads.items():
            pads[thread].confirm(count)


def ids(done: Sequence[Finished]) -> list[str]:
    """Return the ids of ``done``."""
    return [one.delivery.id for one in done]
