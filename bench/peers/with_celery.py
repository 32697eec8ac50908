from __future__ import annotations

import os
from typing import Any

from celery import Celery

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL, become
from bench.peers.work import KEEPS, THREADS

PEER = {
    "name": "Celery",
    "distribution": "celery",
    "requirements": ["celery[redis]", "hiredis"],
    "stores": ["redis"],
    "results": "the Redis result backend on the same server; results expire after a day",
    "configurations": {
        "default": {
            "what": "prefork pool, prefetch of 4 per process, acknowledged before the run, no result backend",
            "kept": "lost",
            "why": "acknowledged just before it runs; with acks_late it would come back after the visibility "
            "timeout of an hour",
            "batch": 4,
            "forks": True,
        },
        "fastest": {
            "what": "solo pool, a worker per process, prefetch of 100, no results, no rate limits, no "
            "events, without gossip, mingle and heartbeat",
            "kept": "lost",
            "why": "acknowledged just before it runs",
            "batch": 100,
            "forks": False,
        },
    },
}

app = Celery("bench", broker=URL, **({"backend": URL} if KEEPS else {}))
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
if FASTEST:
    app.conf.update(
        task_ignore_result=not KEEPS,
        worker_disable_rate_limits=True,
        worker_prefetch_multiplier=100,
        worker_send_task_events=False,
        task_track_started=False,
    )


@app.task
def noop(a: int, b: int, c: int, text: str) -> int | None:
    return commands.run(a, b, c, text)


def enqueue(*call: Any) -> str:
    return noop.delay(*call).id


def result_of(id: str) -> Any:
    return app.AsyncResult(id).result


def work(processes: int) -> None:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"] if FASTEST else []
    pool = "solo" if FASTEST else "prefork"
    if THREADS > 1:
        pool, processes = "threads", THREADS
    name = f"{os.getpid()}@bench"
    options = ["--loglevel", "WARNING", "--pool", pool, "--concurrency", str(processes), "--hostname", name]
    become("celery", "-A", "bench.peers.with_celery", "worker", *options, *quiet)
