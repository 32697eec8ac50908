"""What waking another process costs without a queue, by the bare means of each store.

A process waits, another one sends it the moment: by BLPOP and LPUSH, by LISTEN and NOTIFY, by a FIFO.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import redis

from bench.peers.protocol import FOLDER, STORE, URL

_KEY = "bench_wake"
_FIFO = FOLDER / "wake"


class Sleeper:
    """The process that waits, seen by the one that wakes it."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child, self._send = child, _SENDERS[STORE]()

    def wake(self) -> None:
        self._send(str(time.monotonic()))

    def milliseconds(self) -> list[float]:
        """End it, and return how long each time took."""
        self._send("")
        output, _ = self._child.communicate(timeout=10)
        return [float(each) for each in json.loads(output)]


@contextmanager
def sleeper() -> Iterator[Sleeper]:
    if not _FIFO.exists():
        os.mkfifo(_FIFO)
    command = [sys.executable, "-m", "bench.figures.wake"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            if child.stdout:
                child.stdout.readline()
            yield Sleeper(child)
        finally:
            child.kill()


def _redis_sender() -> Callable[[str], object]:
    client = redis.Redis.from_url(URL, single_connection_client=True)
    return lambda text: client.lpush(_KEY, text)


def _postgres_sender() -> Callable[[str], object]:
    connection = psycopg.connect(URL, autocommit=True)
    return lambda text: connection.execute("SELECT pg_notify(%s, %s)", (_KEY, text))


def _fifo_sender() -> Callable[[str], object]:
    fifo = _FIFO.open("r+b", buffering=0)
    return lambda text: fifo.write(text.encode() + b"\n")


_SENDERS: dict[str, Callable[[], Callable[[str], object]]] = {
    "redis": _redis_sender,
    "postgres": _postgres_sender,
    "sqlite": _fifo_sender,
}


def has_means() -> bool:
    """Whether the store of this process has anything to wake with."""
    return STORE in _SENDERS


# The side that waits.


def _redis_hears() -> Iterator[str]:
    client = redis.Redis.from_url(URL, single_connection_client=True, decode_responses=True)
    print("ready", flush=True)
    while answer := client.blpop([_KEY], 0):
        yield str(answer[1])


def _postgres_hears() -> Iterator[str]:
    connection = psycopg.connect(URL, autocommit=True)
    connection.execute(f"LISTEN {_KEY}")
    print("ready", flush=True)
    for notice in connection.notifies():
        yield notice.payload


def _fifo_hears() -> Iterator[str]:
    fifo = os.open(_FIFO, os.O_RDWR)
    print("ready", flush=True)
    while True:
        yield os.read(fifo, 100).decode().strip()


_EARS = {"redis": _redis_hears, "postgres": _postgres_hears, "sqlite": _fifo_hears}


def main() -> None:
    found = []
    for text in _EARS[STORE]():
        woken = time.monotonic()
        if not text:
            break
        found.append((woken - float(text)) * 1000)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
