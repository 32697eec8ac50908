"""Keys that are held by messages: rows of the store's table that count as long as their message exists."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.models import QueueMessage

_MARK = b"message "
LOOKED_AT_EVERY = 24 * 3600
"""Seconds after which a consumer checks that the message of such a row still exists; if not, the row is removed."""


def held_by(id: str) -> bytes:
    """Return the value of a key that the message ``id`` holds while it exists."""
    return _MARK + id.encode()


def is_held_by(value: bytes) -> bool:
    """Return whether ``value`` is one of ``held_by``; another one is for a period."""
    return value.startswith(_MARK)


def holder_of(value: bytes) -> str:
    """Return the id in a value of ``held_by``, or in one that is only an id; empty for an empty value."""
    return value.removeprefix(_MARK).decode()


def held_among(connection: BaseDatabaseWrapper, values: Mapping[str, bytes]) -> list[str]:
    """Return those keys of ``values`` whose messages exist; a dead letter holds its key again when it is replayed."""
    holders = {key: holder_of(value) for key, value in values.items() if is_held_by(value)}
    if not holders:
        return []
    found = QueueMessage.objects.using(connection.alias).filter(message_id__in={*holders.values()})
    existing = {*found.values_list("message_id", flat=True)}
    return [key for key, id in holders.items() if id in existing]
