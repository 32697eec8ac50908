"""What messages that wait in lanes take of a processor: percent of one, of the consumer with all its processes, and of the server.

The same consumer, one process with one thread: first its queue is empty, then a message waits in each of so many lanes until
tomorrow (``rate="1/d"``; the first one of each lane has run). Both for 20 s, after some seconds of rest; ``--quick`` has
fewer lanes and 10 s. SQLite has no server.
"""

from __future__ import annotations

import time

import redis
from django.db import connection, connections

from bench import turns
from bench.commands import daily
from bench.figures.loads import PATIENCE, Plan, server_cpu, shown
from bench.peers.protocol import STORE, URL
from bench.peers.work import CALL
from bench.processes import cpu_seconds
from djutils.queue.queue import invoker

HEAD = ("lanes", "consumer, %", "server, %")
_CHUNK = 500
_REST = 5.0


def rows(plan: Plan) -> list[tuple[str, ...]]:
    lanes, seconds = (20_000, 10.0) if plan.quick else (100_000, 20.0)
    if STORE == "redis":
        with redis.Redis.from_url(URL) as client:
            # Another process would rewrite the file while we measure.
            client.config_set("auto-aof-rewrite-percentage", 0)
    tally = turns.afresh()
    turns.fill(1)
    connections.close_all()
    with turns.consumer() as consumer:
        tally.wait_for(1, PATIENCE)
        empty = _row(0, consumer.pid, seconds)
        _fill(lanes)
        tally.wait_for(1 + lanes, PATIENCE)
        _tidy_up()
        return [empty, _row(lanes, consumer.pid, seconds)]


def _fill(lanes: int) -> None:
    """Enqueue two commands for each lane: one of them may run today."""
    calls = [lane for lane in range(lanes) for _ in range(2)]
    for start in range(0, len(calls), _CHUNK):
        some = calls[start : start + _CHUNK]
        invoker.enqueue_many(daily.command(lane, *CALL[1:]) for lane in some)
    connections.close_all()


def _tidy_up() -> None:
    """Do what the server would do at any moment for rows that were inserted and deleted."""
    if STORE == "postgres":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
    connections.close_all()


def _row(lanes: int, consumer: int, seconds: float) -> tuple[str, ...]:
    time.sleep(_REST)
    used, served, began = cpu_seconds(consumer), server_cpu(), time.monotonic()
    time.sleep(seconds)
    used, after = cpu_seconds(consumer) - used, server_cpu()
    percent = 100 / (time.monotonic() - began)
    servers = None if served is None or after is None else (after - served) * percent
    return f"{lanes:,}", f"{used * percent:.2f}", shown(servers, ".2f")
