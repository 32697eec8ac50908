"""Describing a message: as text, and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from djutils.management.showing import plain, when
from djutils.queue import autodiscover, codec
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, LeasedQueue
from djutils.queue.conf import settings
from djutils.queue.exceptions import MessageError
from djutils.queue.message import Message, Snapshot
from djutils.queue.registry import registry

GONE = "gone: it has succeeded, or was discarded, or never existed"


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


def known_queues(name: str | None) -> list[BaseQueue]:
    """Return the queue ``name``; without a name, the project's default queue and those that its commands name."""
    if name:
        return [queues[name]]
    # A commands.py that cannot be imported is often the reason for using this command.
    with suppress(Exception):
        autodiscover()
    named = {command.queue_name for command in registry if command.queue_name}
    return [queues[name] for name in (settings.queue_name, *sorted(named - {settings.queue_name}))]


def read(queue: BaseQueue, snapshot: Snapshot) -> Found:
    """Return ``snapshot`` with the contents of its header; its payload must have been loaded."""
    try:
        return Found(queue, snapshot, codec.decode(snapshot.data or b"", queue.name))
    except MessageError as error:
        return Found(queue, snapshot, None, str(error))


def with_owners(found: Iterable[Found]) -> list[Found]:
    """Return ``found`` with the information whether the owners of leased messages are registered."""
    asked: dict[str, set[int]] = {}
    told = []
    for one in found:
        if one.snapshot.state == "leased" and isinstance(one.queue, LeasedQueue):
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
                f", due at {when(one.due)} ({_until(one.due)})" if one.due else ", not yet due"
            )
        case "leased":
            text = f"running since an unknown moment, or about to run: lent to worker process {_owner(found)}"
        case "dead":
            text = "dead" + (f" since {when(one.died)}" if one.died else "")
    return f"{text}{_history(one)}"


def fields(found: Found) -> list[tuple[str, str]]:
    """Return everything that is known about the message except its arguments and its error."""
    one, message = found.snapshot, found.message
    named = [("id", one.id), ("state", summary(found)), ("queue", found.queue.name)]
    named.append(("command", plain(found.command) + (f" ({plain(found.problem)})" if found.problem else "")))
    sent = message.enqueued_at if message else one.sent
    named.append(("enqueued", f"{when(sent)} ({_since(sent)} ago)" if sent else "unknown"))
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


def _since(moment: datetime) -> timedelta:
    return max(timedelta(0), timedelta(seconds=int((datetime.now(UTC) - moment).total_seconds())))


def _until(moment: datetime) -> str:
    rest = moment - datetime.now(UTC)
    return f"in {timedelta(seconds=int(rest.total_seconds()))}" if rest > timedelta(0) else "now"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
