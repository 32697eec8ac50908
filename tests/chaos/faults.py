"""Faults of processes: what the kernel, an operator or a deploy does to them."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing, suppress

from django.db import connections

from tests.consumers import Consumer
from tests.waiting import wait_until

from .catalogue import EVERYWHERE, SIMPLE, fault
from .field import LEASE, PATIENCE, THREADS, Field


def kill(pid: int) -> None:
    """Kill a process without warning; ignore one that has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_workers(consumer: Consumer) -> list[int]:
    """Return the workers' process ids, once all are ready."""
    wait_until(lambda: len(consumer.workers()) == consumer.processes, PATIENCE, why=consumer.log)
    return consumer.workers()


def is_locked(field: Field) -> bool:
    """Return whether a write to the file, if it is one, is blocked."""
    database = connections[field.site.alias]
    if database.vendor != "sqlite":
        return False
    with closing(sqlite3.connect(database.settings_dict["NAME"], timeout=1.0, isolation_level=None)) as file:
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


@fault(EVERYWHERE, times=10, short=("sqlite", "postgres", "redis"), says="was killed by SIGKILL")
def worker_killed(field: Field) -> None:
    """One of the worker processes, as when memory runs out."""
    workers = wait_until(field.consumer.workers, why=field.consumer.log)
    kill(field.random.choice(workers))


@fault(EVERYWHERE, times=5, says="given back", settings={"QUEUE_MAX_CRASHES": "1"})
def worker_killed_between_receive_and_start(field: Field) -> None:
    """Kill a worker that holds more messages than it runs: only the running one is charged; one crash is fatal here."""
    threads = THREADS * len(wait_for_workers(field.consumer))
    wait_until(lambda: field.queue.stats().leased > threads or field.is_done(), PATIENCE, every=0.001)
    kill(field.random.choice(wait_for_workers(field.consumer)))


@fault(EVERYWHERE, times=3, short=("redis",), says="its supervisor is gone")
def supervisor_killed(field: Field) -> None:
    """Kill the supervisor: its workers and its maintainer notice and end; then start a new one."""
    consumer = field.consumer
    wait_for_workers(consumer)
    kill(consumer.pid)
    consumer.exit_code()
    field.start_consumer()


@fault(EVERYWHERE, times=5)
def maintainer_killed(field: Field) -> None:
    """Kill the process that beats; the supervisor starts another."""
    pid = wait_until(field.consumer.maintainer, PATIENCE, why=field.consumer.log)
    kill(pid)
    wait_until(lambda: field.consumer.maintainer() not in {0, pid}, PATIENCE, why=field.consumer.log)


@fault(EVERYWHERE, times=4, short=("sqlite", "postgres", "redis"), says="missed its heartbeat for 3 s")
def whole_consumer_killed(field: Field) -> None:
    """Kill supervisor, maintainer and workers at the same moment, like a power cut; then start a new one."""
    field.consumer.kill_all()
    field.start_consumer()


@fault(EVERYWHERE, times=15, says="missed its heartbeat for 3 s")
def whole_consumer_killed_again_and_again(field: Field) -> None:
    """Kill a worker right after its birth, often before it has started."""
    field.consumer.kill_all()
    field.start_consumer()
    field.pause(0.0, 0.5)


@fault(EVERYWHERE, times=2)
def worker_stopped_past_its_lease(field: Field) -> None:
    """Freeze one worker whose maintainer beats for it: it keeps the messages it holds."""
    pid = field.random.choice(wait_for_workers(field.consumer))
    os.kill(pid, signal.SIGSTOP)
    field.pause(LEASE + 1, LEASE + 1.5)
    os.kill(pid, signal.SIGCONT)


@fault(
    EVERYWHERE,
    short=("postgres",),
    says="missed its heartbeat for 3 s(?s:.*)(Lease lost|already been taken back)",
)
def consumer_stopped_past_its_lease(field: Field) -> None:
    """Freeze a consumer, as when a virtual machine is moved: another host takes its messages, and its late acks are refused."""
    wait_for_workers(field.consumer)
    another = field.start_another()
    wait_for_workers(another)
    field.send_more(40, 0.1)
    field.consumer.signal_all(signal.SIGSTOP)
    # Frozen inside a write, it would lock the file for every process; 'file locked' tests that.
    while is_locked(field):
        field.consumer.signal_all(signal.SIGCONT)
        field.pause(0.0, 0.1)
        field.consumer.signal_all(signal.SIGSTOP)
    field.history.silenced |= field.consumer.members()
    wait_until(lambda: "missed its heartbeat for" in another.log(), PATIENCE, why=another.log)
    field.consumer.signal_all(signal.SIGCONT)


@fault((*EVERYWHERE, SIMPLE), times=3, says="Stopped")
def consumer_stopped_in_the_middle(field: Field) -> None:
    """Send SIGTERM: running commands end, the others go back at once; then start a new one."""
    wait_for_workers(field.consumer)
    assert field.consumer.stop() == 0, field.consumer.log()
    field.start_consumer()


@fault(EVERYWHERE, times=2, says="did not end and are killed")
def consumer_stopped_twice(field: Field) -> None:
    """Send SIGTERM twice: the second one ends running commands without charging them."""
    wait_for_workers(field.consumer)
    first = len(field.pauses)
    field.send_more(8, 5.0)
    wait_until(lambda: any(run.key[0] >= first for run in field.history.runs()), PATIENCE, every=0.005)
    field.consumer.insist()
    # The last SIGTERM may meet a process that has stopped and is about to exit.
    assert field.consumer.exit_code() in {0, 1, -signal.SIGTERM}, field.consumer.log()
    field.start_consumer()


@fault(EVERYWHERE, times=6)
def consumer_stopped_while_it_starts(field: Field) -> None:
    """Send SIGTERM in the first second: the consumer ends, and leaves nothing; then start a new one."""
    wait_for_workers(field.consumer)
    assert field.consumer.stop() == 0, field.consumer.log()
    hasty = field.start_consumer()
    field.pause(0.0, 1.0)
    assert hasty.stop() in {0, -signal.SIGTERM}, hasty.log()
    field.start_consumer()
