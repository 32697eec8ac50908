"""Keys that are held by messages: rows of the store's table that count as long as their message exists."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueMessage, State

_MARK = b"message "
LOOKED_AT_EVERY = 24 * 3600
"""Seconds after which a consumer checks that the message of such a row still exists; if not, the row is removed."""


def held_by(id: str) -> bytes:
    """Return the value of a key that the message ``id`` holds while it exists."""
    return _MARK + id.encode()


def holder_of(value: bytes) -> str:
    """Return the id in a value of ``held_by``, or in one that is only an id; empty for an empty value."""
    return value.removeprefix(_MARK).decode()


def held_among(connection: BaseDatabaseWrapper, values: Mapping[str, bytes]) -> list[str]:
    """Return those keys of ``values`` that are held by messages that exist and are not dead letters."""
    holders = {key: holder_of(value) for key, value in values.items() if value.startswith(_MARK)}
    if not holders:
        return []
    found = QueueMessage.objects.using(connection.alias).filter(message_id__in={*holders.values()})
    living = {id for id, state in found.values_list("message_id", "state") if state != State.DEAD}
    return [key for key, id in holders.items() if id in living]
