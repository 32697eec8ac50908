from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.adapters.persistence.qb import DBSettings, QueryBuilderEnvironment
from pgqueuer.domain.settings import Durability

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL

PEER = {
    "name": "PgQueuer",
    "distribution": "pgqueuer",
    "requirements": ["pgqueuer[asyncpg]", "uvloop"],
    "stores": ["postgres"],
    "without results": "it keeps no return values",
    "configurations": {
        "default": {
            "what": "asyncpg and uvloop, batches of 10, all tables logged",
            "kept": "yes",
            "why": "what a dead worker held is picked again after 30 s without heartbeat",
            "batch": 10,
            "forks": False,
        },
        "fastest": {
            "what": "asyncpg and uvloop, batches of 1000, log and statistics in unlogged tables ('balanced')",
            "kept": "yes",
            "why": "as by default",
            "batch": 1000,
            "forks": False,
        },
    },
}

queries: list[Queries] = []


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    connection = await asyncpg.connect(URL)
    queries.append(Queries(AsyncpgDriver(connection)))
    yield
    queries.pop()
    await connection.close()


async def prepare() -> None:
    durability = Durability.balanced if FASTEST else Durability.durable
    queries[0].qbe = QueryBuilderEnvironment(DBSettings(durability=durability))
    await queries[0].install()


async def enqueue(*call: Any) -> None:
    await queries[0].enqueue("noop", json.dumps(call).encode())


async def enqueue_many(calls: Sequence[Any]) -> None:
    payloads = [json.dumps(call).encode() for call in calls]
    await queries[0].enqueue(["noop"] * len(calls), payloads, [0] * len(calls))


async def run() -> None:
    pgq = PgQueuer(AsyncpgDriver(await asyncpg.connect(URL)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, pgq.shutdown.set)

    @pgq.entrypoint("noop")
    async def noop(job: Any) -> None:
        await commands.run_async(*json.loads(job.payload))

    await pgq.run(**({"batch_size": 1000} if FASTEST else {}))


def work(processes: int) -> None:
    # As `pgq run` does, which does not start with this release and the newest typer.
    uvloop.run(run())
