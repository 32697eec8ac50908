"""Inspecting messages: which queues to read, how to search them, and how to describe a message.

As text, and as values for JSON. No message is ever unpickled.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from math import inf
from typing import Any, NamedTuple

from django.utils.module_loading import autodiscover_modules

from . import codec
from .backends import queues
from .backends.base import BaseQueue
from .exceptions import ConfigurationError, MessageError
from .message import Message, Snapshot, StateName
from .registry import registry
from .wording import plain, since, until, when

GONE = "gone: it has succeeded, or was discarded, or never existed"
_AT_ONCE = 200


class Found(NamedTuple):
    """A message and the queue where it was found."""

    queue: BaseQueue
    snapshot: Snapshot
    message: Message | None
    """None: the bytes cannot be read, or were not requested."""
    problem: str = ""
    """Why they cannot be read."""
    owner_is_registered: bool | None = None
    """If it is leased: whether the worker process that holds it is still registered. None: not checked."""

    @property
    def command(self) -> str:
        """The name of its command, or '?'."""
        return self.message.command if self.message else "?"


class Sought(NamedTuple):
    """Which messages to look for; an empty field matches everything."""

    command: str = ""
    """The name of the command, or the end of it, such as ``send_welcome``."""
    text: str = ""
    """What the last error contains, in upper or lower case."""
    prefix: str = ""
    """The prefix of the id, in upper or lower case."""

    def fits(self, one: Found) -> bool:
        """Return whether ``one`` matches."""
        return (
            (not self.command or f".{one.command}".endswith(f".{self.command}"))
            and one.snapshot.id.lower().startswith(self.prefix.lower())
            and self.text.lower() in one.snapshot.error.lower()
        )


class Budget:
    """How many messages may be searched, and for how many seconds, by all that share it."""

    def __init__(self, messages: int, seconds: float = inf) -> None:
        self._left = messages
        self._end = time.monotonic() + seconds

    def spend(self, messages: int) -> None:
        """Record that ``messages`` messages were searched."""
        self._left -= messages

    @property
    def is_spent(self) -> bool:
        """Whether it is time to stop."""
        return self._left <= 0 or time.monotonic() >= self._end


class Walk:
    """Goes through the messages of ``queue`` in ``state``, after the place ``after``, and yields those sought.

    Each reply of the store is searched to its end before ``budget`` is checked. So each walk makes
    progress, however little is left.
    """

    def __init__(
        self,
        queue: BaseQueue,
        state: StateName,
        sought: Sought,
        budget: Budget,
        *,
        newest: bool = False,
        after: str = "",
        at_once: int = _AT_ONCE,
        data: bool = True,
        lane: str | None = None,
    ) -> None:
        self.queue = queue
        self.place = after
        """Where to continue: behind everything that was searched, before what was yielded last."""
        self.gave_up = False
        """Whether it stopped because ``budget`` was spent, although there may be more."""
        self._state = state
        self._sought = sought
        self._budget = budget
        self._options: dict[str, Any] = {
            "newest": newest,
            # Matches may be rare: for the other messages, load only what is needed.
            "count": _AT_ONCE if any(sought) else min(at_once, _AT_ONCE),
            "data": data or bool(sought.command),
        }
        if lane is not None:
            self._options["lane"] = lane

    def __iter__(self) -> Iterator[Found]:
        placeless: set[str] = set()
        while page := self.queue.peek(self._state, after=self.place, **self._options):
            before = self.place
            for snapshot in page:
                if snapshot.id in placeless:
                    continue
                found = read(self.queue, snapshot)
                if self._sought.fits(found):
                    yield found
                if snapshot.place:
                    self.place = snapshot.place
                else:
                    placeless.add(snapshot.id)
            self._budget.spend(len(page))
            if self.place == before:  # only rows that another program has damaged
                return
            if self._budget.is_spent:
                self.gave_up = True
                return


def known_queues(name: str | None) -> list[BaseQueue]:
    """Return the queue ``name``; without a name, the default queue and those that commands or ``QUEUES`` name."""
    return [queues[name]] if name else [queues[known] for known in known_names()]


def known_names() -> list[str]:
    """Return the names of the default queue and of those that commands or ``QUEUES`` name."""
    # A commands.py that cannot be imported is often the reason for looking into the queues.
    with suppress(Exception):
        autodiscover_modules("commands")
    return registry.queue_names()


def read(queue: BaseQueue, snapshot: Snapshot) -> Found:
    """Return ``snapshot`` with the contents of its header, if its payload was loaded."""
    if snapshot.data is None:
        return Found(queue, snapshot, None)
    try:
        return Found(queue, snapshot, codec.decode(snapshot.data, queue.name))
    except (MessageError, ConfigurationError) as error:  # strange bytes, or keys that cannot work
        return Found(queue, snapshot, None, str(error))


def command_of(data: bytes, queue: str) -> tuple[str, str]:
    """Return the name of the command in a message and ''; or '?' and why it cannot be read."""
    try:
        return codec.decode(data, queue).command, ""
    except MessageError as error:
        return "?", str(error)


def with_owners(found: Iterable[Found]) -> list[Found]:
    """Return ``found`` with the information whether the owners of leased messages are registered."""
    asked: dict[str, set[int]] = {}
    told = []
    for one in found:
        if one.snapshot.state == "leased":
            if one.queue.name not in asked:
                asked[one.queue.name] = set(one.queue.owners())
            one = one._replace(owner_is_registered=one.snapshot.owner in asked[one.queue.name])
        told.append(one)
    return told


def summary(found: Found) -> str:
    """Return what happened to the message, in one line."""
    one = found.snapshot
    match one.state:
        case "ready":
            text = "waiting"
        case "delayed":
            text = "waiting" + (
                f", due at {when(one.due)} ({until(one.due)})" if one.due else ", not yet due"
            )
        case "waiting":
            text = f"waiting in the lane {plain(lane_of(found))}, until there is room"
        case "leased":
            text = f"running since an unknown moment, or about to run: lent to worker process {_owner(found)}"
        case "dead":
            text = "dead" + (f" since {when(one.died)}" if one.died else "")
    return f"{text}{_history(one)}"


def lane_of(found: Found) -> str:
    """Return the name of the lane in which the message waits, now or when it is due; empty if it does not."""
    lane = found.message.lane if found.message else None
    return lane.name if lane and found.snapshot.lane else found.snapshot.lane


def fields(found: Found) -> list[tuple[str, str]]:
    """Return everything that is known about the message except its arguments and its error."""
    one, message = found.snapshot, found.message
    named = [("id", one.id), ("state", summary(found)), ("queue", found.queue.name)]
    named.append(("command", plain(found.command) + (f" ({plain(found.problem)})" if found.problem else "")))
    sent = message.enqueued_at if message else one.sent
    named.append(("enqueued", f"{when(sent)} ({since(sent)} ago)" if sent else "unknown"))
    if one.due:
        named.append(("due", f"{when(one.due)} ({until(one.due)})"))
    if lane := lane_of(found):
        named.append(("lane", plain(lane)))
    if one.died:
        named.append(("died", f"{when(one.died)} ({since(one.died)} ago)"))
    if message and message.eta:
        named.append(("eta", when(datetime.fromtimestamp(message.eta, UTC))))
    if message:
        named.append(("priority", str(message.priority)))
    named += [(name, str(getattr(one, name))) for name in ("attempts", "crashes", "redeliveries", "offers")]
    return [*named, ("size", f"{len(one.data or b'')} bytes")]


def as_json(found: Found) -> dict[str, Any]:
    """Return what is known about the message, as values for JSON: times in ISO 8601, unknown values as null."""
    one, message = found.snapshot, found.message
    sent = message.enqueued_at if message else one.sent
    eta = datetime.fromtimestamp(message.eta, UTC) if message and message.eta else None
    return {
        "id": one.id,
        "state": one.state,
        "queue": found.queue.name,
        "command": message.command if message else None,
        "problem": found.problem or None,
        "enqueued_at": _iso(sent),
        "eta": _iso(eta),
        "due_at": _iso(one.due),
        "lane": message.lane.name if message and message.lane else one.lane or None,
        "died_at": _iso(one.died),
        "running_since": None,
        "owner": f"{one.owner:x}" if one.owner is not None else None,
        "owner_is_registered": found.owner_is_registered,
        "priority": message.priority if message else None,
        "attempts": one.attempts,
        "crashes": one.crashes,
        "redeliveries": one.redeliveries,
        "offers": one.offers,
        "error": one.error or None,
        "size": len(one.data or b""),
    }


def cannot_know(queue: BaseQueue) -> str:
    """Return the text for a message that is not a dead letter, on a queue that can show only dead letters."""
    return (
        f"unknown: {type(queue).__name__} cannot show waiting or running messages. It is not among the dead letters of"
        f" '{queue.name}'."
    )


def _history(one: Snapshot) -> str:
    told = []
    if one.attempts:
        did = "failed" if one.state == "dead" else "retried after it failed"
        told.append(f"{did} {_times(one.attempts)}")
    if one.crashes:
        told.append(f"its process died {_times(one.crashes)}")
    if one.redeliveries:
        told.append(f"its worker was lost {_times(one.redeliveries)}")
    if one.offers:
        told.append(f"offered {_times(one.offers)} to a worker that did not know its command")
    return "".join(f"; {text}" for text in told)


def _owner(found: Found) -> str:
    known = "" if found.owner_is_registered is not False else ", which is not registered any more"
    return f"{found.snapshot.owner:x}{known}" if found.snapshot.owner is not None else "of unknown name"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
