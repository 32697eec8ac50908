"""How fast each kind of work is done by one process with one thread, and how busy the worker is with it.

A queue is filled, then drained. *One run* is the mean duration of the bare function, measured without a queue
right before and right after in a separate process; *busy* is the part of the time those runs alone would
have taken. *Idle* is what is left of the time without the processor time of the consumer, all its processes,
and without what the function itself waits for: the worker had nothing to do. Commands that do nothing have
no such parts.
"""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

from bench.figures.loads import Plan, drained
from bench.peers.work import CALL, WORK, run

HEAD = ("work", "commands per s", "one run in ms", "busy", "idle")
_FEW, _MANY = (2_000, 8_000), (20_000, 60_000)
_RUNS = 400


class OneRun(NamedTuple):
    """Return the seconds that the bare function takes, and how many of them it waits."""

    lasts: float
    waits: float


def rows(plan: Plan) -> list[tuple[str, ...]]:
    count = {"noop": _MANY, "payload": _FEW}.get(WORK, _FEW)[not plan.quick]
    before = _one_run()
    speed, cpu, _ = drained(count)
    after = _one_run()
    lasts, waits = (statistics.mean(pair) for pair in zip(before, after, strict=True))
    busy, idle = speed * lasts, 1 - speed * (waits + cpu)
    shown = (f"{busy:.3f}", f"{idle:.3f}") if WORK in {"sleep", "cpu", "query"} else ("", "")
    return [(WORK, f"{speed:,.0f}", f"{lasts * 1000:.4f}", *shown)]


def _one_run() -> OneRun:
    run(*CALL)  # the first one connects
    began, used = time.perf_counter(), time.process_time()
    for _ in range(_RUNS):
        run(*CALL)
    lasts = (time.perf_counter() - began) / _RUNS
    return OneRun(lasts, max(0.0, lasts - (time.process_time() - used) / _RUNS))
