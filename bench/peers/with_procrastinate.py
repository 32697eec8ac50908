from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import procrastinate

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL, become_script

PEER = {
    "name": "Procrastinate",
    "distribution": "procrastinate",
    "requirements": ["procrastinate", "psycopg[binary,pool]"],
    "stores": ["postgres"],
    "without results": "it keeps no return values",
    "configurations": {
        "default": {
            "what": "one coroutine per process, LISTEN; finished rows are kept",
            "kept": "stuck",
            "why": "stays 'doing' until a periodic command of one's own retries the stalled ones",
            "batch": 1,
            "forks": False,
        },
        "fastest": {
            "what": "20 coroutines per process, LISTEN; finished rows are deleted",
            "kept": "stuck",
            "why": "as by default",
            "batch": 1,
            "forks": False,
        },
    },
}

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=URL))


@app.task
async def noop(a: int, b: int, c: int, text: str) -> None:
    await commands.run_async(a, b, c, text)


@contextmanager
def session() -> Iterator[None]:
    with app.open():
        yield


def prepare() -> None:
    app.schema_manager.apply_schema()


def enqueue(a: int, b: int, c: int, text: str) -> None:
    noop.defer(a=a, b=b, c=c, text=text)


def enqueue_many(calls: Sequence[Any]) -> None:
    noop.batch_defer(*({"a": a, "b": b, "c": c, "text": text} for a, b, c, text in calls))


def work(processes: int) -> None:
    options = ["--concurrency", "20", "--delete-jobs", "always"] if FASTEST else []
    become_script("procrastinate", "--app=bench.peers.with_procrastinate.app", "worker", *options)
