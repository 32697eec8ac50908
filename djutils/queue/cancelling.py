"""Cancelling a call: one that waits is removed, one that runs is asked to end, or its process is killed."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from .backends.base import BaseQueue
from .command import Command
from .exceptions import Cancelled
from .keeping import failure_of, ttl_of
from .message import Message
from .reading import class_of, look
from .record import Record, ResultStatus, attempt_name, pack
from .stores.base import Store

_ASK, _KILL = b"ask", b"kill"
_ASKED_FOR = timedelta(days=1).total_seconds()


class Cancellation(TextChoices):
    """What ``cancel()`` has done."""

    REMOVED = "removed", _("It was waiting and is removed: it will not run.")
    ASKED = "asked", _("It is with a worker, which is asked to end it.")
    KILLING = "killing", _("It is with a worker, whose process is killed if it runs there.")
    TOO_LATE = "too late", _("It had ended.")


def asked_key(id: str) -> str:
    """Return the key under which the request to end the message ``id`` is kept."""
    return f"cancel {id}"


def cancel(queue: BaseQueue, id: str, *, kill: bool) -> Cancellation:
    """Cancel the message ``id`` of ``queue``, and return what was done. Raises what ``look`` raises."""
    state = look(queue, id)
    if state.message is None or state.status == ResultStatus.FAILED:
        return Cancellation.TOO_LATE
    message = state.message
    leased: Any = queue  # look() has refused others
    store: Store = leased.results
    command_class = class_of(message.command)
    ttl, record = ttl_of(command_class), _record_of(message, command_class, state.failed)
    aside = attempt_name(id, 0)
    # Kept first, so that the message is never gone without a word; and aside, where no worker writes: it may begin and
    # end the message at this moment, and what it keeps must stay.
    store.set({aside: pack(record, aside)}, ttl)
    if removed := leased.remove([id]):
        store.set({id: pack(record, id)}, ttl)
    store.delete([aside])
    if removed:
        return Cancellation.REMOVED
    # Beside the messages, wherever results are kept: there the consumer looks.
    if queue.store is not None:
        queue.store.set({asked_key(id): _KILL if kill else _ASK}, _ASKED_FOR)
    return Cancellation.KILLING if kill else Cancellation.ASKED


def cancelled_among(queue: BaseQueue, ids: Collection[str]) -> dict[str, bool]:
    """Return which of ``ids`` were cancelled, each with whether its process is to be killed for that."""
    if queue.store is None or not ids:
        return {}
    keys = {asked_key(id): id for id in ids}
    return {keys[key]: request == _KILL for key, request in queue.store.get(list(keys)).items()}


def _record_of(message: Message, command_class: type[Command], failed: Sequence[Record]) -> Record:
    now = time.time()
    attempt = failed[-1].attempt + 1 if failed else 1
    error = failure_of(Cancelled("It was cancelled while it waited."))
    body = message.body if command_class.keeps_arguments else b""
    moments = message.created, now, now
    return Record(str(ResultStatus.CANCELLED), message.command, attempt, *moments, "", error, body=body)
