"""The dead letters of a RedisQueue, and ids that djutils did not make."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter

logger = logging.getLogger("djutils.queue.backends.redis_dead")

_PAGE = 500
_MOST_BYTES = 4 * 1024 * 1024
_HEX = b"0123456789abcdef"
_LONGEST = 32
"""How many bytes of an id the consumer stores while its command runs."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)


class RedisDeadLetters:
    """Lists, replays and discards dead letters, one page per script so that no other client waits for long.

    ``run`` runs a script on the keys of one queue, ``call`` runs a command on one named key.
    """

    def __init__(self, queue: str, run: Callable[..., Any], call: Callable[..., Any]) -> None:
        self._queue = queue
        self._run = run
        self._call = call

    def listed(self, ids: Collection[str] | None, count: int) -> list[DeadLetter]:
        """Return up to ``count`` dead letters, newest first, or only those with ``ids``."""
        chosen = self._newest(count) if ids is None else self._in_turn(ids)[: max(count, 0)]
        if strange := strangers(chosen):
            renamed = self.quarantine(strange)
            chosen = [renamed.get(id, id) for id in chosen]
        letters: list[DeadLetter] = []
        while chosen:
            read, found = self._run("dead_letters", _MOST_BYTES, *chosen[:_PAGE])
            letters += map(_dead_letter, found)
            chosen = chosen[read:]
        return letters

    def ids(self, prefix: str, count: int) -> list[str]:
        """Return up to ``count`` ids of dead letters that begin with ``prefix``, without loading the messages."""
        found: dict[bytes, float] = {}
        literal = re.sub(r"([][*?\\^-])", r"\\\1", prefix)
        cursor, pattern = b"0", literal.encode(errors="surrogateescape") + b"*"
        while len(found) < count:
            cursor, page = self._call("ZSCAN", "dead", cursor, "MATCH", pattern, "COUNT", 2 * _PAGE)
            found |= zip(page[::2], map(float, page[1::2]), strict=True)
            if cursor == b"0":
                break
        for id in strangers(found):
            del found[id]
        return [id.decode() for id in sorted(found, key=found.__getitem__, reverse=True)[:count]]

    def replay(self, ids: Collection[str] | None) -> int:
        """Put those with ``ids`` (None: all) at the head of the queue, oldest first; return how many."""
        chosen = self._died_before("") if ids is None else _asked_for(ids)
        # Each is put in front of the previous one.
        return sum(self._run("replay", *page) for page in _pages(sorted(chosen, reverse=True)))

    def discard(self, ids: Collection[str] | None, before: datetime | None) -> int:
        """Delete those with ``ids`` (None: all) that died before ``before`` (None: at any time); return how many."""
        limit = "" if before is None else str((before - _EPOCH) // _MICROSECOND)
        chosen = self._died_before(limit) if ids is None else _asked_for(ids)
        return sum(self._run("discard", limit, *page) for page in _pages(chosen))

    def quarantine(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Turn messages with such ids into dead letters, and return the new ids they get.

        With these ids they can be shown, replayed and discarded.
        """
        renamed = {id: new_id().encode() for id in ids}
        reasons = {
            id: f"InvalidMessage: its id in Redis was {_shown(id)}, which djutils did not make."
            for id in renamed
        }
        for page in _pages([*renamed]):
            self._run("quarantine", *chain.from_iterable((id, renamed[id], reasons[id]) for id in page))
        for id, instead in renamed.items():
            logger.error(
                "%s: another program put a message with the id %s into Redis. It will not run: it is now the dead"
                " letter %s.",
                self._queue,
                _shown(id),
                instead.decode(),
            )
        return renamed

    def _newest(self, count: int) -> list[bytes]:
        """Return the ids of the ``count`` newest, newest first."""
        return self._ranked("ZREVRANGE", min(count, self._call("ZCARD", "dead")))

    def _died_before(self, limit: str) -> list[bytes]:
        """Return the ids of all that died before the moment ``limit`` ('': at any time), oldest first."""
        return self._ranked("ZRANGE", self._call("ZCOUNT", "dead", "-inf", f"({limit}" if limit else "+inf"))

    def _ranked(self, command: str, count: int) -> list[bytes]:
        starts = range(0, count, _PAGE)
        pages = (self._call(command, "dead", at, min(at + _PAGE, count) - 1) for at in starts)
        return list(dict.fromkeys(chain.from_iterable(pages)))

    def _in_turn(self, ids: Collection[str]) -> list[bytes]:
        """Return those of ``ids`` that are dead letters, newest first."""
        died: list[tuple[float, bytes]] = []
        for page in _pages(_asked_for(ids)):
            scores = self._call("ZMSCORE", "dead", *page)
            died += [(float(score), id) for score, id in zip(scores, page, strict=True) if score]
        return [id for _, id in sorted(died, reverse=True)]


def strangers(ids: Collection[bytes]) -> list[bytes]:
    """Return those of ``ids`` that no consumer should receive: longer than 32 bytes, or not readable text."""
    if set(map(len, ids)) <= {32} and not b"".join(ids).translate(None, _HEX):
        return []
    return [id for id in ids if not (0 < len(id) <= _LONGEST and _is_readable(id))]


def _is_readable(id: bytes) -> bool:
    try:
        return id.decode().isprintable()
    except UnicodeDecodeError:
        return False


def text_of(error: bytes) -> str:
    """Return an error as text, even if another program has overwritten it with other bytes."""
    return error.decode(errors="backslashreplace")


def _asked_for(ids: Iterable[str]) -> list[bytes]:
    """Return ``ids`` as Redis stores them, without duplicates; impossible ids are dropped."""
    asked = [id.encode(errors="surrogateescape") for id in dict.fromkeys(ids)]
    strange = {*strangers(asked)}
    return [id for id in asked if id not in strange]


def _shown(id: bytes) -> str:
    return f"{id[: 2 * _LONGEST]!r}{'...' if len(id) > 2 * _LONGEST else ''}"


def _pages(ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (ids[at : at + _PAGE] for at in range(0, len(ids), _PAGE))


def _dead_letter(fields: list[Any]) -> DeadLetter:
    id, data, died, attempts, crashes, redeliveries, error = fields
    moment = _EPOCH + died * _MICROSECOND
    return DeadLetter(id.decode(), data, text_of(error), moment, attempts, crashes, redeliveries)
