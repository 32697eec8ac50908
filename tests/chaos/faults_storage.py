"""Faults of storage: a locked file, a full disk, a different server; and many producers at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connections
from redis import Redis

from djutils.queue.backends.redis_backend import RedisQueue
from tests import servers
from tests.consumers import ROOT
from tests.waiting import wait_until

from .catalogue import EVERYWHERE, FULL, SERVERS, SIMPLE, fault
from .faults import kill, wait_for_workers
from .field import PATIENCE, Field
from .sentinel import Sentinel

LOCKED = 30.0 if FULL else 10.0
"""Seconds; in the full form longer than any process waits for a lock of SQLite."""
_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(field: Field) -> Iterator[None]:
    """Hold the lock of the SQLite file in another process."""
    name = str(connections[field.site.alias].settings_dict["NAME"])
    command = [sys.executable, "-c", _LOCK, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"locked\n"
        yield
        process.communicate()


@contextmanager
def held_up(field: Field) -> Iterator[None]:
    """Cut the consumers off from the backend; they continue with what they hold."""
    if field.site.wired:
        field.wires.consumers.hole()
        yield
        field.wires.consumers.repair()
        return
    with locked(field):
        yield


def runs_nothing(field: Field) -> bool:
    """Return whether every run that has begun has ended."""
    return len(field.history.runs()) == sum(field.history.executed().values())


def waits_for_acks(field: Field) -> bool:
    """Return whether everything lent and begun has run, while nothing can be settled."""
    before = len(field.history.runs())
    field.pause(0.3, 0.4)
    return before == len(field.history.runs()) and runs_nothing(field)


def _killed_between_finishing_and_ack(field: Field) -> None:
    workers = wait_for_workers(field.consumer)
    with held_up(field):
        wait_until(lambda: waits_for_acks(field), PATIENCE)
        for pid in workers:
            kill(pid)
    wait_for_workers(field.consumer)


@fault(SERVERS, times=3, short=("redis",), wired=True, repeats=False, says="messages acked for it")
def workers_killed_between_finishing_and_ack(field: Field) -> None:
    """Kill workers whose boards show what they finished: it is acked for them, and nothing runs again."""
    _killed_between_finishing_and_ack(field)


@fault(("sqlite",), times=3, repeats=False, says="messages acked for it")
def workers_killed_before_the_ack(field: Field) -> None:
    """As above, blocked by a lock instead of the network."""
    _killed_between_finishing_and_ack(field)


@fault(("sqlite",), short=("sqlite",))
def file_locked(field: Field) -> None:
    """Lock the file in another process, for half a minute in the full form."""
    wait_for_workers(field.consumer)
    with locked(field):
        field.pause(LOCKED, LOCKED + 0.1)


@fault(("sqlite",), times=2, small_disk=True, says="full")
def disk_full(field: Field) -> None:
    """Fill the disk of the database, then make room again."""
    wait_for_workers(field.consumer)
    field.send_more(40, 0.1)
    # If the log may be overwritten, nothing has to grow.
    with connections[field.site.alias].cursor() as cursor:
        wait_until(lambda: not cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0], PATIENCE)
    fill = Path(connections[field.site.alias].settings_dict["NAME"]).with_name("fill")
    with suppress(OSError), fill.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    field.pause(2.0, 3.0)
    fill.unlink()


@fault(("redis",), wired=True, says="cannot be used at the moment")
def server_fails_over(field: Field) -> None:
    """Sentinel promotes a replica, and the address is redirected to it.

    Redis replicates after it has answered: the last messages and acks may be lost.
    """
    wait_for_workers(field.consumer)
    replica = field.stack.enter_context(servers.redis(own=True, appendonly=True))
    with Redis.from_url(replica.url) as client:
        client.replicaof("127.0.0.1", field.server.port)
        wait_until(lambda: client.info("replication")["master_link_status"] == "up", PATIENCE)
        sentinel = Sentinel(field.server.binary, field.server.port)
        field.stack.callback(sentinel.remove)
        sentinel.start()
        wait_until(sentinel.replicas, PATIENCE)
        with field.history.forgetting(sent=True):
            field.server.kill()
            wait_until(lambda: sentinel.primary() == replica.port, PATIENCE)
            for proxy in field.wires:
                proxy.point_at(replica.port)
    field.server.start()  # no client is directed to it any more
    field.server = replica
    field.queue = RedisQueue(field.queue.name, replica.url)


@fault((*EVERYWHERE, SIMPLE))
def twenty_threads_send_at_once(field: Field) -> None:
    """Each producer uses its own connection."""
    first = len(field.pauses)
    field.pauses += [0.0] * 400
    threads = [
        threading.Thread(target=field.send_slowly, args=(range(first + place * 20, first + place * 20 + 20),))
        for place in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)


@fault((*EVERYWHERE, SIMPLE))
def twenty_processes_send_at_once(field: Field) -> None:
    """Each producer uses its own connection."""
    first = len(field.pauses)
    field.pauses += [0.0] * 400
    command = [sys.executable, "-m", "tests.project.crowd", field.history.folder, str(first), "20", "20"]
    settings = {"DJANGO_SETTINGS_MODULE": "tests.project.settings"}
    environment = {**os.environ, **field.site.environment, **settings}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=PATIENCE)
    field.history.sent.update(range(first, first + 400))
