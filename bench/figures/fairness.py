"""How long fast commands wait for slow ones: milliseconds from call to begin of those that sleep 1 ms.

*Stream*: 2 processes with 2 threads are offered, evenly, 60 % of what they could do if only the sleeps took
time; of the calls one in twenty, by chance, sleeps 0.2 s. *Without slow ones* is the same stream of fast ones
alone. *Least possible* is counted, not measured: the same calls at the same moments, begun in their order by
four threads that lose no time between them. *Burst*: a call that sleeps 2 s stands somewhere among 300 fast
ones enqueued at once, for one process with 2 threads; a fast one that waited 2 s waited for the slow one.
"""

from __future__ import annotations

import heapq
import random
import time

from bench import moments, turns
from bench.commands import timed
from bench.figures.loads import PATIENCE, Plan
from bench.figures.producer import paced
from bench.peers.summary import quantile
from djutils.queue.queue import invoker

HEAD = ("what", "fast ones", "p50", "p99", "longest")
_FAST, _SLOW = 0, 1
_SLEEPS = {_FAST: 0.001, _SLOW: 0.2}
_SHARE, _OFFERED = 0.05, 0.6
_PROCESSES, _THREADS = 2, 2
_BURST, _LONG = 300, 2.0
_SETTLE = 1.0
_SEED = 7
"""The same calls are slow in every run."""


def rows(plan: Plan) -> list[tuple[str, ...]]:
    seconds, bursts = (5.0, 3) if plan.quick else (60.0, 20)
    alone = _stream(seconds, slow=False)
    mixed = _stream(seconds, slow=True)
    burst = _bursts(bursts)
    return [
        _row("stream without slow ones", _waits(alone)),
        _row("stream", _waits(mixed)),
        _row("stream, least possible", _least(mixed)),
        _row(f"{bursts} bursts", _waits(burst)),
    ]


def _row(what: str, waits: list[float]) -> tuple[str, ...]:
    times = (quantile(waits, 50), quantile(waits, 99), max(waits))
    return (what, f"{len(waits):,}", *(f"{each:,.1f}" for each in times))


def _waits(found: list[moments.Noted]) -> list[float]:
    return [each.milliseconds for each in found if each.kind == _FAST]


def _begin() -> None:
    """Wait until the consumer is up, then forget the command that checked it."""
    moments.forget()
    timed(_FAST, time.monotonic(), 0.0)
    moments.wait_for(1, PATIENCE)
    time.sleep(_SETTLE)
    moments.forget()


def _stream(seconds: float, *, slow: bool) -> list[moments.Noted]:
    mean = _SHARE * _SLEEPS[_SLOW] + (1 - _SHARE) * _SLEEPS[_FAST]
    rate = _OFFERED * _PROCESSES * _THREADS / mean
    chance, sent = random.Random(_SEED), 0
    turns.afresh()
    with turns.consumer(_PROCESSES, _THREADS):
        _begin()
        for _ in paced(rate, seconds):
            kind = _SLOW if chance.random() < _SHARE else _FAST
            if slow or kind == _FAST:
                timed(kind, time.monotonic(), _SLEEPS[kind])
                sent += 1
        return moments.wait_for(sent, PATIENCE)


def _least(found: list[moments.Noted]) -> list[float]:
    """Milliseconds the fast ones would have waited for a free thread, and for nothing else."""
    free = [0.0] * (_PROCESSES * _THREADS)
    waits = []
    for each in sorted(found, key=lambda one: one.called):
        begins = max(free[0], each.called)
        heapq.heapreplace(free, begins + _SLEEPS[each.kind])
        if each.kind == _FAST:
            waits.append((begins - each.called) * 1000)
    return waits


def _bursts(times: int) -> list[moments.Noted]:
    chance, found = random.Random(_SEED), []
    turns.afresh()
    with turns.consumer(1, _THREADS):
        for _ in range(times):
            _begin()
            place, called = chance.randrange(_BURST), time.monotonic()
            calls = [timed.command(_FAST, called, _SLEEPS[_FAST]) for _ in range(_BURST)]
            calls.insert(place, timed.command(_SLOW, called, _LONG))
            invoker.enqueue_many(calls)
            found += moments.wait_for(len(calls), PATIENCE)
            time.sleep(_LONG)  # the slow one ends
    return found
