from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chancy import Chancy, Queue, Worker, job

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, PROCESSES, URL

PEER = {
    "name": "Chancy",
    "distribution": "chancy",
    "requirements": ["chancy", "psycopg[binary,pool]"],
    "stores": ["postgres"],
    "without results": "it keeps return values only of commands put through Django's own tasks",
    "configurations": {
        "default": {
            "what": "process executor with a concurrency of one per worker, a look every 5 s and at NOTIFY",
            "kept": "yes",
            "why": "the Recovery plugin gives back what a worker held that has not beaten for a while",
            "batch": 1,
            "forks": False,
            # It fetches as many as it may run, then waits for the next NOTIFY or for 5 s.
            "few": 6,
        },
        "fastest": {
            "what": "async executor with its concurrency of 100 per worker, eager polling, a look every second",
            "kept": "yes",
            "why": "as by default",
            "batch": 100,
            "forks": False,
        },
    },
}

quiet = logging.getLogger("chancy")
chancy: list[Chancy] = []


@job(queue="bench")
def noop(*, a: int, b: int, c: int, text: str) -> None:
    commands.run(a, b, c, text)


@job(queue="bench")
async def noop_async(*, a: int, b: int, c: int, text: str) -> None:
    await commands.run_async(a, b, c, text)


def queue() -> Queue:
    if FASTEST:
        executor = Chancy.Executor.Async
        return Queue("bench", executor=executor, concurrency=100, eager_polling=True, polling_interval=1)
    return Queue("bench", concurrency=PROCESSES)


def call_of(call: Any) -> Any:
    wanted = noop_async if FASTEST else noop
    return wanted.job.with_kwargs(**dict(zip(("a", "b", "c", "text"), call, strict=True)))


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    async with Chancy(URL, log=quiet) as one:
        chancy.append(one)
        yield
        chancy.pop()


async def prepare() -> None:
    await chancy[0].migrate()
    await chancy[0].declare(queue(), upsert=True)


async def enqueue(*call: Any) -> None:
    await chancy[0].push(call_of(call))


async def enqueue_many(calls: Sequence[Any]) -> None:
    async for _ in chancy[0].push_many([call_of(call) for call in calls]):
        pass


async def run() -> None:
    quiet.setLevel(logging.WARNING)
    async with session(), Worker(chancy[0]) as worker:
        await worker.wait_for_shutdown()


def work(processes: int) -> None:
    asyncio.run(run())
