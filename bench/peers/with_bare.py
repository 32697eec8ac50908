from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from itertools import count
from typing import Any

from django.db import connection

from bench.peers import with_djutils
from bench.peers.protocol import FASTEST, STORE
from bench.peers.work import CALL, slots

PEER = {
    "name": "bare",
    "distribution": "djutils-queue",
    "requirements": ["ROOT[hiredis,postgres]", "pymysql"],
    "stores": ["redis", "postgres", "sqlite", "mariadb"],
    "without results": "a store without a queue runs nothing",
    "django": True,
    "apps": ["djutils", "bench"],
    "settings": {"default": {}, "fastest": {}},
    "waits": False,
    "configurations": {
        "default": {
            "what": "no queue, only its store: one write of a message's bytes, 500 in one write, and a loop "
            "that lends 100 and acknowledges 100, of which none is run",
            "kept": "stuck",
            "why": "what it lent stays marked as lent",
            "batch": 100,
            "forks": False,
            "few": 2000,
        },
        "fastest": {
            "what": "as by default; SQLite with synchronous = NORMAL",
            "kept": "stuck",
            "why": "as by default",
            "batch": 100,
            "forks": False,
            "few": 2000,
        },
    },
}

DATA = with_djutils.message(CALL).data
PAUSE = 0.001
_INSERT = (
    "INSERT INTO djutils_queuemessage (message_id, queue, prio_rank, message, state, due)"
    " VALUES (%s, 'bare', 0, %s, 0, NULL)"
)

Bare = import_module(f"bench.bare_{STORE}").Bare
numbers = count()
made: list[Any] = []


def id() -> str:
    """As long as a message's, and nothing to make."""
    return f"{next(numbers):032x}"


def writer() -> Any:
    if not made:
        made.append(Bare(durable=STORE != "sqlite" or not FASTEST))
    return made[0]


def prepare() -> None:
    with_djutils.prepare()


def enqueue(*call: Any) -> None:
    writer().write(id(), DATA)


def _by_django(*call: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [id(), DATA])


enqueue_by_django = None if STORE == "redis" else _by_django
"""The same row through Django's connection, as a project would write it."""


def enqueue_many(calls: Sequence[Any]) -> None:
    writer().write_many([(id(), DATA) for _ in calls])


def work(processes: int) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    bare, lent = Bare(durable=False), []
    while True:
        lent = bare.turn(lent)
        if lent:
            slots.hit(len(lent))
        else:
            time.sleep(PAUSE)
