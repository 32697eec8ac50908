"""The values that are passed around: plain, immutable, and independent of every service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, NamedTuple

from .ids import moment_of

make = tuple.__new__
"""``make(Message, (id, ...))`` is ``Message(id, ...)`` in half the time: for values made for every message."""


class Lane(NamedTuple):
    """A lane of a queue and its rule: of its messages only some may be lent or running at once, the others wait."""

    name: str
    """Any text. Lanes with different names are different, however similar and however long."""
    width: int = 1
    """Most messages that may be lent or running at once, in all consumers together."""
    pace: float = 0.0
    """Seconds from one start to the next, on average; 0: no limit."""
    burst: int = 1
    """How many may start at once after a pause, if there is a pace."""
    ordered: bool = False
    """Whether a message that is to be retried keeps its place, so that no later one overtakes it."""


LANE = "lane"
"""The name of the extra that has the lane of a message, as a list of its fields."""


class Message(NamedTuple):
    """One requested run of one command."""

    id: str
    """32 hexadecimal digits, a UUID of version 7, so that ids sort by time."""
    command: str
    """Name of the command in the registry."""
    queue: str
    """The queue it was signed for; on any other it is refused."""
    created: float
    """When it was enqueued, in seconds since the epoch."""
    body: bytes
    """The pickled data of the command. Unpickled last, and only when the signature is ours."""
    eta: float | None = None
    """The earliest moment to run it, in seconds since the epoch."""
    priority: int = 0
    """-100 to 100; the larger runs sooner."""
    attempt: int = 1
    """Which run this is (first = 1), as far as the message itself knows."""
    extras_json: bytes = b""
    """``extras`` as it travels: a JSON object, or nothing. Signed with the rest."""

    @property
    def enqueued_at(self) -> datetime:
        """``created`` as an aware datetime."""
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def extras(self) -> dict[str, Any]:
        """What else travels with the message, by name: a new dictionary at each call.

        Unknown names are kept. Those in the list ``crit`` must be understood by
        the consumer, as in RFC 7515, 4.1.11: one that does not know them leaves the message to others.
        """
        return dict(json.loads(self.extras_json)) if self.extras_json else {}

    @property
    def lane(self) -> Lane | None:
        """The lane in which it waits; None if it is not limited."""
        lane = self.extras.get(LANE)
        return None if lane is None else Lane(*lane)

    def with_extras(self, **extras: Any) -> Message:
        """Return this message with ``extras``, values that JSON knows, added or replaced.

        Raises ``ValueError`` for the names ``command`` and ``queue``, which have their own fields, and
        ``ValueError`` or ``TypeError`` for a value that JSON does not know.
        """
        if taken := extras.keys() & {"command", "queue"}:
            raise ValueError(f"'{taken.pop()}' has its own field and cannot be among the extras.")
        merged = self.extras | extras
        text = json.dumps(merged, separators=(",", ":"), allow_nan=False) if merged else ""
        return self._replace(extras_json=text.encode())


class Envelope(NamedTuple):
    """What a backend is given to send: opaque bytes, and the metadata it may use."""

    id: str
    data: bytes
    delay: float = 0.0
    """Seconds from now, by the backend's clock, before it may be lent."""
    priority: int = 0


Until = Literal["done", "started"] | float
"""How long a message holds its key: until it has ended, until it is lent, or for so many seconds whatever becomes of it."""


class Placement(NamedTuple):
    """What became of an envelope that was sent with a key."""

    id: str
    """The id of the message that holds the key now."""
    how: Literal["sent", "replaced", "held"]
    """Sent; or put in the place of a message that waited; or not sent, because another message holds the key."""


class Delivery(NamedTuple):
    """One message lent to an owner."""

    id: str
    data: bytes
    attempts: int = 0
    """Earlier runs that ended in an exception."""
    crashes: int = 0
    """Earlier runs whose process died."""
    redeliveries: int = 0
    """How often its owner was lost, host and all."""
    error: str = ""
    """What went wrong last time."""
    offers: int = 0
    """How often it was lent to a worker that did not know its command."""


class Batch(NamedTuple):
    """What one ``receive`` returns."""

    deliveries: list[Delivery]
    late: frozenset[str] = frozenset()
    """Ids in ``done`` that were no longer the owner's: they ran, and may run again."""


UNCOUNTED = -1
"""The charge of a message that was put aside: it counts neither as a run nor as an offer."""


class Retrial(NamedTuple):
    """A delivery to be retried: when, and what went wrong this time."""

    id: str
    delay: float
    """Seconds from now."""
    error: str = ""
    charge: int = 1
    """What to add to its attempts: 1 for a run that failed; 0 if it was never started, which counts as an offer.

    ``UNCOUNTED``: nothing is counted.
    """


class Rejection(NamedTuple):
    """A delivery that will not be retried, and why."""

    id: str
    error: str
    charge: int = 1
    """What to add to its attempts: 1 for a run that failed, 0 if it was never started."""


class DeadLetter(NamedTuple):
    """A message that will not be retried."""

    id: str
    data: bytes
    error: str
    """First line: the exception or the reason. Then the traceback, if there was one."""
    died: datetime
    attempts: int = 0
    crashes: int = 0
    redeliveries: int = 0

    @property
    def reason(self) -> str:
        """The first line of ``error``."""
        return self.error.partition("\n")[0]


StateName = Literal["ready", "delayed", "leased", "dead", "waiting"]
"""The state of a message that is in a queue; the fields of ``Stats`` have the same names."""


class Snapshot(NamedTuple):
    """A message in its queue at one moment, read without taking it."""

    id: str
    state: StateName
    place: str = ""
    """Its place among the messages of its state: ``peek`` can continue after it.

    Empty unless ``peek`` found it, and if another program has spoilt the column it is ordered by.
    """
    data: bytes | None = None
    """None: it was not requested."""
    due: datetime | None = None
    """If it is delayed: when it may be lent."""
    died: datetime | None = None
    """If it is dead: when it became a dead letter."""
    attempts: int = 0
    crashes: int = 0
    redeliveries: int = 0
    offers: int = 0
    error: str = ""
    """What went wrong last time, as in ``DeadLetter``."""
    owner: int | None = None
    """If it is leased: the worker process it is lent to. Since when is not recorded."""
    lane: str = ""
    """If it waits in a lane, now or when it is due: the lane, as in ``LaneSnapshot.name``."""

    @property
    def sent(self) -> datetime | None:
        """When it was sent, according to its id; None if djutils did not make the id."""
        return moment_of(self.id)


class LaneSnapshot(NamedTuple):
    """A lane at one moment: what waits in it, and what holds its places."""

    name: str
    """The name under which it is kept: that of the ``Lane``, or ``#`` and its SHA-256 if that is long or not plain ASCII."""
    width: int
    pace: float
    """Seconds from one start to the next, on average; 0: no limit."""
    burst: int
    waiting: int
    """How many messages wait in it, counted up to 10,000."""
    admitted: int
    """How many messages hold a place of it, ready, delayed or leased, counted up to 10,000."""
    holders: tuple[str, ...] = ()
    """The ids of the first ten of these."""
    opens: datetime | None = None
    """When its pace admits the next one; None: now, if a place is free."""


class Stats(NamedTuple):
    """The number of messages of a queue in each state."""

    ready: int = 0
    delayed: int = 0
    leased: int = 0
    dead: int = 0
    waiting: int = 0
    """In lanes, until earlier messages of their lane have ended."""


class Action(Enum):
    """What becomes of a delivery."""

    ACK = "succeeded"
    FINISH = "succeeded with a result"
    DROP = "dropped"
    RELEASE = "released"
    RETRY = "retried"
    ASIDE = "put aside"
    """Its command is paused: it waits until that is resumed, or for its delay, and nothing is counted."""
    REJECT = "rejected"
    SETTLED = "settled"
    """The backend already knows: acked before the run, or in the command's own transaction, or taken back."""

    # Enum's own, of the name, is written in Python and takes a fifth of a microsecond.
    __hash__ = object.__hash__


class Kept(NamedTuple):
    """What a store is to keep of a run, at the latest when the run is settled."""

    values: Mapping[str, bytes]
    ttl: float
    """Seconds."""


class Outcome(NamedTuple):
    """The executor's decision about one delivery, for a channel to carry out."""

    action: Action
    delay: float = 0.0
    """Seconds before it may be lent again, for RELEASE, RETRY and ASIDE."""
    error: str = ""
    """The exception or the reason, then the traceback, for RETRY, ASIDE and REJECT; the reason of a DROP.

    Either of them for SETTLED, if the run did not succeed.
    """
    charge: int = 1
    """What a RETRY or a REJECT adds to the attempts: 0 if it never ran."""
    kept: Kept | None = None
    """What is kept of a command that keeps its results; for FINISH and SETTLED under the message's id."""
    lane: str = ""
    """The lane of the message, which admits another one in its place; empty if it is not limited."""


ACKED = Outcome(Action.ACK)
FINISHED = Outcome(Action.FINISH)
RELEASED = Outcome(Action.RELEASE)
SETTLED = Outcome(Action.SETTLED)

Crashes = Mapping[str, str]
"""Ids of the messages that were running when their process died, each with the cause of death."""
