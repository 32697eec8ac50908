from __future__ import annotations

from typing import Any

from huey import PostgresHuey, RedisHuey, SqliteHuey

from bench.peers import work as commands
from bench.peers.protocol import FASTEST, STORE, URL, become_script
from bench.peers.work import KEEPS, THREADS

PEER = {
    "name": "Huey",
    "distribution": "huey",
    "requirements": ["huey", "redis", "hiredis", "psycopg[binary]"],
    "stores": ["redis", "sqlite", "postgres"],
    "results": "results=True, its default, which keeps every result but None until it is read",
    "configurations": {
        "default": {
            "what": "as it comes; threads for one, processes for two; on SQLite WAL with its default synchronous",
            "kept": "lost",
            "why": "a command is deleted when it is taken, before it runs",
            "batch": 1,
            "forks": True,
        },
        "fastest": {
            "what": "no results, no periodic commands, no health checks; SQLite with fsync off",
            "kept": "lost",
            "why": "a command is deleted when it is taken, before it runs",
            "batch": 1,
            "forks": True,
        },
    },
}

results = {"results": KEEPS} if FASTEST else {}
if STORE == "redis":
    huey = RedisHuey("bench", url=URL, **results)
elif STORE == "postgres":
    huey = PostgresHuey("bench", dsn=URL, **results)
else:
    huey = SqliteHuey("bench", filename=URL, **results, **({"fsync": False} if FASTEST else {}))


@huey.task()
def noop(a: int, b: int, c: int, text: str) -> int | None:
    return commands.run(a, b, c, text)


def enqueue(*call: Any) -> str | None:
    result = noop(*call)  # None where results are off
    return result.id if result else None


def result_of(id: str) -> Any:
    return huey.result(id, preserve=True)


def work(processes: int) -> None:
    kind = ["--worker-type", "thread" if processes == 1 else "process", "--workers", str(processes)]
    if THREADS > 1:
        kind = ["--worker-type", "thread", "--workers", str(THREADS)]
    quiet = ["--no-periodic", "--disable-health-check"] if FASTEST else []
    become_script("huey_consumer", "bench.peers.with_huey.huey", "--quiet", *kind, *quiet)
