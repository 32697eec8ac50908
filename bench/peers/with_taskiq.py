from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL, become

PEER = {
    "name": "Taskiq",
    "distribution": "taskiq",
    "requirements": ["taskiq", "taskiq-redis", "uvloop", "hiredis"],
    "stores": ["redis"],
    "without results": "it keeps results with a result backend, which is not measured yet",
    "configurations": {
        "default": {
            "what": "RedisStreamBroker with uvloop, 100 coroutines per process, 100 read at once, no result backend",
            "kept": "yes",
            "why": "acknowledged after the run; what a dead worker held is claimed by another after 10 minutes",
            "batch": 100,
            "forks": True,
        },
        "fastest": {
            "what": "ListQueueBroker (BRPOP) with uvloop, 100 coroutines per process, no result backend",
            "kept": "lost",
            "why": "the list broker removes a command when it takes it and knows no acknowledgement",
            "batch": 1,
            "forks": True,
        },
    },
}

broker = ListQueueBroker(URL) if FASTEST else RedisStreamBroker(URL)


@broker.task
async def noop(a: int, b: int, c: int, text: str) -> None:
    await commands.run_async(a, b, c, text)


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


async def enqueue(*call: Any) -> None:
    await noop.kiq(*call)


def work(processes: int) -> None:
    quiet = ["--log-level", "WARNING"]
    become("taskiq", "worker", "bench.peers.with_taskiq:broker", "--workers", str(processes), *quiet)
