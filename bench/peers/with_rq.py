from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker, Worker
from rq.job import Job

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, URL

PEER = {
    "name": "RQ",
    "distribution": "rq",
    "requirements": ["rq", "hiredis"],
    "stores": ["redis"],
    "results": "result_ttl as by default: a stream and the record of the command, for 500 s",
    "configurations": {
        "default": {
            "what": "Worker, which forks for each command; results kept for 500 s",
            "kept": "failed",
            "why": "what a dead worker ran is found by its missing heartbeat and moved to the failed registry; "
            "it runs again only where a Retry was asked for",
            "batch": 1,
            "forks": False,
        },
        "fastest": {
            "what": "SimpleWorker, which runs commands in its own process; no results, no description",
            "kept": "failed",
            "why": "as with the default worker",
            "batch": 1,
            "forks": False,
        },
    },
}

redis = Redis.from_url(URL)
queue = Queue(connection=redis)
OPTIONS: dict[str, Any] = {"description": ""} if FASTEST else {}
if FASTEST and not commands.KEEPS:
    OPTIONS["result_ttl"] = 0


def noop(a: int, b: int, c: int, text: str) -> int | None:
    return commands.run(a, b, c, text)


def enqueue(*call: Any) -> str:
    return queue.enqueue_call(noop, args=call, **OPTIONS).id


def enqueue_many(calls: Sequence[Any]) -> None:
    queue.enqueue_many([Queue.prepare_data(noop, args=call, **OPTIONS) for call in calls])


def result_of(id: str) -> Any:
    return Job.fetch(id, connection=redis).return_value()


def work(processes: int) -> None:
    commands.slots.keep_over_fork()
    kind = SimpleWorker if FASTEST else Worker
    kind([queue], connection=redis).work(logging_level="WARNING")
