"""The commands the tests enqueue."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import threading
from datetime import datetime
from pathlib import Path
from time import sleep, time

from django.db import connection, transaction

from djutils.queue.decorators import periodic_command, queue_command
from djutils.queue.exceptions import Drop, Reject, Retry
from djutils.queue.queue import QueueCommand

from . import (  # noqa: F401  (their commands are this app's, too)
    context,
    fuses,
    harm,
    ledger,
    limits,
    nightly,
    operations,
    outcomes,
    patience,
    pieces,
    policies,
    races,
    releases,
    trials,
    uniques,
    world,
)
from .files import lines, write
from .middleware import tenant
from .models import Note

TICKS = "DJUTILS_TEST_TICKS"
"""In the environment of a consumer: the file where the clock's command leaves its lines."""

hoard: list[bytes] = []


class Keep(QueueCommand):
    """A command of 2011: a class, and one argument of any kind."""

    def execute(self) -> None:
        first, second, third = sorted(self.data["kept"], key=str)
        write(self.data["file"], repr([first, second, third]))


@queue_command
def note(text: str) -> str:
    """Leave a line in the database."""
    Note.objects.create(text=text)
    return text


@queue_command
def fail(message: str) -> None:
    """End in an exception."""
    raise ValueError(message)


@queue_command
def append(path: str, number: int, pause: float = 0.0) -> None:
    """Leave the number, the process and the time in a file."""
    write(path, f"{number} {os.getpid()} {time():.6f}")
    if pause:
        sleep(pause)


@queue_command(max_attempts=2, backoff=1)
def explode(path: str, message: str) -> None:
    """Fail with a text of the caller's choice."""
    write(path, "ran")
    raise ValueError(message)


@queue_command(max_attempts=3, backoff=0.05)
def stumble(path: str, good_runs_begin: int = 1000) -> None:
    """Fail until enough runs were made."""
    write(path, f"{time():.6f}")
    if len(lines(path)) < good_runs_begin:
        raise LookupError("there was something in the way")


@queue_command(max_attempts=5, backoff=1000)
def come_back(path: str, delay: float) -> None:
    """Ask once to be run again after a delay."""
    write(path, f"{time():.6f}")
    if len(lines(path)) == 1:
        raise Retry("not yet", delay=delay)


@queue_command
def refuse(path: str, why: str) -> None:
    """Ask never to be run again."""
    write(path, "ran")
    raise Reject(why)


@queue_command
def hold(path: str, gate: str) -> None:
    """Run until the gate is there."""
    write(path, "began")
    while not Path(gate).exists():
        sleep(0.01)
    write(path, "ended")


@queue_command
def leave(path: str) -> None:
    """End the whole process."""
    write(path, "ran")
    os._exit(9)


@queue_command
def leave_politely(path: str) -> None:
    """End the whole process with code 0."""
    write(path, "ran")
    os._exit(0)


@queue_command
def segfault(path: str) -> None:
    """Read what is not ours to read."""
    write(path, "ran")
    ctypes.string_at(0)


@queue_command
def be_killed(path: str) -> None:
    """As if memory had run out."""
    write(path, "ran")
    os.kill(os.getpid(), signal.SIGKILL)


@queue_command
def be_killed_by_a_nameless_signal(path: str) -> None:
    """Between SIGRTMIN and SIGRTMAX, signals have numbers only."""
    write(path, "ran")
    os.kill(os.getpid(), signal.SIGRTMIN + 2)


@queue_command
def eat(path: str, mebibytes: int) -> None:
    """Use memory and keep it."""
    hoard.append(b"x" * (mebibytes << 20))
    write(path, f"{os.getpid()}")


@queue_command
def note_session(text: str) -> None:
    """Leave a line that says which database session wrote it."""
    Note.objects.create(text=f"{text} {session()}")


def session() -> int:
    """The server's number for this connection; on SQLite, which has no sessions, our own."""
    query = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}.get(
        connection.vendor
    )
    if query is None:
        connection.ensure_connection()
        return id(connection.connection)
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


@queue_command
def leave_block_open(text: str) -> None:
    """Enter ``atomic`` and never leave it."""
    transaction.atomic().__enter__()
    Note.objects.create(text=text)


@queue_command
def leave_autocommit_off(text: str) -> None:
    """Begin a transaction by hand and forget it."""
    transaction.set_autocommit(False)
    Note.objects.create(text=text)


@queue_command(max_attempts=1)
def break_transaction(text: str) -> None:
    """Fail in the database, in a transaction."""
    with transaction.atomic():
        Note.objects.create(text=text)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")


@queue_command
async def breathe(path: str, number: int) -> None:
    """Give way, then leave the number in a file."""
    await asyncio.sleep(0)
    write(path, number)


@queue_command(time_limit=(0.5, 1.0), max_attempts=2, backoff=0.05)
def hang(path: str) -> None:
    """Never end, and hear nothing: the wait is in C, and no signal interrupts it."""
    write(path, f"{os.getpid()}")
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    lock = threading.Lock()
    lock.acquire()
    while True:
        lock.acquire(timeout=60)


@queue_command(time_limit=0.3, max_attempts=1)
def dawdle(path: str) -> None:
    """Take too long, in Python."""
    write(path, "began")
    while True:
        sleep(0.01)


@queue_command(atomic=True)
def book(path: str, number: int, pause: float = 0.0) -> None:
    """Write into the ledger an entry that must be there once, and wait before the commit."""
    Note.objects.create(text=f"{path} {number}")
    sleep(pause)


@queue_command(max_attempts=2, backoff=0)
def tell_tenant(path: str, mood: str) -> None:
    """Write whose run this is, and end as ``mood`` says."""
    write(path, tenant.get())
    if mood == "drop":
        raise Drop("it is too late")
    if mood == "fail":
        raise ValueError("it failed")


@queue_command(atomic=True)
async def book_for_tenant(path: str) -> None:
    """The same, in a coroutine and in a transaction."""
    write(path, tenant.get())


@queue_command(max_attempts=1)
def complain_and_be_killed(path: str) -> None:
    """Say what is wrong, then die as if memory had run out."""
    logging.getLogger("app").warning("the roof is on fire")
    write(path, "ran")
    os.kill(os.getpid(), signal.SIGKILL)


@queue_command(max_attempts=1)
def say_and_be_killed(path: str, text: str) -> None:
    """Log a text, then die as if memory had run out."""
    logging.getLogger("app").warning(text)
    write(path, "ran")
    os.kill(os.getpid(), signal.SIGKILL)


def in_every_minute(moment: datetime) -> bool:
    """Only in consumers whose test wants it."""
    return TICKS in os.environ


@periodic_command(in_every_minute)
def tick() -> None:
    """Leave a line for each time the clock asked."""
    write(os.environ[TICKS], f"{datetime.now():%H:%M}")  # noqa: DTZ005


@queue_command(max_attempts=1)
def call_another_and_fail(path: str) -> None:
    """Call a command in a transaction that rolls back."""
    with transaction.atomic():
        append(path, 1)
        raise LookupError("changed its mind")


@queue_command
def count_down(path: str, number: int) -> None:
    """Call itself with one less."""
    write(path, number)
    if number:
        count_down(path, number - 1)
