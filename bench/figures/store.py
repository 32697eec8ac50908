"""What commands that do nothing cost the store and our processes, in each line for as many as it says.

*Commands* are Redis's, those inside scripts too; *scripts* of them were EVALSHA, the calls of scripts; *reads*
is how often Redis has read from a client, about a round trip each, more where much is sent at once.
*Transactions* are PostgreSQL's. *Log bytes* are those of Redis's AOF or of PostgreSQL's WAL. *Our ms* is the
processor time of the producer or of the consumer, one worker process. Connecting, and for the drain the start
and the end of the consumer, are in what the store counts, not in the processor time. SQLite counts nothing.
"""

from __future__ import annotations

import time

import redis

from bench import stores, turns
from bench.figures.loads import PATIENCE, Plan, emptied, filled, shown, store
from bench.figures.producer import done, go, producers
from bench.peers.protocol import STORE, URL
from bench.processes import cpu_seconds

HEAD = ("what", "commands", "scripts", "reads", "transactions", "log bytes", "our ms")
_SETTLE = 1.5


def rows(plan: Plan) -> list[tuple[str, ...]]:
    if STORE == "redis":
        with redis.Redis.from_url(URL) as client:
            # A file that is rewritten meanwhile would be shorter than before.
            client.config_set("auto-aof-rewrite-percentage", 0)
    seconds, count, idle = (1.0, 20_000, 5.0) if plan.quick else (5.0, 100_000, 60.0)
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
        found = done(every)
    thousands = found.commands / 1000
    return _row(what, before, _counted(), thousands, found.cpu / thousands)


def _drained(count: int) -> tuple[str, ...]:
    tally = filled(count)
    before = _counted()
    cpu = emptied(tally, count).cpu
    return _row("1,000 drained", before, _counted(), count / 1000, cpu * 1000)


def _idle(seconds: float) -> tuple[str, ...]:
    tally = filled(1)
    with turns.consumer() as consumer:
        tally.wait_for(1, PATIENCE)
        before, used, began = _counted(), cpu_seconds(consumer.pid), time.monotonic()
        time.sleep(seconds)
        after, used = stores.counts(store), cpu_seconds(consumer.pid) - used
        minutes = (time.monotonic() - began) / 60
    return _row("a minute idle", before, after, minutes, used / minutes)


def _counted() -> dict[str, int]:
    # PostgreSQL counts what a connection did when that has ended, or about once a second.
    time.sleep(_SETTLE)
    return stores.counts(store)


def _row(what: str, before: dict[str, int], after: dict[str, int], per: float, cpu: float) -> tuple[str, ...]:
    parts = {name: (after[name] - before[name]) / per for name in before}
    return (what, *(shown(parts.get(name), ",.0f") for name in HEAD[1:-1]), f"{cpu * 1000:,.1f}")
