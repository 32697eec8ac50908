"""What commands that do nothing cost the store and the consumer, in each line for as many as it says.

*Commands* are Redis's, those inside scripts too; *scripts* of them were EVALSHA, the calls of scripts; *reads*
is how often Redis has read from a client, about a round trip each. *Transactions* are PostgreSQL's. *Log bytes* are
those of Redis's AOF or of PostgreSQL's WAL. *Consumer ms* is the processor time of the consumer. Connecting, and
for the drain the start and the end of the consumer, are in what the store counts, not in the processor time.
"""

from __future__ import annotations

import time

import redis

from bench import stores, turns
from bench.figures.loads import PATIENCE, Plan, emptied, filled, shown, store
from bench.figures.producer import done, go, producers
from bench.peers.protocol import STORE, URL
from bench.processes import cpu_seconds

HEAD = ("what", "commands", "scripts", "reads", "transactions", "log bytes", "consumer ms")
_SETTLE = 1.5

Counts = list[float | None]
"""As in the head, without the consumer's."""


def rows(plan: Plan) -> list[tuple[str, ...]]:
    if STORE == "redis":
        with redis.Redis.from_url(URL) as client:
            # A file that is made anew meanwhile would be shorter than before.
            client.config_set("auto-aof-rewrite-percentage", 0)
    seconds, count, idle = (1.0, 10_000, 5.0) if plan.quick else (5.0, 60_000, 60.0)
    return [
        _enqueued("1,000 enqueued one by one", "each", seconds),
        _enqueued("1,000 enqueued 500 at once", "many", seconds),
        _drained(count),
        _idle(idle),
    ]


def _enqueued(what: str, how: str, seconds: float) -> tuple[str, ...]:
    turns.afresh()
    before = _counted()
    with producers(1, how, seconds) as every:
        go(every)
        count = done(every).commands
    return _row(what, before, count / 1000)


def _drained(count: int) -> tuple[str, ...]:
    tally = filled(count)
    before = _counted()
    cpu = emptied(tally, count).cpu
    return _row("1,000 drained", before, count / 1000, cpu * 1e6)


def _idle(seconds: float) -> tuple[str, ...]:
    tally = filled(1)
    with turns.consumer() as consumer:
        tally.wait_for(1, PATIENCE)
        before, used, began = _counted(), cpu_seconds(consumer.pid), time.monotonic()
        time.sleep(seconds)
        minutes = (time.monotonic() - began) / 60
        used = cpu_seconds(consumer.pid) - used
        return _row("a minute idle", before, minutes, used / minutes * 1000)


def _counted() -> Counts:
    # PostgreSQL counts what a connection did when that has ended, or about once a second.
    time.sleep(_SETTLE)
    on_redis, queries = STORE == "redis", stores.queries(store)
    return [
        queries if on_redis else None,
        stores.scripts(store),
        stores.reads(store),
        None if on_redis else queries,
        stores.log_bytes(store),
    ]


def _row(what: str, before: Counts, per: float, cpu: float | None = None) -> tuple[str, ...]:
    pairs = zip(before, _counted(), strict=True)
    parts = [None if a is None or b is None else (b - a) / per for a, b in pairs]
    return (what, *(shown(each, ",.1f") for each in parts[:-1]), shown(parts[-1]), shown(cpu, ".1f"))
