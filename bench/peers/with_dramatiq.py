from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries
from dramatiq.results import ResultMissing, Results
from dramatiq.results.backends import RedisBackend

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL, become
from bench.peers.work import CALL, KEEPS, THREADS

PEER = {
    "name": "Dramatiq",
    "distribution": "dramatiq",
    "requirements": ["dramatiq[redis]", "hiredis"],
    "stores": ["redis"],
    "results": "the Results middleware with the Redis backend on the same server; results expire after 10 minutes",
    "configurations": {
        "default": {
            "what": "all default middleware, prefetch of 2 per thread; one thread per process",
            "kept": "yes",
            "why": "acknowledged after the run; what a dead worker held comes back after 60 s without heartbeat",
            "batch": 2,
            "forks": True,
        },
        "fastest": {
            "what": "of the middleware only Retries, prefetch of 100; one thread per process",
            "kept": "yes",
            "why": "acknowledged after the run; what a dead worker held comes back after 60 s without heartbeat",
            "batch": 100,
            "forks": True,
        },
    },
}

broker = RedisBroker(url=URL, **({"middleware": [Retries()]} if FASTEST else {}))
dramatiq.set_broker(broker)
backend = RedisBackend(url=URL)
if KEEPS:
    broker.add_middleware(Results(backend=backend))


@dramatiq.actor(**({"store_results": True} if KEEPS else {}))
def noop(a: int, b: int, c: int, text: str) -> int | None:
    return commands.run(a, b, c, text)


def enqueue(*call: Any) -> str:
    return noop.send(*call).message_id


def result_of(id: str) -> Any:
    try:
        return backend.get_result(noop.message(*CALL).copy(message_id=id))
    except ResultMissing:
        return None


def work(processes: int) -> None:
    if FASTEST:
        os.environ["dramatiq_queue_prefetch"] = "100"  # noqa: SIM112  dramatiq's own name
    become("dramatiq", "bench.peers.with_dramatiq", "--processes", str(processes), "--threads", str(THREADS))
