"""Redis without a queue: the fastest reasonable loop of redis-py."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from django.conf import settings

LEND = """
local ids = redis.call('RPOP', KEYS[1], 100)
if not ids then return {} end
redis.call('SADD', KEYS[2], unpack(ids))
return {ids, redis.call('HMGET', KEYS[3], unpack(ids))}
"""
ACK = "redis.call('SREM', KEYS[1], unpack(ARGV)) redis.call('HDEL', KEYS[2], unpack(ARGV))"

write_is = "LPUSH of the payload"
drain_is = "a script that moves 100 ids to a set and answers the payloads, a script that removes 100"


class Bare:
    """One connection; ids in a list, payloads in a hash, what is lent in a set."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(settings.URL, single_connection_client=True)
        self._lend = self._redis.script_load(LEND)
        self._ack = self._redis.script_load(ACK)

    def write(self, id: str, data: bytes) -> None:
        self._redis.lpush("bare:list", data)

    def write_both(self, id: str, data: bytes) -> None:
        """What a queue that keeps payloads apart from their order must write at least."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hset("bare:hash", id, data)
        pipeline.lpush("bare:ids", id)
        pipeline.execute()

    def fill(self, messages: Sequence[tuple[str, bytes]]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for start in range(0, len(messages), 500):
            part = messages[start : start + 500]
            pipeline.hset("bare:hash", mapping=dict(part))
            pipeline.lpush("bare:ids", *(id for id, _ in part))
        pipeline.execute()

    def drain(self, count: int) -> None:
        """Lend and acknowledge ``count`` messages by hundreds."""
        evalsha = self._redis.evalsha
        for _ in range(count // 100):
            ids, payloads = evalsha(self._lend, 3, "bare:ids", "bare:lent", "bare:hash")
            if None in payloads:
                raise LookupError("a payload is missing")
            evalsha(self._ack, 2, "bare:lent", "bare:hash", *ids)

    def tidy(self) -> None:
        """Between rounds: begin with an empty store."""
        self._redis.flushdb()

    def queries(self) -> int | None:
        """How many scripts and sleeps the server has been asked for; nothing else comes from a consumer."""
        calls = self._redis.info("commandstats")
        return sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "bzpopmin"))
