"""Runs inside a peer's environment: ``python -m bench.peers.child with_rq fill 1000``.

Leaves what it found as JSON in the folder of the measurement.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module, metadata
from itertools import repeat
from types import ModuleType
from typing import Any

from bench.peers.protocol import FOLDER
from bench.peers.slots import Tally
from bench.peers.work import CALL, RESULT

Step = tuple[Callable[..., Any], tuple[Any, ...]]

_CHUNK = 500
"""How many are put at once."""
_PATIENCE = 60.0


def fill(peer: ModuleType, count: int, found: dict[str, Any]) -> Iterator[Step]:
    """Put ``count``, as fast as the peer can; the last one alone, so that its id is known."""
    many = getattr(peer, "enqueue_many", None)
    started = time.perf_counter()
    if many is None:
        yield from repeat((peer.enqueue, CALL), count - 1)
    else:
        for start in range(0, count - 1, _CHUNK):
            yield many, ([CALL] * min(_CHUNK, count - 1 - start),)
    yield peer.enqueue, CALL
    found["per s"] = count / (time.perf_counter() - started)


def enqueue(peer: ModuleType, seconds: float, found: dict[str, Any]) -> Iterator[Step]:
    """Calls per second, one by one; then many at once where the peer has an interface for it."""
    yield from repeat((peer.enqueue, CALL), 20)
    yield from _for_seconds((peer.enqueue, CALL), 20, seconds, found, "each per s")
    if by_django := getattr(peer, "enqueue_by_django", None):
        yield from repeat((by_django, CALL), 20)
        yield from _for_seconds((by_django, CALL), 20, seconds, found, "by Django per s")
    if hasattr(peer, "enqueue_many"):
        some = peer.enqueue_many, ([CALL] * _CHUNK,)
        yield some
        yield from _for_seconds(some, 1, seconds, found, "many per s", _CHUNK)


def _for_seconds(
    step: Step, times: int, seconds: float, found: dict[str, Any], name: str, size: int = 1
) -> Iterator[Step]:
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        yield from repeat(step, times)
        count += times
    found[name] = count * size / elapsed


def pick_up(peer: ModuleType, samples: int, longest: float, found: dict[str, Any]) -> Iterator[Step]:
    """Milliseconds from the call until the function begins, by a worker that has nothing else to do."""
    tally = Tally(FOLDER / "stamps")
    yield peer.enqueue, CALL
    tally.wait_for(1, _PATIENCE)
    time.sleep(1.0)
    # Spread evenly over the time between two looks of a polling worker, in no order.
    gaps = [0.05 + (number + 0.5) / samples * longest for number in range(samples)]
    random.shuffle(gaps)
    found["ms"] = []
    for number, gap in enumerate(gaps, 2):
        time.sleep(gap)
        called = time.monotonic()
        yield peer.enqueue, CALL
        tally.wait_for(number, _PATIENCE, pause=0.0002)
        found["ms"].append((tally.last - called) * 1000)


def prepare(peer: ModuleType, found: dict[str, Any]) -> Iterator[Step]:
    if hasattr(peer, "prepare"):
        yield peer.prepare, ()
    found["python"] = platform.python_version()
    found["packages"] = {one.metadata["Name"]: one.version for one in metadata.distributions()}


def take(peer: ModuleType, steps: Iterable[Step]) -> Any:
    """Go through the steps in the way the peer works; return what the last one returned."""
    if inspect.iscoroutinefunction(peer.enqueue):
        return asyncio.run(_take_async(peer, steps))
    last = None
    with getattr(peer, "session", contextlib.nullcontext)():
        for act, arguments in steps:
            last = act(*arguments)
    return last


async def _take_async(peer: ModuleType, steps: Iterable[Step]) -> Any:
    last = None
    async with getattr(peer, "session", contextlib.nullcontext)():
        for act, arguments in steps:
            last = await act(*arguments)
    return last


def main() -> int:
    name, verb, *arguments = sys.argv[1:]
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        import_module("django").setup()
    peer = import_module(f"bench.peers.{name}")
    found: dict[str, Any] = {}
    steps: Iterable[Step]
    if verb == "work":
        peer.work(*map(int, arguments))
        return 0
    if verb == "prepare":
        steps = prepare(peer, found)
    elif verb == "fill":
        steps = fill(peer, int(arguments[0]), found)
    elif verb == "enqueue":
        steps = enqueue(peer, float(arguments[0]), found)
    elif verb == "result":
        steps = [(peer.result_of, (arguments[0],))]
    else:
        steps = pick_up(peer, int(arguments[0]), float(arguments[1]), found)
    last = take(peer, steps)
    if verb == "fill":
        found["id"] = last
    elif verb == "result":
        found["kept"] = last == RESULT
    (FOLDER / f"{verb}.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
