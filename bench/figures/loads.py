"""What the figures have in common: the store of this process, and a queue that is drained."""

from __future__ import annotations

import time
from typing import NamedTuple

from django.db import connections

from bench import stores, turns
from bench.peers.protocol import STORE, URL
from bench.peers.slots import Tally
from bench.processes import cpu_seconds

PATIENCE = 120.0

# Not the measured database: our own queries would be counted as well.
store = stores.Store(STORE, URL.rpartition("/")[0] + "/postgres" if STORE == "postgres" else URL, "")


class Plan(NamedTuple):
    """How much to measure."""

    quick: bool
    commands: int
    """How many run while memory is looked at."""


class Drained(NamedTuple):
    """How fast a full queue became empty, and what one command cost."""

    per_second: float
    cpu: float
    """Seconds of processor time of the consumer, all its processes."""
    server_cpu: float | None


def drained(count: int, processes: int = 1) -> Drained:
    """Let a consumer drain ``count`` commands of the kind that the environment names."""
    return emptied(filled(count), count, processes)


def filled(count: int) -> Tally:
    tally = turns.afresh()
    turns.fill(count)
    # What is idle here does not count as the server's.
    connections.close_all()
    return tally


def emptied(tally: Tally, count: int, processes: int = 1) -> Drained:
    """All is counted from the moment every process was at work: what a start costs is not in it."""
    with turns.consumer(processes) as consumer:
        _wait_until_all_work(tally, count, processes)
        before, began, used, served = tally.count, tally.last, cpu_seconds(consumer.pid), server_cpu()
        tally.wait_for(count, PATIENCE)
        used, after = cpu_seconds(consumer.pid) - used, server_cpu()
    ran = count - before
    served = None if served is None or after is None else (after - served) / ran
    return Drained(ran / (tally.last - began), used / ran, served)


def _wait_until_all_work(tally: Tally, count: int, processes: int) -> None:
    tally.wait_for(1, PATIENCE)
    while tally.processes < processes:
        if tally.count > count / 2:
            raise TimeoutError(f"only {tally.processes} of {processes} processes work at half of {count}")
        time.sleep(0.001)
        tally.look()


def server_cpu() -> float | None:
    """Seconds of processor time of the server so far; None: there is no server."""
    pid = stores.process(store)
    return None if pid is None else cpu_seconds(pid)


def shown(value: float | None, form: str = ",.0f") -> str:
    """Nothing where nothing was measured."""
    return "" if value is None else format(value, form)
