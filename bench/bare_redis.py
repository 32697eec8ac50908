"""Redis without a queue: the fastest reasonable loop of redis-py."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from django.conf import settings

LEND = """
local ids = redis.call('RPOP', KEYS[1], 100)
if not ids then return {{}, {}} end
redis.call('SADD', KEYS[2], unpack(ids))
return {ids, redis.call('HMGET', KEYS[3], unpack(ids))}
"""
ACK = "redis.call('SREM', KEYS[1], unpack(ARGV)) return redis.call('HDEL', KEYS[2], unpack(ARGV))"


class Bare:
    """One connection; ids in a list, payloads in a hash, what is lent in a set."""

    def __init__(self, *, durable: bool) -> None:
        # Redis writes its file in the background.
        self._redis = redis.Redis.from_url(settings.URL, single_connection_client=True)
        self._lend = self._redis.script_load(LEND)
        self._ack = self._redis.script_load(ACK)

    def write(self, id: str, data: bytes) -> None:
        """The payload alone: no single command can do less."""
        self._redis.lpush("bare:list", data)

    def write_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for start in range(0, len(messages), 500):
            part = messages[start : start + 500]
            pipeline.hset("bare:hash", mapping=dict(part))
            pipeline.lpush("bare:ids", *(id for id, _ in part))
        pipeline.execute()

    def turn(self, done: Sequence[bytes]) -> list[bytes]:
        """Acknowledge what was lent the last time, and lend a hundred more."""
        evalsha = self._redis.evalsha
        if done and evalsha(self._ack, 2, "bare:lent", "bare:hash", *done) != len(done):
            raise LookupError("what was lent is gone")
        lent, payloads = evalsha(self._lend, 3, "bare:ids", "bare:lent", "bare:hash")
        if None in payloads:
            raise LookupError("a payload is missing")
        return list(lent)

    def tidy(self) -> None:
        """Between rounds: begin with an empty store."""
        self._redis.flushdb()
