from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from saq import Queue

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL, become

PEER = {
    "name": "saq",
    "distribution": "saq",
    "requirements": ["saq[redis,hiredis]", "typing_extensions"],
    "stores": ["redis"],
    "without results": "it keeps results by default, which is not measured yet",
    "configurations": {
        "default": {
            "what": "10 coroutines per process; results kept for 600 s",
            "kept": "failed",
            "why": "the sweeper finds it past its timeout of 10 s and aborts it; it runs again only with retries > 1",
            "batch": 1,
            "forks": False,
        },
        "fastest": {
            "what": "100 coroutines per process, no results kept",
            "kept": "failed",
            "why": "as by default",
            "batch": 1,
            "forks": False,
        },
    },
}

queue = Queue.from_url(URL)
OPTIONS: dict[str, Any] = {"ttl": -1} if FASTEST else {}


async def noop(context: Any, *, a: int, b: int, c: int, text: str) -> None:
    await commands.run_async(a, b, c, text)


settings = {"queue": queue, "functions": [noop], "concurrency": 100 if FASTEST else 10}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


async def enqueue(a: int, b: int, c: int, text: str) -> None:
    await queue.enqueue("noop", a=a, b=b, c=c, text=text, **OPTIONS)


def work(processes: int) -> None:
    become("saq", "bench.peers.with_saq.settings")
