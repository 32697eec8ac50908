"""What a limit costs: commands that do nothing, one at a time per key, drained by one process with one thread.

*Lanes* is the number of keys, which the commands have in turns (``concurrency=1``); those without lanes are plain
commands, drained in the same round. Each lane holds one command that may run; the end of it admits the next one, so that
with few lanes the worker mostly waits for the store. *Of plain* is a round's own ratio. The median of three rounds;
``--quick`` has one, with fewer commands.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from django.db import connections

from bench import turns
from bench.commands import limited
from bench.figures.loads import Plan, emptied, filled
from bench.peers.work import CALL
from djutils.queue.queue import invoker

HEAD = ("lanes", "commands", "per s", "of plain")
_PLAIN = 60_000
_LANES = {1: 2_000, 50: 20_000, 10_000: 40_000}
"""How many commands are drained of how many lanes."""
_CHUNK = 500


def rows(plan: Plan) -> list[tuple[str, ...]]:
    rounds, part = (1, 2) if plan.quick else (3, 1)
    counts = {0: _PLAIN // part, **{lanes: count // part for lanes, count in _LANES.items()}}
    found = [{lanes: _per_second(lanes, count) for lanes, count in counts.items()} for _ in range(rounds)]
    return [_row(lanes, count, found) for lanes, count in counts.items()]


def _per_second(lanes: int, count: int) -> float:
    if not lanes:
        return emptied(filled(count), count).per_second
    tally = turns.afresh()
    invoker.flush()
    fill_lanes(lanes, count)
    return emptied(tally, count).per_second


def fill_lanes(lanes: int, count: int) -> None:
    """Enqueue so many limited commands, whose keys take turns."""
    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))
        invoker.enqueue_many(limited.command(number % lanes, *CALL[1:]) for number in numbers)
    connections.close_all()


def _row(lanes: int, count: int, found: Sequence[dict[int, float]]) -> tuple[str, ...]:
    speed = statistics.median(one[lanes] for one in found)
    part = statistics.median(one[lanes] / one[0] for one in found)
    return f"{lanes:,}" if lanes else "none", f"{count:,}", f"{speed:,.0f}", f"{part:.2f}"
