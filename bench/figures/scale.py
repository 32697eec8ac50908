"""What more processes bring: a full queue drained by 1, 2 and 4 worker processes, calls one by one from 1, 4 and 16.

*Ours* is the processor time of the consumer or of the producers per command, *server's* that of the store's
server, in microseconds. Where both together keep all processors busy, more processes bring nothing. The median
of three rounds; ``--quick`` has one. SQLite has no server.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench import turns
from bench.figures.loads import Plan, drained, server_cpu, shown
from bench.figures.producer import done, go, producers

HEAD = ("what", "processes", "per s", "of one", "ours", "server's", "processors busy")
_WORKERS, _PRODUCERS = (1, 2, 4), (1, 4, 16)

Measured = tuple[float, float, float | None]
"""Commands per second, seconds of our processor time and of the server's for one."""


def rows(plan: Plan) -> list[tuple[str, ...]]:
    rounds, count, seconds = (1, 100_000, 1.0) if plan.quick else (3, 300_000, 5.0)
    drains = [[drained(count, number) for number in _WORKERS] for _ in range(rounds)]
    enqueues = [[_enqueued(number, seconds) for number in _PRODUCERS] for _ in range(rounds)]
    return [
        *_curve("drain", _WORKERS, _middle(drains)),
        *_curve("enqueue", _PRODUCERS, _middle(enqueues)),
    ]


def _middle(rounds: Sequence[Sequence[Measured]]) -> list[Measured]:
    """Of each number of processes the round with the median speed."""
    return [sorted(found)[len(found) // 2] for found in zip(*rounds, strict=True)]


def _enqueued(number: int, seconds: float) -> Measured:
    turns.afresh()
    with producers(number, "each", seconds) as every:
        served = server_cpu()
        go(every)
        found, after = done(every), server_cpu()
    served = None if served is None or after is None else (after - served) / found.commands
    return found.per_second, found.cpu / found.commands, served


def _curve(what: str, numbers: Sequence[int], found: Sequence[Measured]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for number, (speed, ours, servers) in zip(numbers, found, strict=True):
        busy = speed * (ours + (servers or 0.0))
        costs = (f"{ours * 1e6:.1f}", shown(servers and servers * 1e6, ".1f"))
        lines.append(
            (what, str(number), f"{speed:,.0f}", f"{speed / found[0][0]:.2f}", *costs, f"{busy:.2f}")
        )
    return lines
