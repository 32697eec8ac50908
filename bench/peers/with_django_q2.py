from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django_q.tasks import async_task

from bench.peers import work as commands
from bench.peers.protocol import become

PEER = {
    "name": "django-q2",
    "distribution": "django-q2",
    "requirements": ["django-q2", "redis", "hiredis"],
    "stores": ["redis", "sqlite"],
    "without results": "it keeps results by default, which is not measured yet",
    "django": True,
    "apps": ["django_q"],
    "settings": {
        "default": {"Q_CLUSTER": {"workers": "PROCESSES", "timeout": 50, "log_level": "WARNING"}},
        "fastest": {
            "Q_CLUSTER": {
                "workers": "PROCESSES",
                "timeout": 50,
                "log_level": "WARNING",
                "save_limit": -1,
                "queue_limit": 200,
                "bulk": 50,
                "recycle": 100_000,
                "poll": 0.05,
                "scheduler": False,
            }
        },
    },
    "configurations": {
        "default": {
            "what": "one worker process (besides sentinel, pusher and monitor), results of the last 250 saved",
            "kept": {"redis": "lost", "sqlite": "yes"},
            "why": "on the ORM it is offered again after 60 s; on Redis it is lost, for that broker has no receipts",
            "batch": 1,
            "forks": True,
        },
        "fastest": {
            "what": "one worker process (besides sentinel, pusher and monitor), no results, bulks of 50 from the "
            "ORM, a look at it every 50 ms, no scheduler",
            "kept": {"redis": "lost", "sqlite": "yes"},
            "why": "as by default: lost on Redis",
            "batch": 50,
            "forks": True,
        },
    },
}


def noop(a: int, b: int, c: int, text: str) -> None:
    commands.run(a, b, c, text)


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(*call: Any) -> None:
    async_task("bench.peers.with_django_q2.noop", *call)


def work(processes: int) -> None:
    become("django", "qcluster")
