"""What a worker does with a queue in Redis, and an operator: lend, settle, beat, look, replay; each is one script."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from djutils.queue.backends.lanes import microseconds, told_name
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.looking import refuse_lane
from djutils.queue.backends.redis_checks import check_rights, check_server
from djutils.queue.backends.redis_client import RedisClient, RedisSubscription
from djutils.queue.backends.redis_dead import RedisDeadLetters, strangers, text_of
from djutils.queue.backends.redis_looking import RedisLooking
from djutils.queue.backends.redis_sweep import RedisSweep
from djutils.queue.backends.subscription import note_awaited
from djutils.queue.exceptions import OwnerLost
from djutils.queue.message import (
    Batch,
    Crashes,
    DeadLetter,
    Delivery,
    Rejection,
    Retrial,
    Snapshot,
    StateName,
    Stats,
    make,
)
from djutils.queue.stores.base import Store, checked_ttl, checked_value, milliseconds, parts
from djutils.queue.stores.redis_results import RedisResults
from djutils.queue.stores.redis_store import RedisStore

_KEYS = ("messages", "ready", "ranked", "delayed", "about", "dead", "owners", "wake", "count", "lent")
MOST_BYTES = 4 * 1024 * 1024
# Braces mark the part of a key that determines its slot.
_ESCAPES = str.maketrans({"{": "%7B", "}": "%7D", "%": "%25"})
_OWNER = re.compile(rb"[1-9][0-9]{0,18}")
_BEATS = re.compile(rb"[0-9]{1,15}")
_NEW = Delivery("", b"")[2:]
"""The counters of a message that was never lent."""


class RedisLending(LeasedQueue):
    """Everything that a ``RedisQueue`` does but sending."""

    batch = 400
    blocking = True
    supports_peek = True

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self.server = RedisClient(connection)
        self._prefix = _prefix(name)
        self.keys = tuple(self._prefix + key for key in _KEYS)
        self._wake_key = self._prefix + "wake"
        self._unique = self._prefix + "unique"
        self._store = RedisStore("store", self._prefix, self._run_on, self._call_server)
        self._results = RedisResults("store", self._run)
        self._sweep = RedisSweep(self._run, self._call, self._unique)
        self._dead = RedisDeadLetters(name, self._run, self._call)
        self._looking = RedisLooking(self._run, self._call)

    @property
    def store(self) -> RedisStore:
        return self._store

    @property
    def results(self) -> Store:
        return self.results_elsewhere or self._results

    def open(self) -> None:
        """Refuse a server that is too old, may evict messages, or withholds a right a consumer needs.

        Raises ``ConfigurationError`` for the first two, and a ``BackendError`` that names the
        commands and how to allow them for the third.
        """
        check_server(self.server)
        check_rights(self.server, self._prefix)

    def close(self) -> None:
        self.server.close()

    # Lending and settling

    def enroll(self, owner: int) -> None:
        self._run("enroll", owner)

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        batch, pause = self._batch(self._run("receive", owner, count, MOST_BYTES, self.turns.since, *done))
        if wait <= 0 or batch.deliveries:
            return batch
        late, args = batch.late, (owner, count, MOST_BYTES, self.turns.since)
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
        answer = self.server.start(
            "receive", self.keys, (owner, count, MOST_BYTES, self.turns.since), [*done]
        )
        return lambda: self._batch(answer())[0]

    def ack(self, owner: int, ids: Collection[str]) -> set[str]:
        late = self._settle("ack", owner, *ids) if ids else ()
        return set(ids).difference(late)

    def finish(self, owner: int, records: Mapping[str, bytes], ttl: float) -> set[str]:
        if self.results_elsewhere:
            return super().finish(owner, records, ttl)
        late: set[str] = set()
        life = milliseconds(checked_ttl(ttl))
        for part in parts(records):
            for record in part.values():
                checked_value(record)
            late |= self._settle("finish", owner, life, *chain.from_iterable(part.items()))
        return records.keys() - late

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        return self._settle("release", owner, microseconds(delay), *ids) if ids else set()

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        fields = (
            (id, microseconds(delay), charge, error_bytes(error)) for id, delay, error, charge in retrials
        )
        return self._settle("retry", owner, *chain.from_iterable(fields))

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        fields = ((id, charge, error_bytes(error)) for id, error, charge in rejections)
        return self._settle("reject", owner, *chain.from_iterable(fields))

    def remove(self, ids: Collection[str]) -> set[str]:
        return set(map(bytes.decode, self._run("remove", *ids))) if ids else set()

    def _settle(self, script: str, owner: int, *args: object) -> set[str]:
        return set(map(bytes.decode, self._run(script, owner, *args)))

    def subscribe(self, id: str) -> RedisSubscription | None:
        # With results elsewhere a message has ended before its result is there.
        if self.results_elsewhere:
            return None
        subscription = self.server.subscribe(f"{self._prefix}ended:{id}")
        note_awaited(self._store)
        return subscription

    def read(self) -> bytes | None:
        """Remove the next message and return it, or None when there is none.

        If this raises ``BackendUnavailable``, a message may have been removed and lost.
        """
        data: bytes | None = self._run("read", self.turns.since)
        self.turns.lent(data is not None)
        return data

    # Owners

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        adopted: list[Delivery] = []
        heard: list[str | bytes] = list(known)
        # In parts: one owner may hold more than one reply should carry.
        while (part := self._run("adopt", owner, MOST_BYTES, *heard))[0]:
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
        reasons = chain.from_iterable((id, error_bytes(text)) for id, text in (running or {}).items())
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
        lane: str | None = None,
    ) -> list[Snapshot]:
        refuse_lane(state, lane)
        only = None if lane is None else told_name(lane)
        return self._looking.peek(state, newest, after, count, data, only)

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
        self.turns.lent(len(lent[0]))
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


def _prefix(queue: str) -> str:
    return f"{{djq:{queue.translate(_ESCAPES)}}}:"


def error_bytes(error: str) -> bytes:
    """Return ``error`` encoded; a traceback may contain invalid text, such as file names."""
    return error.encode(errors="backslashreplace")
