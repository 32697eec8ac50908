"""What a command does, the same for every peer; which one comes from the environment."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from importlib import import_module

from bench.peers.protocol import FASTEST, FOLDER
from bench.peers.slots import Slots

WORK = os.environ.get("BENCH_WORK", "noop")


THREADS = 32 if FASTEST and WORK == "sleep" else 1
"""Threads of a worker process, if it can have several: waiting commands leave the processor to others."""

CALL: tuple[int, int, int, str] = (
    17,
    4_000,
    1_234_567,
    "x" * 10_240 if WORK == "payload" else "a short string",
)
"""The arguments of every call."""

KEEPS = WORK == "kept"
"""Whether results are to be kept, in whatever way the peer has for it."""

RESULT = CALL[0] + CALL[1]
"""What a command returns whose result is kept."""

slots = Slots(FOLDER / "stamps")


def noop(a: int, b: int, c: int, text: str) -> None:
    """Nothing but the note that it was run."""
    slots.hit()


def sleep(a: int, b: int, c: int, text: str) -> None:
    """A millisecond of waiting."""
    slots.hit()
    time.sleep(0.001)


def cpu(a: int, b: int, c: int, text: str) -> None:
    """A millisecond of this thread's processor time."""
    slots.hit()
    until = time.thread_time() + 0.001
    while time.thread_time() < until:
        pass


def query(a: int, b: int, c: int, text: str) -> None:
    """One query through Django's ORM."""
    slots.hit()
    import_module("bench.peers.query").one_row()


def kept(a: int, b: int, c: int, text: str) -> int:
    """A small result."""
    slots.hit()
    return a + b


_CHOICES: dict[str, Callable[[int, int, int, str], int | None]] = {
    "noop": noop,
    "sleep": sleep,
    "cpu": cpu,
    "query": query,
    "payload": noop,
    "kept": kept,
}

run = _CHOICES[WORK]
"""What a peer's function calls."""


async def sleep_async(a: int, b: int, c: int, text: str) -> None:
    slots.hit()
    await asyncio.sleep(0.001)


async def _run_async(a: int, b: int, c: int, text: str) -> None:
    run(a, b, c, text)


run_async = sleep_async if WORK == "sleep" else _run_async
"""What a peer's coroutine awaits: it waits without keeping the others from running."""
