"""A producer in a separate process: ``python -m bench.figures.producer each 1.0``.

It prints ``ready`` when it has connected, starts when it reads ``go``, prints as JSON what it did, and keeps
its connection until its input ends, so that a server's processor time can be read while all are there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import django

from bench.commands import timed
from bench.peers import with_djutils
from bench.peers.work import CALL

SIZE = 500
"""How many are enqueued at once where it is not one by one."""

LOAD = 1
"""The kind of those commands that come evenly; they note their moments."""

Producer = subprocess.Popen[str]


class Done(NamedTuple):
    """What producers did, together."""

    commands: int
    per_second: float
    cpu: float
    """Seconds of processor time of their processes."""


# The side that asks.


@contextmanager
def producers(number: int, how: str, seconds: float, rate: float = 0.0) -> Iterator[list[Producer]]:
    """Run that many producers, which are ready, in the block."""
    with ExitStack() as stack:
        every = [stack.enter_context(_one(how, seconds, rate)) for _ in range(number)]
        for each in every:
            _hear(each)
        yield every


@contextmanager
def _one(how: str, seconds: float, rate: float) -> Iterator[Producer]:
    command = [sys.executable, "-m", "bench.figures.producer", how, str(seconds), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        except BaseException:
            child.kill()
            raise


def _hear(child: Producer) -> str:
    line = child.stdout.readline() if child.stdout else ""
    if not line:
        raise RuntimeError("a producer ended by itself")
    return line


def go(every: Sequence[Producer]) -> None:
    for each in every:
        print("go", file=each.stdin, flush=True)


def done(every: Sequence[Producer]) -> Done:
    """Wait until they have done it."""
    told = [json.loads(_hear(each)) for each in every]
    return Done(
        sum(one["count"] for one in told),
        sum(one["count"] / one["seconds"] for one in told),
        sum(one["cpu"] for one in told),
    )


# The side that does it.


def paced(rate: float, seconds: float) -> Iterator[None]:
    """Yield ``rate`` times a second, evenly; a late one does not make the next ones late."""
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        if (early := began + number / rate - time.monotonic()) > 0:
            time.sleep(early)
        yield


def _until(deadline: float) -> Iterator[None]:
    while time.monotonic() < deadline:
        yield


def _produce(how: str, seconds: float, rate: float) -> int:
    """Return how many were enqueued."""
    count = 0
    for _ in paced(rate, seconds) if how == "paced" else _until(time.monotonic() + seconds):
        if how == "paced":
            timed(LOAD, time.monotonic(), 0.0)
            count += 1
        elif how == "many":
            with_djutils.enqueue_many([CALL] * SIZE)
            count += SIZE
        else:
            with_djutils.enqueue(*CALL)
            count += 1
    return count


def main(how: str, seconds: float, rate: float) -> None:
    django.setup()
    with_djutils.enqueue(*CALL)  # the first one connects
    print("ready", flush=True)
    sys.stdin.readline()
    began, used = time.perf_counter(), time.process_time()
    count = _produce(how, seconds, rate)
    elapsed, used = time.perf_counter() - began, time.process_time() - used
    print(json.dumps({"count": count, "seconds": elapsed, "cpu": used}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
