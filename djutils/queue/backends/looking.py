"""Reading a queue without taking anything: what every backend offers, and what four methods can show."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, get_args

from djutils.queue.exceptions import BackendError
from djutils.queue.message import DeadLetter, Snapshot, StateName, Stats

_PART = re.compile(r"[0-9]")
_KEY = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,2})?")
_DIGITS = 19
_EPOCH = datetime.fromtimestamp(0, UTC)


class Place(NamedTuple):
    """The position of a message among those of its state, as given in ``Snapshot.place``."""

    part: int
    """Which of the ordered lists that make up the state."""
    key: str
    """The sort key in that list."""
    id: str
    """The tie-breaker between equal keys."""

    def __str__(self) -> str:
        return ":".join(map(str, self))

    @classmethod
    def of(cls, text: str) -> Place:
        """Parse what ``str`` produced; raise ``ValueError`` for anything else."""
        part, _, rest = text.partition(":")
        key, _, id = rest.partition(":")
        if not (_PART.fullmatch(part) and _KEY.fullmatch(key) and id):
            raise ValueError(f"{text[:100]!r} is not the place of a snapshot.")
        return cls(int(part), key, id)


def lane_place(lane: str, rank: int, number: int) -> Place:
    """Return the place of a message that waits in ``lane``: ``rank`` is its priority, negated, ``number`` its arrival."""
    return Place(0, f"{rank + 100:03}{number:016}", lane)


def lane_turn(place: Place, lane: str | None) -> tuple[str, int, int]:
    """Return lane, rank and number of a place of ``lane_place``; raise ``ValueError`` if it is another, or in another lane."""
    digits = place.key
    if len(digits) < _DIGITS or not digits.isdigit() or lane not in (None, place.id):
        raise ValueError(f"{str(place)[:100]!r} is not the place of a message that waits in this lane.")
    return place.id, int(digits[:3]) - 100, int(digits[3:])


def refuse_lane(state: StateName, lane: str | None) -> None:
    """Raise ``ValueError`` if ``lane`` is given for a state whose messages are not listed by lane."""
    if lane is not None and state != "waiting":
        raise ValueError(
            f"Only messages that wait in lanes can be listed by lane, not those that are {state}."
        )


class Looking:
    """Looks into a queue. A backend that can show every message sets ``supports_peek`` and defines all three.

    The methods here do what is possible without that: they show the dead letters, slowly, one page at a time.
    For the other states they raise ``BackendError`` instead of returning an empty list.
    """

    supports_peek = False
    """Whether it can show waiting and leased messages without taking them."""
    supports_lanes: bool

    @property
    def states(self) -> tuple[StateName, ...]:
        """The states whose messages ``peek`` can show."""
        if not self.supports_peek:
            return ("dead",)
        every: tuple[StateName, ...] = get_args(StateName)
        return every if self.supports_lanes else tuple(state for state in every if state != "waiting")

    def peek(
        self,
        state: StateName,
        *,
        newest: bool = False,
        after: str = "",
        count: int = 100,
        data: bool = False,
        lane: str | None = None,
    ) -> list[Snapshot]:
        """Return up to ``count`` messages that are in ``state``; an empty list is the end.

        Ready messages come in the order in which they will be lent if no other message arrives; delayed ones by
        due time, first those that will be ready then, next those that will wait in a lane; leased ones by when they
        were sent, dead ones by when they died; those that wait in lanes lane by lane, each lane in the order in which
        it will admit them; with ``newest`` in reverse order. With ``lane``, only what waits in the lane of that name. For the next page, pass the ``place`` of the last message as ``after``. A message that changes its
        state or place between two pages may be seen twice or not at all. With ``data`` the payloads
        are also loaded.

        Raises ``ValueError`` if ``after`` is not a place, and if ``lane`` is given for another state than ``waiting``;
        ``BackendError`` where the backend cannot show messages in that state.
        """
        refuse_lane(state, lane)
        if state != "dead":
            raise self._cannot_look()
        letters = [_snapshot(letter, data) for letter in self.dead_letters(count=max(1, self.stats().dead))]
        letters.sort(key=_turn, reverse=newest)
        if after:
            _, key, id = Place.of(after)
            last = int(key), id
            letters = [one for one in letters if (_turn(one) < last if newest else _turn(one) > last)]
        return letters[: max(count, 0)]

    def find(self, prefix: str, count: int = 10, *, data: bool = False) -> list[Snapshot]:
        """Return up to ``count`` messages, in any state, whose id begins with ``prefix``.

        A complete id is found at once, a prefix more slowly. An empty result means that there is no such message
        only where ``supports_peek`` is true; elsewhere only the dead letters were searched.
        """
        ids = self.dead_ids(prefix, count)
        return [_snapshot(letter, data) for letter in self.dead_letters(ids, count)] if ids else []

    def oldest(self) -> Snapshot | None:
        """Return the ready message that was sent first, whatever its priority; None if none is ready.

        A message that was put back may be older. Raises ``BackendError`` where the backend cannot show
        waiting messages.
        """
        raise self._cannot_look()

    def neighbours(self) -> list[str]:
        """Return the names of other queues that have messages or workers in the same store, up to some of them.

        An empty list where the store cannot tell them quickly: it is no promise that there are none.
        """
        return []

    def _cannot_look(self) -> BackendError:
        return BackendError(
            f"{type(self).__name__} cannot show waiting or running messages: it can only take them. Its dead letters"
            " can be listed."
        )

    # Methods that every queue has.

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        raise NotImplementedError

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        raise NotImplementedError

    def stats(self) -> Stats:
        raise NotImplementedError


def _snapshot(letter: DeadLetter, data: bool) -> Snapshot:
    died = (letter.died - _EPOCH) // timedelta(microseconds=1)
    return Snapshot(
        id=letter.id,
        state="dead",
        place=str(Place(0, str(died), letter.id)),
        data=letter.data if data else None,
        died=letter.died,
        attempts=letter.attempts,
        crashes=letter.crashes,
        redeliveries=letter.redeliveries,
        error=letter.error,
    )


def _turn(dead: Snapshot) -> tuple[int, str]:
    return int(Place.of(dead.place).key), dead.id
