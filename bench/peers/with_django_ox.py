from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management import call_command
from django.tasks import TaskResultStatus, task
from django_ox.bulk import enqueue_many as ox_enqueue_many

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, become

PEER = {
    "name": "django-ox",
    "distribution": "django-ox",
    "requirements": ["django-ox", "psycopg[binary]"],
    "python": ">=3.12",
    "stores": ["sqlite", "postgres"],
    "results": "always: in the row of the command, which stays",
    "django": True,
    "apps": ["django_ox"],
    "settings": {
        "default": {"TASKS": {"default": {"BACKEND": "django_ox.backend.OxBackend"}}},
        "fastest": {"TASKS": {"default": {"BACKEND": "django_ox.backend.OxBackend"}}},
    },
    "configurations": {
        "default": {
            "what": "one thread per process, a look every second; SQLite in WAL with IMMEDIATE transactions",
            "kept": "yes",
            "why": "a reaper gives it back when its lock has not been renewed for 300 s",
            "batch": 1,
            "forks": True,
        },
        "fastest": {
            "what": "one thread per process, a look every 10 ms; CONN_MAX_AGE = None; SQLite with synchronous = NORMAL",
            "kept": "yes",
            "why": "as by default",
            "batch": 1,
            "forks": True,
        },
    },
}


@task
def noop(a: int, b: int, c: int, text: str) -> int | None:
    return commands.run(a, b, c, text)


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(*call: Any) -> str:
    return str(noop.enqueue(*call).id)


def result_of(id: str) -> Any:
    result = noop.get_result(id)
    return result.return_value if result.status == TaskResultStatus.SUCCESSFUL else None


def enqueue_many(calls: Sequence[Any]) -> None:
    ox_enqueue_many(noop, [(call, {}) for call in calls])


def work(processes: int) -> None:
    pace = ["--interval", "0.01"] if FASTEST else []
    become("django", "ox_worker", "--processes", str(processes), *pace)
