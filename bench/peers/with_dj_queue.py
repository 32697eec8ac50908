from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management import call_command
from django.tasks import task

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, become

PEER = {
    "name": "dj-queue",
    "distribution": "dj-queue",
    "requirements": ["dj-queue[postgres]", "psycopg[binary]"],
    "python": ">=3.12",
    "stores": ["sqlite", "postgres"],
    "without results": "it keeps results by default, which is not measured yet",
    "django": True,
    "apps": ["dj_queue"],
    "settings": {
        "default": {
            "TASKS": {
                "default": {
                    "BACKEND": "dj_queue.backend.DjQueueBackend",
                    "QUEUES": [],
                    "OPTIONS": {"workers": [{"threads": 1, "processes": "PROCESSES"}]},
                }
            }
        },
        "fastest": {
            "TASKS": {
                "default": {
                    "BACKEND": "dj_queue.backend.DjQueueBackend",
                    "QUEUES": [],
                    "OPTIONS": {
                        "workers": [
                            {
                                "threads": "THREADS",
                                "processes": "PROCESSES",
                                "prefetch_multiplier": 100,
                                "polling_interval": 0.02,
                            }
                        ],
                        "preserve_finished_jobs": False,
                    },
                }
            }
        },
    },
    "configurations": {
        "default": {
            "what": "one thread per process (it has three), prefetch of 2, a look every 0.1 s, LISTEN on PostgreSQL; "
            "SQLite in WAL with IMMEDIATE transactions",
            "kept": "failed",
            "why": "what a dead worker held becomes failed work, to be retried by hand",
            "batch": 2,
            "forks": True,
        },
        "fastest": {
            "what": "one thread per process, prefetch of 100, a look every 20 ms, finished rows deleted, neither "
            "dispatcher nor scheduler; CONN_MAX_AGE = None; SQLite with synchronous = NORMAL",
            "kept": "failed",
            "why": "as by default",
            "batch": 100,
            "forks": True,
        },
    },
}


@task
def noop(a: int, b: int, c: int, text: str) -> None:
    commands.run(a, b, c, text)


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(*call: Any) -> None:
    noop.enqueue(*call)


def enqueue_many(calls: Sequence[Any]) -> None:
    noop.get_backend().enqueue_all([(noop, call, {}) for call in calls])


def work(processes: int) -> None:
    become("django", "dj_queue", *(["--only-work"] if FASTEST else []))
