from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django_tasks import TaskResultStatus, task

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, become

PEER = {
    "name": "django-tasks-db",
    "distribution": "django-tasks-db",
    "requirements": ["django-tasks-db[compat]", "psycopg[binary]"],
    "stores": ["sqlite", "postgres"],
    "results": "always: in the row of the command, which stays",
    "django": True,
    "apps": ["django_tasks", "django_tasks_db"],
    "settings": {
        "default": {"TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}},
        "fastest": {"TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}},
    },
    "configurations": {
        "default": {
            "what": "db_worker as it comes, a look every second; SQLite in WAL with IMMEDIATE transactions",
            "kept": "stuck",
            "why": "its row stays RUNNING forever",
            "batch": 1,
            "forks": False,
        },
        "fastest": {
            "what": "db_worker with a look every 10 ms; CONN_MAX_AGE = None; SQLite with synchronous = NORMAL",
            "kept": "stuck",
            "why": "its row stays RUNNING forever",
            "batch": 1,
            "forks": False,
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


def work(processes: int) -> None:
    pace = ["--interval", "0.01", "--no-startup-delay"] if FASTEST else []
    become("django", "db_worker", "--verbosity", "0", *pace)
