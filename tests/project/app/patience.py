"""Commands that wait for something, as for a slow server, and are awaited."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from pathlib import Path

from asgiref.sync import sync_to_async
from django.db import transaction

from djutils.queue.decorators import queue_command

from . import harm
from .files import write
from .models import Note


@queue_command
async def wait_for(path: str, number: int, gate: str) -> None:
    """Wait until the gate is there, as long as it takes."""
    write(path, f"began {number} {os.getpid()}")
    while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240  (it is made by another process)
        await asyncio.sleep(0.2)
    write(path, f"ended {number} {os.getpid()}")


@queue_command
def beside(path: str, number: int) -> None:
    """Run in a thread, in the same queue."""
    write(path, f"beside {number} {os.getpid()}")


@queue_command
async def note_between(text: str) -> None:
    """Use the database before and after others have done so."""
    await Note.objects.acreate(text=f"{text} first")
    await asyncio.sleep(0.01)
    await Note.objects.acreate(text=f"{text} second")


@queue_command(time_limit=(0.2, 0.5), max_attempts=2, backoff=0.05)
async def block_the_loop(path: str) -> None:
    """Keep its loop from doing anything, for longer than it may."""
    write(path, f"blocks 0 {os.getpid()}")
    time.sleep(60)  # noqa: ASYNC251  (a mistake that commands make)


@queue_command
async def fork_and_go_on(path: str) -> None:
    """Leave a child that does not know that the work of its parent is not its own."""
    if os.fork():
        write(path, f"forked 0 {os.getpid()}")
        return
    while True:  # noqa: ASYNC110  (the child goes on as its parent would)
        await asyncio.sleep(0)


@queue_command
async def hold_the_interpreter(path: str, gate: str) -> None:
    """Let no other thread of its process run, nor any other coroutine."""
    harm.hold_the_interpreter.call(path, gate)


@queue_command
async def kill_its_process(path: str) -> None:
    """Die in the middle of all the others."""
    write(path, f"kills 0 {os.getpid()}")
    os.abort()


@queue_command
async def leave_uncommitted(text: str) -> None:
    """Begin a transaction by hand, where the queries of coroutines run, and forget it."""

    def begin() -> None:
        transaction.set_autocommit(False)
        Note.objects.create(text=text)

    await sync_to_async(begin)()


@queue_command(atomic=True)
async def note_in_a_transaction(text: str) -> None:
    """Write, and say where this runs."""
    await Note.objects.acreate(text=f"{text} {threading.current_thread().name}")


@queue_command
async def log_between(number: int) -> None:
    """Log before and after others have run."""
    logging.getLogger("shop").warning("before %d", number)
    await asyncio.sleep(0.05)
    logging.getLogger("shop").warning("after %d", number)
