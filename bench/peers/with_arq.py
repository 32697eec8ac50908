from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL, become_script

PEER = {
    "name": "arq",
    "distribution": "arq",
    "requirements": ["arq", "hiredis"],
    "stores": ["redis"],
    "without results": "it keeps results by default, which is not measured yet",
    "configurations": {
        "default": {
            "what": "10 coroutines per process, a look at the queue every 0.5 s; results kept for an hour",
            "kept": "yes",
            "why": "stays queued until it is done; the mark that it is running expires 10 s after its timeout of 300 s",
            "batch": 10,
            "forks": False,
        },
        "fastest": {
            "what": "100 coroutines per process, a look at the queue every 10 ms; no results",
            "kept": "yes",
            "why": "as by default",
            "batch": 100,
            "forks": False,
        },
    },
}

address = RedisSettings.from_dsn(URL)
pool: list[ArqRedis] = []


async def noop(context: Any, a: int, b: int, c: int, text: str) -> None:
    await commands.run_async(a, b, c, text)


class WorkerSettings:
    functions = (noop,)
    redis_settings = address
    if FASTEST:
        max_jobs = 100
        poll_delay = 0.01
        keep_result = 0
        log_results = False


# By default the worker logs two lines for each command.
quiet = {"version": 1, "root": {"level": "WARNING"}}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    pool.append(await create_pool(address))
    yield
    await pool.pop().aclose()


async def enqueue(*call: Any) -> None:
    await pool[0].enqueue_job("noop", *call)


def work(processes: int) -> None:
    place = "bench.peers.with_arq"
    become_script("arq", f"{place}.WorkerSettings", "--custom-log-dict", f"{place}.quiet")
