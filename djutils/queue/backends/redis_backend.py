"""RedisQueue: lists of ids, payloads in a hash, every operation one script; for Redis 6.2 and Valkey.

The keys of a queue are described at the top of ``lua/common.lua``; they share one cluster hash slot. Nothing
else runs while a script does. A script that fails halfway leaves at worst a second copy of an id, never a
message that no list names.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.redis_checks import check_rights, check_server
from djutils.queue.backends.redis_client import RedisClient
from djutils.queue.backends.redis_dead import RedisDeadLetters, strangers, text_of
from djutils.queue.backends.redis_looking import RedisLooking
from djutils.queue.backends.redis_sweep import RedisSweep
from djutils.queue.exceptions import OwnerLost
from djutils.queue.message import (
    Batch,
    Crashes,
    DeadLetter,
    Delivery,
    Envelope,
    Rejection,
    Retrial,
    Snapshot,
    StateName,
    Stats,
    make,
)
from djutils.queue.stores.redis_store import RedisStore

_KEYS = ("messages", "ready", "ranked", "delayed", "about", "dead", "owners", "wake", "count", "lent")
_MOST_AT_ONCE = 1000
_MOST_BYTES = 4 * 1024 * 1024
_DAY = 24 * 3600
# Braces mark the part of a key that determines its slot.
_ESCAPES = str.maketrans({"{": "%7B", "}": "%7D", "%": "%25"})
_OWNER = re.compile(rb"[1-9][0-9]{0,18}")
_BEATS = re.compile(rb"[0-9]{1,15}")
_NEW = Delivery("", b"")[2:]
"""The counters of a message that was never lent."""


class RedisQueue(LeasedQueue):
    """Keeps messages in Redis or Valkey.

    ``connection`` is ``host:port:db`` as in 2011, empty for ``localhost:6379:0``, or a URL:
    ``redis://user:password@host:port/db``, ``rediss://`` for TLS, ``unix:///path?db=0``.

    The client is created by the first call and may be used by many threads. After a fork the child
    opens its own connections. More than 1000 messages, or more than 4 MB of them, are sent in
    parts: if one part fails, the parts before it have been sent. Sending all of them again is harmless.
    """

    batch = 250
    blocking = True
    supports_peek = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self.server = RedisClient(connection)
        self._prefix = _prefix(name)
        self.keys = tuple(self._prefix + key for key in _KEYS)
        self._wake_key = self._prefix + "wake"
        self._keys_of_push = (self.keys[0], self.keys[1], self._wake_key)
        self._store = RedisStore("store", self._prefix, self._run_on, self._call_server)
        self._once = RedisStore("once", self._prefix, self._run_on, self._call_server)
        self._sweep = RedisSweep(self._run, self._call)
        self._dead = RedisDeadLetters(name, self._run, self._call)
        self._looking = RedisLooking(self._run, self._call)

    @property
    def store(self) -> RedisStore:
        return self._store

    def open(self) -> None:
        """Refuse a server that is too old, may evict messages, or withholds a right a consumer needs.

        Raises ``ConfigurationError`` for the first two, and a ``BackendError`` that names the
        commands and how to allow them for the third.
        """
        check_server(self.server)
        check_rights(self.server, self._prefix)

    def close(self) -> None:
        self.server.close()

    # Sending

    def send(self, envelopes: Sequence[Envelope]) -> None:
        for part in [envelopes] if len(envelopes) == 1 else _parts(envelopes):
            plain = {id: data for id, data, delay, priority in part if delay <= 0 and not priority}
            if len(plain) == len(part):
                self.server.run("push", self._keys_of_push, [*chain.from_iterable(plain.items())])
            else:
                self._run("send", "", *chain.from_iterable(map(_pack, part)))

    def send_once(self, key: str, envelope: Envelope) -> bool:
        return bool(self._run("send", _DAY, *_pack(envelope), keys=(self._once.stored_key(key),)))

    # Lending and settling

    def enroll(self, owner: int) -> None:
        self._run("enroll", owner)

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        batch, pause = self._batch(self._run("receive", owner, count, _MOST_BYTES, *done))
        if wait <= 0 or batch.deliveries:
            return batch
        late, args = batch.late, (owner, count, _MOST_BYTES)
        markers = (self._wake_key, *(f"{_prefix(name)}wake" for name in self.beside))
        deadline = time.monotonic() + wait
        while not batch.deliveries and (rest := deadline - time.monotonic()) > 0:
            # What is popped is only a marker: if this process dies with it, the next look finds the message.
            woken, answer = self.server.run_woken(markers, min(rest, pause), "receive", self.keys, args)
            batch, pause = self._batch(answer)
            if woken not in {None, self._wake_key}:
                break
        return batch._replace(late=late)

    def prefetch(self, owner: int, count: int, done: Collection[str] = ()) -> Callable[[], Batch]:
        answer = self.server.start("receive", self.keys, (owner, count, _MOST_BYTES, *done))
        return lambda: self._batch(answer())[0]

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        late = self._settle("ack", owner, *ids) if ids else ()
        return set(ids).difference(late)

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        return self._settle("release", owner, _microseconds(delay), *ids) if ids else set()

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        fields = ((id, _microseconds(delay), charge, _bytes(error)) for id, delay, error, charge in retrials)
        return self._settle("retry", owner, *chain.from_iterable(fields))

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        fields = ((id, charge, _bytes(error)) for id, error, charge in rejections)
        return self._settle("reject", owner, *chain.from_iterable(fields))

    def _settle(self, script: str, owner: int, *args: object) -> set[str]:
        return set(map(bytes.decode, self._run(script, owner, *args)))

    def read(self) -> bytes | None:
        """Remove the next message and return it, or None when there is none.

        If this raises ``BackendUnavailable``, a message may have been removed and lost.
        """
        data: bytes | None = self._run("read")
        return data

    # Owners

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        adopted: list[Delivery] = []
        heard: list[str | bytes] = list(known)
        # In parts: one owner may hold more than one reply should carry.
        while (part := self._run("adopt", owner, _MOST_BYTES, *heard))[0]:
            adopted += self._deliveries(*part)
            heard += part[0]
        return adopted

    def held(self, owner: int, ids: Collection[str]) -> set[str]:
        asked, token = list(ids), b"%d" % owner
        holders = self._call("HMGET", "lent", *asked) if asked else []
        return {id for id, holder in zip(asked, holders, strict=True) if holder == token}

    def beat(self, owners: Collection[int]) -> set[int]:
        return set(map(int, self._run("beat", *set(owners)))) if owners else set()

    def owners(self) -> dict[int, int]:
        beats = self._call("HGETALL", "owners")
        # Other values were not written by a consumer.
        return {
            int(owner): int(count) if _BEATS.fullmatch(count) else -1
            for owner, count in zip(beats[::2], beats[1::2], strict=True)
            if _OWNER.fullmatch(owner)
        }

    def reap(self, owner: int, beats: int | None = None, running: Crashes | None = None) -> int:
        observed = "" if beats is None else beats
        reasons = chain.from_iterable((id, _bytes(text)) for id, text in (running or {}).items())
        return int(self._run("reap", owner, observed, int(running is not None), *reasons))

    def sweep(self, seconds: float = 0.05) -> int:
        return self._sweep.go_on(seconds)

    # The whole queue

    def flush(self) -> None:
        self._run("flush")

    def stats(self) -> Stats:
        return Stats(*self._run("stats"))

    # Dead letters

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        return self._dead.listed(ids, count)

    def dead_ids(self, prefix: str, count: int = 10) -> list[str]:
        return self._dead.ids(prefix, count)

    def replay(self, ids: Collection[str] | None = None) -> int:
        return self._dead.replay(ids)

    def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
        return self._dead.discard(ids, before)

    # Reading without taking

    def peek(
        self,
        state: StateName,
        *,
        newest: bool = False,
        after: str = "",
        count: int = 100,
        data: bool = False,
    ) -> list[Snapshot]:
        return self._looking.peek(state, newest, after, count, data)

    def find(self, prefix: str, count: int = 10, *, data: bool = False) -> list[Snapshot]:
        return self._looking.find(prefix, count, data)

    def oldest(self) -> Snapshot | None:
        return self._looking.oldest()

    # The server

    def _run(self, script: str, *args: Any, keys: tuple[str, ...] = ()) -> Any:
        return self.server.run(script, self.keys + keys, args)

    def _run_on(self, script: str, keys: tuple[str, ...], args: Sequence[Any]) -> Any:
        return self.server.run(script, keys, args)

    def _call_server(self, *words: Any) -> Any:
        return self.server.call(*words)

    def _call(self, command: str, key: str, *args: Any) -> Any:
        return self.server.call(command, self._prefix + key, *args)

    def _batch(self, answer: Any) -> tuple[Batch, float]:
        """Return the batch, and the seconds until the next delayed message is due."""
        if answer is None:
            raise OwnerLost
        late, *lent, pause = answer
        until_due = math.inf if pause < 0 else pause / 1e6
        return Batch(self._deliveries(*lent), frozenset(map(bytes.decode, late))), until_due

    def _deliveries(self, ids: list[bytes], payloads: list[bytes], histories: list[Any]) -> list[Delivery]:
        if strange := strangers(ids):
            self._dead.quarantine(strange)
            kept = [(id, data) for id, data in zip(ids, payloads, strict=True) if id not in strange]
            ids, payloads = [id for id, _ in kept], [data for _, data in kept]
        named = map(bytes.decode, ids)
        if not histories:
            return [make(Delivery, (id, data, *_NEW)) for id, data in zip(named, payloads, strict=True)]
        facts = {id: (*counters, text_of(error), offers) for id, *counters, error, offers in histories}
        rest = (facts.get(id, ()) for id in ids)
        return [Delivery(id, data, *more) for id, data, more in zip(named, payloads, rest, strict=True)]


class RedisBlockingQueue(RedisQueue):
    """A RedisQueue whose ``read`` waits for a message, as in 2011."""

    def read(self) -> bytes | None:
        """Wait for a message, remove it and return it. Never returns None."""
        while (data := super().read()) is None:
            self.server.wait([self._wake_key], 1.0)
        return data


def _prefix(queue: str) -> str:
    return f"{{djq:{queue.translate(_ESCAPES)}}}:"


def _microseconds(seconds: float) -> int:
    return math.ceil(seconds * 1_000_000)


def _bytes(error: str) -> bytes:
    """Return ``error`` encoded; a traceback may contain invalid text, such as file names."""
    return error.encode(errors="backslashreplace")


def _pack(envelope: Envelope) -> tuple[str, bytes, int, int]:
    return envelope.id, envelope.data, _microseconds(envelope.delay), envelope.priority


def _parts(envelopes: Sequence[Envelope]) -> Iterator[Sequence[Envelope]]:
    """Split what is sent: all other clients wait while a large script runs."""
    count = len(envelopes)
    if count <= _MOST_AT_ONCE and (
        count < 2 or sum(len(envelope.data) for envelope in envelopes) <= _MOST_BYTES
    ):
        if count:
            yield envelopes
        return
    yield from _parts(envelopes[: count // 2])
    yield from _parts(envelopes[count // 2 :])
