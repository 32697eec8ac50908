"""What the guard runs for each store: ``python -m bench.turns enqueue drain``, in a separate process.

djutils and the bare store take turns (A B A B ...). It prints what it found as JSON. djutils has its log at WARNING and everything else as it comes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import django

from bench.peers import with_bare, with_djutils
from bench.peers.protocol import FOLDER
from bench.peers.slots import Tally
from bench.peers.work import CALL
from djutils.queue.backends import queues
from djutils.queue.conf import settings

_PATIENCE = 60.0
_ROUNDS, _SECONDS = 5, 0.25
_DRAINS, _COUNT, _BARE_SECONDS = 3, 10_000, 0.4
_CHUNK = 500

drainer = with_bare.Bare(durable=False)


def enqueue() -> dict[str, float]:
    """Calls and bare writes per second, one by one from one thread."""
    ours, bare = [], []
    for _ in range(_ROUNDS):
        ours.append(_per_second(partial(with_djutils.enqueue, *CALL)))
        bare.append(_per_second(partial(with_bare.enqueue, *CALL)))
    return _compared(ours, bare)


def _per_second(act: Callable[[], object]) -> float:
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < _SECONDS:
        for _ in range(20):
            act()
        count += 20
    return count / elapsed


def drain() -> dict[str, float]:
    """Commands per second by a whole consumer of one process, messages per second by the bare store."""
    ours, bare = [], []
    for _ in range(_DRAINS):
        ours.append(_drain_ours())
        bare.append(_drain_bare())
    return _compared(ours, bare)


def _drain_ours() -> float:
    tally = afresh()
    fill(_COUNT)
    with consumer():
        tally.wait_for(_COUNT, _PATIENCE)
    # The first batch was received before the first stamp: it is not counted.
    return tally.per_second(queues[settings.queue_name].batch)


def afresh() -> Tally:
    """Empty the store and forget what has run; return the counter for what will run."""
    stamps = FOLDER / "stamps"
    shutil.rmtree(stamps, ignore_errors=True)
    drainer.tidy()
    return Tally(stamps)


def fill(count: int) -> None:
    for start in range(0, count, _CHUNK):
        with_djutils.enqueue_many([CALL] * min(_CHUNK, count - start))


@contextmanager
def consumer(processes: int = 1, threads: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A consumer in the block, as in the fastest configuration."""
    size = [str(processes), str(threads)]
    command = [sys.executable, "-m", "bench.peers.child", "with_djutils", "work", *size]
    process = subprocess.Popen(command, env=os.environ | {"BENCH_CONFIGURATION": "fastest"})
    try:
        yield process
        process.terminate()
        process.wait(_PATIENCE)
    finally:
        process.kill()
        process.wait()


def _drain_bare() -> float:
    """Again and again, so that it meets as much of the machine's noise as ours."""
    count, spent = 0, 0.0
    while spent < _BARE_SECONDS:
        drainer.tidy()
        for _ in range(0, _COUNT, _CHUNK):
            with_bare.enqueue_many([CALL] * _CHUNK)
        started, lent = time.perf_counter(), drainer.turn([])
        while lent:
            count += len(lent)
            lent = drainer.turn(lent)
        spent += time.perf_counter() - started
    return count / spent


def _compared(ours: list[float], bare: list[float]) -> dict[str, float]:
    return {
        "ours": statistics.median(ours),
        "bare": statistics.median(bare),
        "ratio": statistics.median(a / b for a, b in zip(ours, bare, strict=True)),
    }


def main() -> int:
    django.setup()
    measures = {"enqueue": enqueue, "drain": drain}
    print(json.dumps({what: measures[what]() for what in sys.argv[1:]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
