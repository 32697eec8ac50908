"""Measures one store, in a process of its own, and leaves what it found as JSON.

Ours and the bare store take turns (A B A B ...), so that whatever else the machine does meets both.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

from bench.commands import noop, stamps
from bench.processes import consumer, cpu_seconds
from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.base import LeasedQueue
from djutils.queue.message import Envelope, new_id
from djutils.queue.registry import registry
from djutils.queue.workers.options import ConsumerOptions

FOLDER = Path(os.environ["BENCH_FOLDER"])
_PATIENCE = 120.0


def message(queue: str) -> tuple[str, bytes]:
    """A fresh call of the command as it travels: its id and its bytes."""
    made = registry.get_message_for_command(noop.command(), queue)
    return made.id, codec.encode(made)


def ours() -> LeasedQueue:
    queue = queues["bench"]
    if not isinstance(queue, LeasedQueue):
        raise TypeError(f"{queue} cannot lend")
    return queue


# Enqueue.


def enqueue(bare: Any, rounds: int, seconds: float) -> dict[str, Any]:
    """Microseconds per call and per bare write, one by one from one thread."""
    _, data = message("bench")

    def write() -> None:
        bare.write(new_id(), data)

    turns: dict[str, Callable[[], object]] = {"ours": noop, "bare": write}
    if hasattr(bare, "write_both"):
        turns["both"] = lambda: bare.write_both(new_id(), data)
    found: dict[str, list[float]] = {name: [] for name in turns}
    for act in turns.values():
        _microseconds(act, 0.1)
    for _ in range(rounds):
        for name, act in turns.items():
            found[name].append(_microseconds(act, seconds))
    bare.tidy()
    return {
        "us": statistics.median(found["ours"]),
        "bare us": statistics.median(found["bare"]),
        "ratio": _ratio(found["bare"], found["ours"]),
        "ratios": [b / a for a, b in zip(found["ours"], found["bare"], strict=True)],
        "both us": statistics.median(found["both"]) if "both" in found else None,
        "bytes": len(data),
    }


def _microseconds(act: Callable[[], object], seconds: float) -> float:
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(20):
            act()
        count += 20
    return elapsed / count * 1e6


# Drain.


def drain(bare: Any, rounds: int, count: int) -> dict[str, Any]:
    """Commands per second by a whole consumer, and messages per second by the bare store."""
    found_ours, found_bare, cpu = [], [], []
    messages = [message("bare") for _ in range(count)]
    for _ in range(rounds):
        bare.tidy()
        speed, used = _drain_ours(count)
        found_ours.append(speed)
        cpu.append(used)
        found_bare.append(_drain_bare(bare, messages, 0.6))
    bare.tidy()
    return {
        "per s": statistics.median(found_ours),
        "bare per s": statistics.median(found_bare),
        "ratio": _ratio(found_ours, found_bare),
        "ratios": [a / b for a, b in zip(found_ours, found_bare, strict=True)],
        "cpu us": statistics.median(cpu),
    }


def _drain_ours(count: int) -> tuple[float, float]:
    """Commands per second, and the consumer's processor time per command, in microseconds."""
    stamps.reset()
    queue = ours()
    for start in range(0, count, 500):
        queue.send([Envelope(*message("bench")) for _ in range(start, min(start + 500, count))])
    with consumer(FOLDER) as pid:
        used = cpu_seconds(pid)
        stamps.wait_for(count, _PATIENCE)
        used = cpu_seconds(pid) - used
    # The first hundred were received before the first stamp: they are not counted.
    return (count - 100) / (stamps.last - stamps.first), used / count * 1e6


def _drain_bare(bare: Any, messages: Sequence[tuple[str, bytes]], seconds: float) -> float:
    """Messages per second; again and again, so that it meets as much of the machine's noise as ours."""
    count, spent = 0, 0.0
    while spent < seconds:
        bare.tidy()
        bare.fill(messages)
        started = time.perf_counter()
        bare.drain(len(messages))
        spent += time.perf_counter() - started
        count += len(messages)
    return count / spent


# Idle.


def idle(bare: Any, seconds: float, samples: int) -> dict[str, Any]:
    """What a consumer that has nothing to do costs, and how soon it begins when there is something.

    Its waits begin at the longest, where a consumer arrives after some seconds without work.
    """
    with consumer(FOLDER, delay=ConsumerOptions.max_delay) as pid:
        time.sleep(1.0)
        asked, used, began = bare.queries(), cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        used, elapsed = cpu_seconds(pid) - used, time.monotonic() - began
        answered = bare.queries()
        latencies = _latencies(samples)
    cuts = statistics.quantiles(latencies, n=20, method="inclusive")
    return {
        "cpu s per min": used / elapsed * 60,
        "queries per s": None if asked is None else (answered - asked) / elapsed,
        "p50 ms": cuts[9],
        "p95 ms": cuts[18],
    }


def _latencies(samples: int) -> list[float]:
    """Milliseconds from the call to the start of the function."""
    # Spread evenly over the time between two looks of a polling consumer, in no order.
    gaps = [(number + 0.5) / samples * ConsumerOptions.max_delay for number in range(samples)]
    random.Random(2).shuffle(gaps)
    stamps.reset()
    found = []
    for number, gap in enumerate(gaps, 1):
        time.sleep(gap)
        called = time.monotonic()
        noop()
        stamps.wait_for(number, _PATIENCE)
        found.append((stamps.last - called) * 1000)
    return found


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def main() -> int:
    plan = json.loads(sys.argv[1])
    django.setup()
    call_command("migrate", verbosity=0)
    module = import_module(f"bench.bare_{settings.STORE}")
    bare = module.Bare()
    found = {
        "enqueue": enqueue(bare, plan["rounds"] + 2, plan["seconds"]),
        "drain": drain(bare, plan["rounds"], plan["count"]),
        "idle": idle(bare, plan["idle"], plan["samples"]),
        "bare write": module.write_is,
        "bare drain": module.drain_is,
    }
    (FOLDER / "found.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
