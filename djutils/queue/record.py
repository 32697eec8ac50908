"""What is kept of a command that keeps its results, as signed bytes, and back.

========  ==========================================================================
bytes     what
========  ==========================================================================
3         ``djr``
1         version of this format
4         which key signed it, as in a message
1         status: its place in ``ResultStatus``
4         attempt
8, 8, 8   when it was enqueued, began and ended, in seconds since the epoch
2, 2      lengths of the command's name and the worker's
4, 4      lengths of the rest of the facts and of the body
..        the names, in UTF-8
..        the rest: error and progress as JSON, or nothing
..        body: the arguments as they travelled in the message, if they are kept
..        value: what the command returned, or raised, in the form of the message's body
32        authentication code of the name under which it is kept and everything before it, as in a message
========  ==========================================================================

Numbers as in a message. The name is signed too: a record that is copied to another one is refused.
"""

from __future__ import annotations

import hmac
import json
import struct
from functools import lru_cache
from typing import NamedTuple

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from .exceptions import InvalidMessage
from .keys import site_keys
from .signing import SIGNATURE_SIZE

_PREFIX = b"djr\x01"
_FACTS_AT = 8
_FACTS = struct.Struct(">BIdddHHII")
_NAMES_AT = _FACTS_AT + _FACTS.size

_pack_facts = _FACTS.pack


class ResultStatus(TextChoices):
    """What has become of a call; all names but ``CANCELLED`` are those of ``django.tasks``."""

    READY = "READY", _("Ready")
    """It waits: for the first time, for its due moment, or for the next attempt."""
    RUNNING = "RUNNING", _("Running")
    FAILED = "FAILED", _("Failed")
    SUCCESSFUL = "SUCCESSFUL", _("Successful")
    CANCELLED = "CANCELLED", _("Cancelled")


_STATUSES = [str(status) for status in ResultStatus]
_PLACES = {status: place for place, status in enumerate(_STATUSES)}


class Failure(NamedTuple):
    """Why one attempt failed."""

    exception_class_path: str
    message: str
    """The first line of what the exception says."""
    traceback: str


class Progress(NamedTuple):
    """How far a command is, as it said with ``progress()`` or ``track()``."""

    done: int
    total: int | None = None
    """None: it does not know."""
    note: str = ""


class Record(NamedTuple):
    """One run that has ended: the last one of a command, or one that failed and is followed by others."""

    status: str
    command: str
    attempt: int
    """Which run it was (first = 1)."""
    enqueued: float
    """This and the next two in seconds since the epoch."""
    started: float
    finished: float
    worker: str
    error: Failure | None = None
    progress: Progress | None = None
    body: bytes = b""
    value: bytes = b""
    """What it returned, or the exception that it raised; empty if that could not be kept."""


def pack(record: Record, name: str) -> bytes:
    """Return ``record`` as signed bytes, to be kept under ``name``."""
    status, command, attempt, enqueued, started, finished, worker, error, progress, body, value = record
    rest = json.dumps([error, progress]).encode() if error or progress else b""
    names, called, ran_by = _packed_names(command, worker)
    key = site_keys().signing
    place = _PLACES[status]
    facts = _pack_facts(place, attempt, enqueued, started, finished, called, ran_by, len(rest), len(body))
    data = b"".join((_PREFIX, key.id, facts, names, rest, body, value))
    return data + key.sign(name.encode() + data)


@lru_cache(maxsize=1024)
def _packed_names(command: str, worker: str) -> tuple[bytes, int, int]:
    """Return both names as bytes, and the length of each: they are the same for most records of a process."""
    called, ran_by = command.encode(), worker.encode()
    return called + ran_by, len(called), len(ran_by)


def unpack(data: bytes, name: str) -> Record:
    """Return the record in ``data``, which was kept under ``name``; nothing in it is unpickled.

    Raises ``InvalidMessage`` unless this site has signed it for this name.
    """
    key = site_keys().accepted.get(data[4:8]) if data[:4] == _PREFIX else None
    signature = data[-SIGNATURE_SIZE:]
    if key is None or not hmac.compare_digest(key.sign(name.encode() + data[:-SIGNATURE_SIZE]), signature):
        raise InvalidMessage(
            f"What is kept as the result of {name} was not signed by this site: it was damaged, or written with a "
            f"key that is not in SECRET_KEY_FALLBACKS or QUEUE_SIGNING_KEYS any more. It cannot be read."
        )
    place, attempt, *moments, called, ran_by, size, body_size = _FACTS.unpack_from(data, _FACTS_AT)
    parts, at = [], _NAMES_AT
    for length in (called, ran_by, size, body_size, len(data) - SIGNATURE_SIZE):
        parts.append(data[at : min(at + length, len(data) - SIGNATURE_SIZE)])
        at += length
    command, worker, rest, body, value = parts
    error, progress = json.loads(rest) if rest else (None, None)
    failure = Failure(*error) if error else None
    how_far = Progress(*progress) if progress else None
    names = command.decode(), worker.decode()
    enqueued, started, finished = moments
    times = enqueued, started, finished
    return Record(_STATUSES[place], names[0], attempt, *times, names[1], failure, how_far, body, value)


def attempt_name(id: str, attempt: int) -> str:
    """Return the name under which the failed ``attempt`` of the message ``id`` is kept; the last record has the id."""
    return f"{id}.{attempt}"
