"""RedisQueue: lists of ids, payloads in a hash, every operation one script; for Redis 6.2 and Valkey.

The keys of a queue are described at the top of ``lua/common.lua``; they share one cluster hash slot. Nothing
else runs while a script does. A script that fails halfway leaves at worst a second copy of an id, never a
message that no list names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from djutils.queue.backends.lanes import microseconds
from djutils.queue.backends.leased import PUT_ASIDE_FOR
from djutils.queue.backends.redis_lending import MOST_BYTES
from djutils.queue.backends.redis_unique import RedisUnique
from djutils.queue.message import Envelope
from djutils.queue.stores.redis_store import RedisStore

_MOST_AT_ONCE = 1000
_DAY = 24 * 3600


class RedisQueue(RedisUnique):
    """Keeps messages in Redis or Valkey.

    ``connection`` is ``host:port:db`` as in 2011, empty for ``localhost:6379:0``, or a URL:
    ``redis://user:password@host:port/db``, ``rediss://`` for TLS, ``unix:///path?db=0``.

    The client is created by the first call and may be used by many threads. After a fork the child
    opens its own connections. More than 1000 messages, or more than 4 MB of them, are sent in
    parts: if one part fails, the parts before it have been sent. Sending all of them again is harmless.
    """

    put_aside_for = PUT_ASIDE_FOR

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self._keys_of_push = (self.keys[0], self.keys[1], self._wake_key)
        self._once = RedisStore("once", self._prefix, self._run_on, self._call_server)

    def send(self, envelopes: Sequence[Envelope]) -> None:
        for part in [envelopes] if len(envelopes) == 1 else _parts(envelopes):
            plain = {id: data for id, data, delay, priority in part if delay <= 0 and not priority}
            if len(plain) == len(part):
                self.server.run("push", self._keys_of_push, [*chain.from_iterable(plain.items())])
            else:
                self._run("send", "", *chain.from_iterable(map(_pack, part)))

    def send_once(self, key: str, envelope: Envelope) -> bool:
        return bool(self._run("send", _DAY, *_pack(envelope), keys=(self._once.stored_key(key),)))


class RedisBlockingQueue(RedisQueue):
    """A RedisQueue whose ``read`` waits for a message, as in 2011."""

    def read(self) -> bytes | None:
        """Wait for a message, remove it and return it. Never returns None."""
        while (data := super().read()) is None:
            self.server.wait([self._wake_key], 1.0)
        return data


def _pack(envelope: Envelope) -> tuple[str, bytes, int, int]:
    return envelope.id, envelope.data, microseconds(envelope.delay), envelope.priority


def _parts(envelopes: Sequence[Envelope]) -> Iterator[Sequence[Envelope]]:
    """Split what is sent: all other clients wait while a large script runs."""
    count = len(envelopes)
    if count <= _MOST_AT_ONCE and (
        count < 2 or sum(len(envelope.data) for envelope in envelopes) <= MOST_BYTES
    ):
        if count:
            yield envelopes
        return
    yield from _parts(envelopes[: count // 2])
    yield from _parts(envelopes[count // 2 :])
