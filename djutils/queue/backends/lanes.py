"""What a backend with lanes adds: messages that wait until earlier ones of their lane have ended.

A message in a lane is *admitted* when there is room for it: from then on it is like any other message, at the end of
the line, and it holds one of the places of its lane until it ends. Which messages are admitted is read from the messages
themselves, so no crash can lose a place.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Sequence

from djutils.queue.exceptions import UnsupportedOption
from djutils.queue.message import Envelope, Lane, LaneSnapshot, Rejection, Retrial

HORIZON = 1.0
"""Seconds: how long before its turn a message of a lane with a pace is admitted."""
WIDEST = 1_000_000
MOST_COUNTED = 10_000
"""Most messages of one lane to count."""
MOST_HOLDERS = 10
_LONGEST_NAME = 120
_LONGEST_PACE = 366 * 24 * 3600.0
_SHORTEST_PACE = 1e-6
_STORED = re.compile(r"#[0-9a-f]{64}")


class Lanes:
    """The methods for lanes. A backend that has lanes sets ``supports_lanes`` and defines all of them."""

    supports_lanes = False
    """Whether it can hold messages back until earlier ones of their lane have ended."""

    def send_in_lanes(self, sent: Sequence[tuple[Envelope, Lane]]) -> None:
        """Put messages into the queue, each of which waits in its lane until it is admitted.

        In a database all or none; on Redis in parts of 200: if one fails, those before it were sent. An id that is already in the queue, in any state, is ignored. The rule of a lane is that of the message that was
        sent to it last. Raises ``UnsupportedOption`` where there are no lanes, and for a rule that cannot be kept; then
        nothing was sent. In a database, those sent in a transaction are admitted when it has committed.
        """
        raise UnsupportedOption(
            f"{type(self).__name__} has no lanes, so it can limit neither how many commands of a key run at once nor "
            f"how often; nothing was sent. Use DatabaseQueue or RedisQueue, or leave the limit out."
        )

    def settle_in_lanes(
        self,
        owner: int,
        done: Collection[str] = (),
        retrials: Sequence[Retrial] = (),
        rejections: Sequence[Rejection] = (),
    ) -> set[str]:
        """Settle messages that are in lanes, and admit those that come next, all at once; return the ids that were the owner's.

        As ``ack``, ``retry`` and ``reject``. A retried message gives up its place, unless its lane is ordered, and waits
        again in the order in which it was sent. In a transaction of the caller, the next ones are admitted when
        it has committed.
        """
        raise NotImplementedError(f"{type(self).__name__} must define settle_in_lanes(owner, ...).")

    def start_in_lanes(self, owner: int, ids: Collection[str]) -> set[str]:
        """Return which of ``ids``, lent to ``owner`` and in lanes with a pace, may start now.

        The others go back until their turn, uncharged, and keep their places; those whose turn is more than a second
        away wait in their lane again. To be called right before they run:
        however long they stood in the line, no more of them start than the pace allows.
        """
        raise NotImplementedError(f"{type(self).__name__} must define start_in_lanes(owner, ids).")

    def admit(self, names: Collection[str]) -> int:
        """Admit as many messages of these lanes as there is room for; return how many.

        Harmless at any time: it is how a sender's messages are admitted when its transaction has committed.
        """
        raise NotImplementedError(f"{type(self).__name__} must define admit(names).")

    def sweep_lanes(self, most: int = 1000) -> int:
        """Look at up to ``most`` lanes and admit what should have been; return how many were admitted.

        A chore calls it each second: it continues where it ended. It admits what has become due, what a pace lets in
        again, and what was not admitted because a process died or a message was deleted by other hands. It also
        forgets lanes that are empty. Does nothing where there are no lanes.
        """
        return 0

    def lanes(self, *, after: str = "", count: int = 100) -> list[LaneSnapshot]:
        """Return up to ``count`` lanes in which messages wait or are admitted; an empty list is the end.

        In the order of the store, by name. For the next page, pass the ``name`` of the last one as ``after``. A page costs a few
        looks at an index for each of its lanes, however many lanes and messages there are. Nothing is taken or changed.
        Without lanes the list is empty.
        """
        return []


def stored_lane(lane: Lane) -> Lane:
    """Return ``lane`` with the name under which a backend keeps it; raise ``UnsupportedOption`` for a rule that cannot be kept."""
    name, width, pace, burst, ordered = lane
    if not (_is_count(width) and _is_count(burst)):
        raise UnsupportedOption(
            f"The width and the burst of a lane are whole numbers from 1 to {WIDEST:,}, not {width!r} and {burst!r}; nothing was sent."
        )
    if not _is_pace(pace):
        raise UnsupportedOption(
            f"The pace of a lane is a number of seconds from a microsecond to a year, or 0 for no limit, not {pace!r}; "
            f"nothing was sent."
        )
    return Lane(stored_name(name), width, pace, burst, bool(ordered))


def _is_count(number: object) -> bool:
    return type(number) is int and 1 <= number <= WIDEST


def _is_pace(pace: object) -> bool:
    return type(pace) in {int, float} and (pace == 0 or _SHORTEST_PACE <= pace <= _LONGEST_PACE)  # type: ignore[operator]


def stored_name(name: str) -> str:
    """Return the text under which a backend keeps a lane called ``name``: different for every name.

    At most 120 printable ASCII characters: any other name is kept under its SHA-256.
    """
    if not isinstance(name, str):
        raise UnsupportedOption(
            f"The name of a lane must be text, not of type {type(name).__name__}; nothing was sent."
        )
    if 0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable() and name[0] != "#":
        return name
    return f"#{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def told_name(name: str) -> str:
    """Return the name under which a lane is kept that an operator names: as in ``Lane`` or as in ``LaneSnapshot``."""
    return name if _STORED.fullmatch(name) else stored_name(name)


def microseconds(seconds: float) -> int:
    return math.ceil(seconds * 1_000_000)
