"""How long after the call a command begins, in milliseconds, with one worker process and one thread.

A special command carries the moment right before its call and records the moment it begins; both are read from
the monotonic clock, which is the same for all processes. So the time includes enqueueing; how long the call
itself takes until it returns is *call p50*.

*idle*: calls 50 to 500 ms apart, in no order. *silence*: each call after so many seconds without one; they are
few, so that p95 and p99 are the longest one. *half load*: another process enqueues commands that do nothing,
evenly, half as many as the worker can run and at most 1,000 per second, while calls 50 to 150 ms apart are
measured; how many it really enqueued stands there. *The load itself* are those it enqueued.

*Bare* is the median of waking a process that waits without a queue, taken in turns with the idle calls: BLPOP
by LPUSH, LISTEN by NOTIFY, for SQLite the read of a FIFO. Nothing is written to a disk for it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from bench import moments, turns
from bench.commands import timed
from bench.figures import producer, wake
from bench.figures.loads import PATIENCE, Plan, drained, shown
from bench.peers.summary import quantile

HEAD = ("when", "calls", "p50", "p95", "p99", "call p50", "bare p50", "of bare")
_SETTLE = 1.0
_OURS = 0
_CAP = 1000.0


class Found(NamedTuple):
    """Milliseconds after the calls."""

    begun: list[float]
    returned: list[float]


def rows(plan: Plan) -> list[tuple[str, ...]]:
    speed = drained(10_000 if plan.quick else 60_000).per_second
    silence, times = (5.0, 3) if plan.quick else (30.0, 5)
    samples = 20 if plan.quick else 200
    turns.afresh()
    with turns.consumer():
        _measured([0.0])  # now it is up
        time.sleep(_SETTLE)
        idle, bare = _in_turns(_gaps(samples, 0.05, 0.5))
        silent = _measured([silence] * times)
        loaded, load, rate = _loaded(_gaps(samples, 0.05, 0.15), min(speed / 2, _CAP))
    return [
        _row("idle", idle, statistics.median(bare) if bare else None),
        _row(f"{silence:.0f} s of silence", silent),
        _row(f"half load, {rate:,.0f} per s", loaded),
        _row("half load, the load itself", load),
    ]


def _row(when: str, found: Found, bare: float | None = None) -> tuple[str, ...]:
    times = [quantile(found.begun, part) for part in (50, 95, 99)]
    call = quantile(found.returned, 50) if found.returned else None
    ratio = None if bare is None else times[0] / bare
    return (when, f"{len(found.begun):,}", *(shown(each, ".2f") for each in (*times, call, bare, ratio)))


def _gaps(count: int, shortest: float, longest: float) -> list[float]:
    """Spread evenly, in no order: no rhythm of the worker can hide."""
    found = [shortest + (number + 0.5) / count * (longest - shortest) for number in range(count)]
    random.shuffle(found)
    return found


def _measured(gaps: Sequence[float], between: Callable[[], object] = bool) -> Found:
    moments.forget()
    returned = _called(gaps, between)
    return Found([each.milliseconds for each in moments.wait_for(len(gaps), PATIENCE)], returned)


def _called(gaps: Sequence[float], between: Callable[[], object] = bool) -> list[float]:
    """Call once after each gap, and do something else in between; return how long the calls took."""
    returned = []
    for gap in gaps:
        time.sleep(gap / 2)
        between()
        time.sleep(gap / 2)
        called = time.monotonic()
        timed(_OURS, called, 0.0)
        returned.append((time.monotonic() - called) * 1000)
    return returned


def _in_turns(gaps: Sequence[float]) -> tuple[Found, list[float]]:
    with wake.sleeper() if wake.has_means() else nullcontext() as sleeper:
        if sleeper is None:
            return _measured(gaps), []
        return _measured(gaps, sleeper.wake), sleeper.milliseconds()


def _loaded(gaps: Sequence[float], rate: float) -> tuple[Found, Found, float]:
    """What was measured, of the others too, and how many others were enqueued per second meanwhile."""
    with producer.producers(1, "paced", sum(gaps) + 2 * _SETTLE, rate) as every:
        moments.forget()
        producer.go(every)
        time.sleep(_SETTLE)
        returned = _called(gaps)
        load = producer.done(every)
        found = moments.wait_for(load.commands + len(gaps), PATIENCE)
    ours, others = (
        [each.milliseconds for each in found if each.kind == kind] for kind in (_OURS, producer.LOAD)
    )
    return Found(ours, returned), Found(others, []), load.per_second
