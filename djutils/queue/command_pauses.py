"""Pausing one command on its queue: no consumer begins it until it is resumed, and everything else goes on.

All paused commands of a queue are one value in the store beside it, so that looking which they are costs one key.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from .backends.base import BaseQueue
from .command import Command
from .exceptions import BackendUnavailable, QueueException
from .pausing import KEPT, Pause, store_of
from .registry import registry
from .stores.base import Store
from .wording import plain

logger = logging.getLogger("djutils.queue.pausing")

KEY = "paused commands"
"""The key of this value in the store beside the queue."""
MOST = 500
"""Most commands of a queue that may be paused at the same time."""
_REMEMBERED = 24 * 3600.0
_LOCK = "pausing a command"
_LOCKED_FOR = 5.0
_PATIENCE = 10.0
_LOOK_EVERY = 0.02


class CommandPauses(NamedTuple):
    """Which commands of a queue are paused, and which were resumed within the last day."""

    paused: dict[str, Pause]
    resumed: dict[str, float]
    """When each was resumed last, in seconds since the epoch, by the clock of who did it."""

    @classmethod
    def of(cls, value: bytes | None) -> CommandPauses:
        """Return what is in the store; what cannot be read is left out: any program may have written it."""
        told: Any = None
        with suppress(ValueError):
            told = json.loads(value or b"{}")
        paused, resumed = (_fields(told, name) for name in ("paused", "resumed"))
        return cls(
            {name: Pause.of(one) for name, one in paused.items() if isinstance(one, dict)},
            {name: float(one) for name, one in resumed.items() if isinstance(one, int | float)},
        )

    def as_bytes(self) -> bytes:
        """Return what is kept in the store."""
        recent = {name: moment for name, moment in self.resumed.items() if moment > time.time() - _REMEMBERED}
        latest = sorted(recent.items(), key=lambda one: one[1])[-MOST:]
        return json.dumps({"paused": as_json(self.paused), "resumed": dict(latest)}).encode()


def pause(queue: BaseQueue, name: str, reason: str, by: str) -> Pause:
    """Pause the command ``name`` on ``queue`` and log it; ``by`` names the requester.

    One that is paused already stays paused since the same moment, for the new reason. Raises ``QueueException`` for a queue
    without a store or with 500 paused commands, and ``BackendError``; after the latter the command may be paused or not.
    """
    with _changing(queue, name) as known:
        before = known.paused.get(name)
        made = known.paused[name] = Pause(before.since if before else datetime.now(UTC), reason, by)
    told = f": {plain(reason)}" if reason else ""
    logger.info("%s paused the command '%s' of the queue '%s'%s.", plain(by), name, queue.name, told)
    return made


def pause_once(queue: BaseQueue, name: str, reason: str, by: str) -> bool:
    """As ``pause``, but change and log nothing if it is paused already; return whether it was not."""
    with _changing(queue, name) as known:
        if new := name not in known.paused:
            known.paused[name] = Pause(datetime.now(UTC), reason, by)
    return new


def resume(queue: BaseQueue, name: str, by: str) -> bool:
    """Resume the command ``name`` on ``queue`` and log it; return whether it was paused. Raises what ``pause`` raises."""
    with _changing(queue, name) as known:
        if was_paused := known.paused.pop(name, None) is not None:
            known.resumed[name] = time.time()
    if was_paused:
        logger.info("%s resumed the command '%s' of the queue '%s'.", plain(by), name, queue.name)
    return was_paused


def find(queue: BaseQueue) -> dict[str, Pause]:
    """Return the pauses of the commands of ``queue`` that are paused, by name. Raises ``BackendError``."""
    if queue.store is None:
        return {}
    return CommandPauses.of(queue.store.get([KEY]).get(KEY)).paused


def as_json(pauses: dict[str, Pause]) -> dict[str, Any]:
    """Return pauses by name as values for JSON."""
    return {name: pause.as_json() for name, pause in pauses.items()}


class Decorated(Protocol):
    """A function under ``@queue_command``."""

    command_class: type[Command]


AnyCommand = str | type[Command] | Decorated
"""A command, given as its name, its class, or the decorated function."""


def class_of(command: AnyCommand) -> type[Command]:
    """Return the class of ``command``. Raises ``UnknownCommand`` if it is not registered here."""
    return registry.get_class(name_of(command))


def name_of(command: AnyCommand) -> str:
    """Return the name of ``command``."""
    if isinstance(command, str):
        return command
    return str(getattr(getattr(command, "command_class", command), "name", command))


def why_put_aside(name: str) -> str:
    """Return what a message that is put aside says of itself: the first line of its error."""
    return f"It was put aside, and not run, because the command '{name}' is paused."


def error_of(name: str, before: str) -> str:
    """Return the error of a message that is put aside: why, and what went wrong before that, if anything did."""
    why = why_put_aside(name)
    earlier = before.removeprefix(why).lstrip("\n")
    return f"{why}\n\n{earlier}" if earlier else why


@contextmanager
def _changing(queue: BaseQueue, name: str) -> Iterator[CommandPauses]:
    """Yield what is paused, and keep what the caller makes of it.

    One process at a time: otherwise the change of one could undo that of another.
    """
    store = store_of(queue, f"the command '{name}'")
    _lock(store)
    try:
        value = store.get([KEY]).get(KEY)
        known = CommandPauses.of(value)
        before = CommandPauses.of(value)
        yield known
        if len(known.paused) > max(MOST, len(before.paused)):
            raise QueueException(
                f"{MOST} commands of the queue '{queue.name}' are paused already; nothing was changed. Pause the queue."
            )
        if known != before:
            for one in known.paused:
                known.resumed.pop(one, None)
            store.set({KEY: known.as_bytes()}, KEPT)
    finally:
        with suppress(Exception):  # it expires by itself, and the caller has another error to see
            store.delete([_LOCK])


def _lock(store: Store) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not store.add(_LOCK, b"", _LOCKED_FOR):
        if time.monotonic() > deadline:
            raise BackendUnavailable(
                "Other processes are changing which commands are paused, and do not come to an end; nothing was changed. "
                "Try again."
            )
        time.sleep(_LOOK_EVERY)


def _fields(told: Any, name: str) -> dict[str, Any]:
    found = told.get(name) if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}
