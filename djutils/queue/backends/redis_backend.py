"""RedisQueue: lists of ids, payloads in a hash, every step one script; for Redis 6.2 and Valkey.

The keys of a queue are described on top of ``lua/common.lua``; they share one cluster hash slot.
A script runs whole or not at all, so nothing is ever between two states.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from djutils.queue.backends.base import LeasedQueue
from djutils.queue.backends.redis_client import RedisClient
from djutils.queue.exceptions import OwnerLost
from djutils.queue.message import (
    Batch,
    DeadLetter,
    Delivery,
    Envelope,
    Rejection,
    Retrial,
    Running,
    Stats,
)

_KEYS = ("messages", "ready", "ranked", "delayed", "about", "dead", "owners", "wake", "count")
_MOST_AT_ONCE = 1000
_MOST_BYTES = 4 * 1024 * 1024
_DAY = 24 * 3600
# Braces mark the part of a key that decides on its slot.
_ESCAPES = str.maketrans({"{": "%7B", "}": "%7D", "%": "%25"})


class RedisQueue(LeasedQueue):
    """Keeps messages in Redis or Valkey.

    ``connection`` is ``host:port:db`` as in 2011, empty for ``localhost:6379:0``, or a URL:
    ``redis://user:password@host:port/db``, ``rediss://`` for TLS, ``unix:///path?db=0``.

    The client is made by the first call and may be used by many threads. After a fork the child
    gets connections of its own.
    """

    batch = 250
    blocking = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self.server = RedisClient(connection)
        self._prefix = f"{{djq:{name.translate(_ESCAPES)}}}:"
        self.keys = tuple(self._prefix + key for key in _KEYS)
        self._wake_key = self._prefix + "wake"
        self._keys_of_push = (self.keys[0], self.keys[1], self._wake_key)

    def open(self) -> None:
        """Refuse a server that is too old or that may evict messages when its memory is full."""
        self.server.check()

    def close(self) -> None:
        self.server.close()

    # In

    def send(self, envelopes: Sequence[Envelope]) -> None:
        # In parts: one script of a million messages would make everybody wait.
        for start in range(0, len(envelopes), _MOST_AT_ONCE):
            part = envelopes[start : start + _MOST_AT_ONCE]
            plain = {id: data for id, data, delay, priority in part if delay <= 0 and not priority}
            if len(plain) == len(part):
                self.server.run("push", self._keys_of_push, [*chain.from_iterable(plain.items())])
            else:
                self._run("send", "", *chain.from_iterable(map(_pack, part)))

    def send_once(self, key: str, envelope: Envelope) -> bool:
        return bool(self._run("send", _DAY, *_pack(envelope), keys=[f"{self._prefix}once:{key}"]))

    # Out

    def enroll(self, owner: int) -> None:
        self._run("enroll", owner, keys=[self._lent_to(owner)])

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        script = self._receive(owner, count, done)
        batch, pause = _batch(self.server.run(*script))
        if wait <= 0 or batch.deliveries:
            return batch
        late, script = batch.late, self._receive(owner, count)
        deadline = time.monotonic() + wait
        while not batch.deliveries and (rest := deadline - time.monotonic()) > 0:
            # What is popped is a mere marker: if we die with it, the next look finds the message.
            batch, pause = _batch(self.server.run_woken(self._wake_key, min(rest, pause), *script))
        return batch._replace(late=late)

    def ask(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch]:
        answer = self.server.ask(*self._receive(owner, count, done))
        return lambda: _batch(answer())[0]

    def _receive(
        self, owner: int, count: int, done: Collection[str] = ()
    ) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
        keys = (*self.keys, self._lent_to(owner))
        return "receive", keys, (owner, count, _MOST_BYTES, *done)

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        late = self._settle("ack", owner, *ids) if ids else ()
        return set(ids).difference(late)

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        return self._settle("release", owner, _microseconds(delay), *ids) if ids else set()

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        return self._settle(
            "retry",
            owner,
            *chain.from_iterable(
                (id, _microseconds(delay), charge, _bytes(error)) for id, delay, error, charge in retrials
            ),
        )

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        return self._settle(
            "reject",
            owner,
            *chain.from_iterable((id, charge, _bytes(error)) for id, error, charge in rejections),
        )

    def _settle(self, script: str, owner: int, *args: object) -> set[str]:
        return set(map(bytes.decode, self._run(script, *args, keys=[self._lent_to(owner)])))

    def read(self) -> bytes | None:
        """Take the next message away and answer it, or None when there is none.

        If it raises ``BackendUnavailable``, a message may have been taken away and lost.
        """
        data: bytes | None = self._run("read")
        return data

    # Owners

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        return _deliveries(*self._run("adopt", *known, keys=[self._lent_to(owner)]))

    def held(self, owner: int, ids: Collection[str]) -> set[str]:
        asked = list(ids)
        lent = self.server.call("SMISMEMBER", self._lent_to(owner), *asked) if asked else []
        return {id for id, is_lent in zip(asked, lent, strict=True) if is_lent}

    def beat(self, owners: Collection[int]) -> set[int]:
        return set(map(int, self._run("beat", *set(owners)))) if owners else set()

    def owners(self) -> dict[int, int]:
        beats = self.server.call("HGETALL", self._prefix + "owners")
        return dict(zip(map(int, beats[::2]), map(int, beats[1::2]), strict=True))

    def reap(self, owner: int, beats: int | None = None, running: Running | None = None) -> int:
        observed = "" if beats is None else beats
        reasons = chain.from_iterable((id, _bytes(text)) for id, text in (running or {}).items())
        known = int(running is not None)
        return int(self._run("reap", owner, observed, known, *reasons, keys=[self._lent_to(owner)]))

    # The whole

    def flush(self) -> None:
        emptied = 0
        while not emptied:
            owners = list(self.owners())
            emptied = self._run("flush", *owners, keys=map(self._lent_to, owners))

    def __len__(self) -> int:
        stats = self.stats()
        return stats.ready + stats.delayed

    def stats(self) -> Stats:
        return Stats(*self._run("stats"))

    # Dead letters

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        if count < 1 or (ids is not None and not ids):
            return []
        return [_dead_letter(fields) for fields in self._run("dead_letters", count, *set(ids or ()))]

    def replay(self, ids: Collection[str] | None = None) -> int:
        return self._for_the_dead("replay", ids)

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        if before is not None:
            limit = f"({round(before.timestamp() * 1e6)}"
            old = {
                *map(bytes.decode, self.server.call("ZRANGEBYSCORE", self._prefix + "dead", "-inf", limit))
            }
            ids = old if ids is None else old.intersection(ids)
        return self._for_the_dead("discard", ids)

    def _for_the_dead(self, script: str, ids: Collection[str] | None) -> int:
        # In parts: one script of a million ids would make everybody wait.
        chosen = list(self.server.call("ZRANGE", self._prefix + "dead", 0, -1) if ids is None else ids)
        parts = (chosen[at : at + 500] for at in range(0, len(chosen), 500))
        return sum(self._run(script, *part) for part in parts)

    # The server

    def _lent_to(self, owner: int) -> str:
        return f"{self._prefix}lent:{owner}"

    def _run(self, script: str, *args: Any, keys: Iterator[str] | Sequence[str] = ()) -> Any:
        return self.server.run(script, (*self.keys, *keys), args)


class RedisBlockingQueue(RedisQueue):
    """A RedisQueue whose ``read`` waits for a message, as in 2011."""

    def read(self) -> bytes | None:
        """Wait for a message, take it away and answer it. Never answers None."""
        while (data := super().read()) is None:
            self.server.wait(self._wake_key, 1.0)
        return data


def _microseconds(seconds: float) -> int:
    return math.ceil(seconds * 1_000_000)


def _bytes(error: str) -> bytes:
    """A traceback may hold what was never proper text: file names, for one."""
    return error.encode(errors="backslashreplace")


def _pack(envelope: Envelope) -> tuple[str, bytes, int, int]:
    return envelope.id, envelope.data, _microseconds(envelope.delay), envelope.priority


def _batch(answer: Any) -> tuple[Batch, float]:
    """Answer the batch, and in how many seconds the next delayed message is due."""
    if answer is None:
        raise OwnerLost
    late, *lent, pause = answer
    until_due = math.inf if pause < 0 else pause / 1e6
    return Batch(_deliveries(*lent), frozenset(map(bytes.decode, late))), until_due


def _deliveries(ids: list[bytes], payloads: list[bytes], histories: list[Any]) -> list[Delivery]:
    named = map(bytes.decode, ids)
    if not histories:
        return list(map(Delivery, named, payloads))
    facts = {id: (*counters, error.decode(), offers) for id, *counters, error, offers in histories}
    rest = (facts.get(id, ()) for id in ids)
    return [Delivery(id, data, *more) for id, data, more in zip(named, payloads, rest, strict=True)]


def _dead_letter(fields: list[Any]) -> DeadLetter:
    id, data, died, attempts, crashes, redeliveries, error = fields
    moment = datetime.fromtimestamp(died / 1e6, UTC)
    return DeadLetter(id.decode(), data, error.decode(), moment, attempts, crashes, redeliveries)
