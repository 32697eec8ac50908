"""``@queue_command(unique=...)`` and ``.using(idempotency_key=...)``: of several calls with one key, one is sent."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any, Literal, TypedDict

from . import codec
from .backends.base import BaseQueue
from .call_keys import digest_of, key_of
from .command import Command
from .command_options import TEXT, TTL, Option
from .exceptions import EnqueueError, InvalidCommand, UnsupportedOption
from .message import Lane, Placement, Until
from .shipment import Parcel

_DAY = 24 * 3600.0
_UNTIL: dict[Any, Until] = {"until_done": "done", "until_started": "started"}
_DUPLICATES = ("return", "replace", "raise")


def _is_unique(value: Any) -> bool:
    if isinstance(value, timedelta):
        return value > timedelta(0)
    return isinstance(value, str) and value in _UNTIL


class UniqueOptions(TypedDict, total=False):
    """The options of commands of which only one at a time waits, or runs."""

    unique: Annotated[
        Literal["until_done", "until_started"] | timedelta,
        Option(_is_unique, "'until_done', 'until_started' or a timedelta above 0"),
    ]
    on_duplicate: Annotated[
        Literal["return", "replace", "raise"],
        Option(
            lambda value: isinstance(value, str) and value in _DUPLICATES, "'return', 'replace' or 'raise'"
        ),
    ]


class IdempotencyOptions(TypedDict, total=False):
    """The options of a single call that is to be the same call whenever it is repeated."""

    idempotency_key: Annotated[str, TEXT]
    idempotency_ttl: Annotated[float | timedelta, TTL]


class CallKey:
    """The key with which a call is sent, and what became of it."""

    def __init__(self, key: str, until: Until, on_duplicate: str) -> None:
        self.key = key
        self.until = until
        self.on_duplicate = on_duplicate
        self.placement: Placement | None = None
        """None before it is sent, as in a transaction that is still open."""

    @property
    def is_duplicate(self) -> bool | None:
        """Whether another message held the key; None before that is known."""
        return None if self.placement is None else self.placement.how != "sent"


class KeyedParcel(Parcel):
    """A call that is sent with a key."""

    call_key: CallKey
    lane: Lane | None = None
    """Where it waits, if its command is limited."""

    def data_as(self, id: str) -> bytes:
        """Return the message as signed bytes with another ``id``: that of the message it replaces."""
        return codec.encode(self.message._replace(id=id))


def check_unique(command_class: type[Command], where: str) -> None:
    """Raise ``InvalidCommand`` for options of this class that contradict ``unique``, or have no effect without it."""
    unique, on_duplicate = command_class.unique, command_class.on_duplicate
    if unique is None:
        if on_duplicate != Command.on_duplicate:
            raise InvalidCommand(
                f"on_duplicate has no effect on {where} without unique: add it, or leave on_duplicate out."
            )
        return
    if on_duplicate == "replace" and isinstance(unique, timedelta):
        raise InvalidCommand(
            f"{where} cannot be unique for a period and replace what waits: after its run, later calls of the period "
            f"would be lost. Write unique='until_started', and call it with .using(run_after=timedelta(...))."
        )
    if unique == "until_done" and command_class.at_most_once:
        raise InvalidCommand(
            f"at_most_once and unique='until_done' of {where} exclude each other: it is acknowledged before it runs, and "
            f"its key would be free while it runs. Write unique='until_started', or leave one of them out."
        )
    if hasattr(command_class, "validate_datetime"):
        raise InvalidCommand(f"{where} is enqueued by the clock, once whenever it is due: leave unique out.")


def with_key(parcel: Parcel, command: Command, queue: BaseQueue) -> Parcel:
    """Return ``parcel`` with the key of its call.

    Raises ``UnsupportedOption`` for a queue that knows no keys of messages, ``EnqueueError`` for a key that cannot be computed, or a
    call with two of them.
    """
    if not queue.supports_unique:
        what = "have an idempotency_key" if command.idempotency_key else "be unique"
        raise UnsupportedOption(
            f"{type(queue).__name__} does not know which message holds a key, so '{command.name}' cannot {what} "
            f"there; nothing was sent. Use DatabaseQueue or RedisQueue, or leave the option out."
        )
    made = KeyedParcel(*parcel)
    made.call_key, made.lane = _call_key_of(command), parcel.message.lane
    return made


def refuse_idle_ttl(command: Command) -> None:
    """Raise ``EnqueueError`` for a time to live of a call that has no idempotency key."""
    if command.idempotency_ttl is not None and command.idempotency_key is None:
        raise EnqueueError(
            f"idempotency_ttl of this '{command.name}' has no effect without idempotency_key; nothing was sent."
        )


def _call_key_of(command: Command) -> CallKey:
    if command.idempotency_key is None:
        key, unique = key_of(command), command.unique
        kind, text = ("arguments", digest_of(command)) if key is None else ("key", key)
        until = unique.total_seconds() if isinstance(unique, timedelta) else _UNTIL[unique]
        return CallKey(_joined(kind, command.name, text), until, command.on_duplicate)
    if command.unique is not None:
        raise EnqueueError(
            f"'{command.name}' is unique, and a call has one key: leave idempotency_key out, or send another command; "
            f"nothing was sent."
        )
    ttl = _DAY if command.idempotency_ttl is None else command.idempotency_ttl
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
    return CallKey(_joined("idempotency", command.name, command.idempotency_key), seconds, "return")


def _joined(*parts: str) -> str:
    """Return a text that differs for every sequence of parts."""
    return json.dumps(parts, separators=(",", ":"))
