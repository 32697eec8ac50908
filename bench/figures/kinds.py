"""How fast each kind of work is done by one process with one thread, and how busy the worker is with it.

A queue is filled, then drained. *One run* is the mean duration of the bare function, measured without a queue
right before and right after in a process of its own; *busy* is the part of the time those runs alone would
have taken. What is missing from 1 is the time between commands. Commands that do nothing have no such part.
"""

from __future__ import annotations

import time

from bench.figures.loads import Plan, drained
from bench.peers.work import CALL, WORK, run

HEAD = ("work", "commands per s", "one run in ms", "busy")
_FEW, _MANY = (2_000, 8_000), (20_000, 60_000)
_RUNS = 400


def rows(plan: Plan) -> list[tuple[str, ...]]:
    count = {"noop": _MANY, "payload": _FEW}.get(WORK, _FEW)[not plan.quick]
    before = _one_run()
    speed = drained(count).per_second
    seconds = (before + _one_run()) / 2
    busy = f"{speed * seconds:.3f}" if WORK in {"sleep", "cpu", "query"} else ""
    return [(WORK, f"{speed:,.0f}", f"{seconds * 1000:.4f}", busy)]


def _one_run() -> float:
    run(*CALL)  # the first one connects
    began = time.perf_counter()
    for _ in range(_RUNS):
        run(*CALL)
    return (time.perf_counter() - began) / _RUNS
