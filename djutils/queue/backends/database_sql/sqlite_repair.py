"""Rows that another program has damaged: SQLite stores any type, and any bytes as text, in any column."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from djutils.queue.ids import new_id

from .claims import Row

logger = logging.getLogger("djutils.queue.backends.database")

_NOTE = "Its history in the database could not be read; its runs are counted from 0 again."
_COUNTERS = ("attempts", "crashes", "redeliveries", "offers")
_INTEGER = frozenset({int})
# Positions in COLUMNS.
_SOUND = (
    _INTEGER,
    _INTEGER,
    frozenset({str}),
    frozenset({bytes}),
    _INTEGER,
    _INTEGER,
    _INTEGER,
    frozenset({str, type(None)}),
    _INTEGER,
)


class SpoiltRows(OperationalError):
    """A claim found a row with values that djutils does not write."""


def refuse_spoilt(rows: Sequence[Row]) -> None:
    """Raise ``SpoiltRows`` unless every claimed row has the types that djutils writes."""
    for column, sound in zip(zip(*rows, strict=True), _SOUND, strict=False):
        if not sound.issuperset(map(type, column)):
            raise SpoiltRows("Rows of the queue were damaged by another program.")


def is_of_spoilt_rows(error: OperationalError) -> bool:
    """Return whether a claim failed because of such a row; undecodable text fails in the driver."""
    return isinstance(error, SpoiltRows) or "decode to UTF-8" in str(error)


def repair(connection: BaseDatabaseWrapper, table: str, queue: str, which: str, params: Sequence[Any]) -> int:
    """Make damaged rows among the messages ``which`` of ``queue`` claimable; return how many there were.

    ``which`` is what follows WHERE, and ``params`` its parameters. A message that has lost its id gets another one: the worker that receives it makes it a dead letter.
    """
    repaired = 0
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        # Write first: a transaction that begins with a read may be refused when it writes later.
        cursor.execute(
            f"UPDATE {table} SET prio_rank = 0 WHERE queue = %s AND state = 0 AND typeof(prio_rank) <> 'integer'",
            [queue],
        )
        repaired += int(cursor.rowcount)
        cursor.execute(
            f"SELECT id, CAST(message_id AS BLOB), typeof(message_id), CAST(error AS BLOB), typeof(error), "
            f"CASE typeof(message) WHEN 'blob' THEN NULL ELSE CAST(message AS BLOB) END, "
            f"{', '.join(f'typeof({name})' for name in _COUNTERS)} FROM {table} "
            f"WHERE {which}",
            params,
        )
        for key, *facts in cursor.fetchall():
            if changes := _changes(*facts):
                columns = ", ".join(f"{name} = %s" for name in changes)
                cursor.execute(f"UPDATE {table} SET {columns} WHERE id = %s", [*changes.values(), key])
                repaired += 1
    if repaired:
        logger.warning(
            "%d rows of the queue '%s' were damaged by another program and have been repaired.",
            repaired,
            queue,
        )
    return repaired


def _changes(
    id: bytes, kind_of_id: str, error: bytes | None, kind_of_error: str, message: bytes | None, *counters: str
) -> dict[str, Any]:
    """Return the values that a row needs to be valid again."""
    changes: dict[str, Any] = {}
    if kind_of_id != "text" or not _is_text(id):
        changes["message_id"] = new_id()
    if message is not None:
        changes["message"] = message
    if set(counters) != {"integer"} or kind_of_error not in {"text", "null"} or not _is_text(error or b""):
        changes |= dict.fromkeys(_COUNTERS, 0) | {"error": _NOTE}
    return changes


def _is_text(stored: bytes) -> bool:
    try:
        stored.decode()
    except UnicodeDecodeError:
        return False
    return True
