from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management import call_command

from bench.commands import noop
from bench.peers.protocol import FASTEST, FOLDER, become
from bench.peers.work import THREADS
from djutils.queue import codec
from djutils.queue.conf import settings
from djutils.queue.message import Envelope
from djutils.queue.queue import invoker
from djutils.queue.registry import registry

PEER = {
    "name": "djutils",
    "distribution": "djutils-queue",
    "requirements": ["ROOT[hiredis,postgres]", "pymysql"],
    "stores": ["redis", "postgres", "sqlite", "mariadb"],
    "results": "result=True on the command: a record beside the queue, kept for a day",
    "django": True,
    "apps": ["djutils", "bench"],
    "settings": {
        "default": {},
        "fastest": {},
        "redis": {
            "QUEUE_BACKEND": "djutils.queue.backends.redis_backend.RedisQueue",
            "QUEUE_CONNECTION": "URL",
            "QUEUE_NAME": "bench",
        },
    },
    "configurations": {
        "default": {
            "what": "one thread per process, signed, with leases, a line in the log file for each command (INFO)",
            "kept": "yes",
            "why": "another worker runs it again when the lease of 30 s of the dead one is over, at once if it "
            "is of the same consumer",
            "batch": 400,
            "forks": True,
            "few": 2000,
        },
        "fastest": {
            "what": "as by default, with the log at WARNING; SQLite with synchronous = NORMAL",
            "kept": "yes",
            "why": "as by default",
            "batch": 400,
            "forks": True,
            "few": 2000,
        },
    },
}


def message(call: Any) -> Envelope:
    """A call of the command as it travels."""
    made = registry.get_message_for_command(noop.command(*call), settings.queue_name)
    return Envelope(made.id, codec.encode(made))


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(*call: Any) -> str:
    return noop(*call).id


def enqueue_many(calls: Sequence[Any]) -> None:
    invoker.enqueue_many(noop.command(*call) for call in calls)


def result_of(id: str) -> Any:
    result = invoker.result(id)
    return result.return_value if result.is_finished else None


def work(processes: int, threads: int = THREADS) -> None:
    log = ["--logfile", str(FOLDER / "consumer.log"), *(["--log-level", "WARNING"] if FASTEST else [])]
    size = ["--processes", str(processes), "--threads", str(threads)]
    become("djutils.queue.bin.consumer", "run", *size, *log)
