"""Does a queue get slower when much lies in it? ``python -m bench.backlog``, some minutes per store.

One worker process drains some thousands of commands: from a queue that holds nothing else, with a
million waiting behind them, with a million delayed ones of higher priority, and on PostgreSQL while
a long transaction keeps vacuum from removing anything.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import django
import psycopg
from django.db import connections

from bench import stores
from bench.peers.catalogue import declared
from bench.peers.measure import Case
from bench.peers.protocol import FOLDER, STORE, URL
from bench.peers.slots import Tally
from bench.peers.work import CALL
from bench.text import aligned
from bench.turns import consumer, drainer, with_djutils
from djutils.queue.backends import queues
from djutils.queue.conf import settings
from djutils.queue.message import new_id

_MODULE = "with_djutils"
_MEASURED, _CHUNK, _PATIENCE = 20_000, 2_000, 120.0
_LONG = 120_000
"""So many that what vacuum could not remove is in the way."""


def main(names: list[str], million: int) -> int:
    for name in names:
        with tempfile.TemporaryDirectory(prefix="djutils-backlog-") as place:
            folder = Path(place)
            with stores.running(name, folder) as store:
                case = Case(
                    _MODULE, declared(_MODULE), "fastest", store, Path(sys.executable), folder / "case"
                )
                case.begin()
                command = [sys.executable, "-m", "bench.backlog", "--inside", "--million", str(million)]
                subprocess.run(command, env=case.environment(1), cwd=place, check=True)
    return 0


def inside(million: int) -> int:
    """What runs with the settings of one store."""
    django.setup()
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
    return 0


def _drained(count: int, sent: int, before: Callable[[], None] | None = None, pinned: bool = False) -> float:
    """Commands per second of the first ``count`` of ``sent`` ones."""
    shutil.rmtree(FOLDER / "stamps", ignore_errors=True)
    drainer.tidy()
    if before:
        before()
    for start in range(0, sent, _CHUNK):
        with_djutils.enqueue_many([CALL] * min(_CHUNK, sent - start))
    connections.close_all()
    tally = Tally(FOLDER / "stamps")
    with _long_transaction() if pinned else nullcontext(), consumer():
        tally.wait_for(count, _PATIENCE)
        return tally.per_second(queues[settings.queue_name].batch)


def _delay(count: int) -> None:
    queue = queues[settings.queue_name]
    late = with_djutils.message(CALL)._replace(delay=3600.0, priority=5)
    for start in range(0, count, _CHUNK):
        queue.send([late._replace(id=new_id()) for _ in range(start, min(start + _CHUNK, count))])


@contextmanager
def _long_transaction() -> Iterator[None]:
    """As of a backup: whatever is deleted meanwhile must stay."""
    with psycopg.connect(URL) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM djutils_queueworker")
        yield


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    parser.add_argument(
        "--store", action="append", choices=stores.NAMES, help="only this one; again for more"
    )
    parser.add_argument("--million", type=int, default=1_000_000, metavar="COUNT", help="default %(default)s")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        sys.exit(inside(chosen.million))
    sys.exit(main(chosen.store or ["redis", "postgres", "sqlite"], chosen.million))
