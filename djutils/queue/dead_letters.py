"""Replaying and discarding dead letters, with a log line that says who did what.

The management command, the admin and the consumer all use these functions.
"""

from __future__ import annotations

import logging
import os
import pwd
import re
import socket
from collections.abc import Collection
from datetime import datetime, timedelta

from .backends.base import BaseQueue

logger = logging.getLogger("djutils.queue.dead_letters")

_SHOWN = 10
_LONGEST = timedelta(days=365_000)
_AGE = re.compile(r"([0-9]{1,8})([wdhms]?)")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds", "": "seconds"}


def replay(queue: BaseQueue, ids: Collection[str] | None, by: str) -> int:
    """Put the dead letters of ``ids`` (None: all) back on ``queue`` and log it; return how many.

    ``by`` names the requester. After a ``BackendError`` some may already be back.
    """
    try:
        count = queue.replay(ids)
    except Exception as error:
        _log_failure(by, "replay", queue, _which(ids, None), error)
        raise
    _log(by, "replayed", count, queue, _which(ids, None))
    return count


def discard(queue: BaseQueue, ids: Collection[str] | None, by: str, *, before: datetime | None = None) -> int:
    """Delete the dead letters of ``ids`` (None: all) that died before ``before`` (None: at any time) and log it.

    Return how many. ``by`` names the requester. After a ``BackendError`` some may already be gone.
    """
    try:
        count = queue.discard(ids) if before is None else queue.discard(ids, before=before)
    except Exception as error:
        _log_failure(by, "discard", queue, _which(ids, before), error)
        raise
    if count or before is None:
        _log(by, "discarded", count, queue, _which(ids, before))
    return count


def operator() -> str:
    """Return who runs this process, for the log: the user, the user who called sudo, and the host."""
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run under a user id that has no name
        user = f"uid {uid}"
    sudo = os.environ.get("SUDO_USER")
    return f"{user}{f' (sudo by {sudo})' if sudo else ''} on {socket.gethostname()}"


def as_age(value: object) -> timedelta:
    """Return ``value`` as a timedelta; it may be one, or seconds, or text such as ``30d``, ``12h``, ``90m``.

    Raises ``ValueError``, which lists the valid forms, for anything else.
    """
    age = _age(value)
    if age is None or not timedelta(0) <= age <= _LONGEST:
        raise ValueError(f"{value!r} is not an age: write 30d, 12h, 90m, or a number of seconds.")
    return age


def _age(value: object) -> timedelta | None:
    if isinstance(value, str):
        found = _AGE.fullmatch(value.strip().lower())
        return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, timedelta) else None
    return timedelta(seconds=value) if 0 <= value <= _LONGEST.total_seconds() else None


def _which(ids: Collection[str] | None, before: datetime | None) -> str:
    if before is not None:
        return f"those that died before {before:%Y-%m-%d %H:%M:%S %Z}"
    if ids is None:
        return "all of them"
    more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return ", ".join([*ids][:_SHOWN]) + more


def _log(by: str, did: str, count: int, queue: BaseQueue, which: str) -> None:
    letters = "1 dead letter" if count == 1 else f"{count} dead letters"
    logger.info("%s %s %s of the queue '%s': %s", _plain(by), did, letters, queue.name, which)


def _log_failure(by: str, tried: str, queue: BaseQueue, which: str, error: Exception) -> None:
    logger.warning(
        "%s tried to %s dead letters of the queue '%s' (%s) and failed; list shows which are left: %s",
        _plain(by),
        tried,
        queue.name,
        which,
        error,
    )


def _plain(text: str) -> str:
    """Return ``text`` on one line: a user name may come from anywhere and must not forge a log line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
