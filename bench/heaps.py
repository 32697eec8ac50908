"""What ``bench.backlog`` runs for each store, with the settings of that store."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import django
import psycopg
import redis
from django.db import connections

from bench.peers.protocol import STORE, URL
from bench.peers.work import CALL
from bench.text import aligned
from bench.turns import afresh, consumer, fill, with_djutils
from djutils.queue.backends import queues
from djutils.queue.conf import settings
from djutils.queue.ids import new_id

_MEASURED, _CHUNK, _PATIENCE = 20_000, 2_000, 120.0
_LONG = 120_000
"""Enough that entries which vacuum could not remove are in the way."""


def main(million: int) -> None:
    django.setup()
    _drained(_MEASURED, _MEASURED)  # the first finds nothing warm
    empty = _drained(_MEASURED, _MEASURED)
    rows = [
        ("nothing else", empty, empty),
        ("waiting behind them", _drained(_MEASURED, _MEASURED + million), empty),
        ("delayed, of higher priority", _drained(_MEASURED, _MEASURED, lambda: _delay(million)), empty),
    ]
    if STORE == "postgres":
        free = _drained(_LONG, _LONG)
        rows.append(("vacuum held up", _drained(_LONG, _LONG, pinned=True), free))
    head = (STORE, "drained per s", "of the empty queue's")
    print("\n".join(aligned(head, [(what, f"{a:,.0f}", f"{a / b:.2f}") for what, a, b in rows])))


def _drained(count: int, sent: int, before: Callable[[], None] | None = None, pinned: bool = False) -> float:
    """Commands per second of the first ``count`` of ``sent`` ones."""
    tally = afresh()
    if before:
        before()
    fill(sent)
    connections.close_all()
    _wait_until_at_rest()
    with _long_transaction() if pinned else nullcontext(), consumer():
        tally.wait_for(count, _PATIENCE)
        return tally.per_second(queues[settings.queue_name].batch)


def _delay(count: int) -> None:
    queue = queues[settings.queue_name]
    late = with_djutils.message(CALL)._replace(delay=3600.0, priority=5)
    for start in range(0, count, _CHUNK):
        queue.send([late._replace(id=new_id()) for _ in range(start, min(start + _CHUNK, count))])


def _wait_until_at_rest() -> None:
    """Wait while Redis rewrites its file because of the inserts, which has nothing to do with the backlog."""
    if STORE == "redis":
        with redis.Redis.from_url(URL) as client:
            while client.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.1)


@contextmanager
def _long_transaction() -> Iterator[None]:
    """As of a backup: whatever is deleted meanwhile must stay."""
    with psycopg.connect(URL) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM djutils_queueworker")
        yield


if __name__ == "__main__":
    main(int(sys.argv[1]))
