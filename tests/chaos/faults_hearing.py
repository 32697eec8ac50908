"""Faults by which one process of a consumer hears the backend and another does not."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from tests.waiting import wait_until

from .catalogue import SERVERS, fault
from .faults import kill, wait_for_workers
from .faults_servers import ask, operator
from .field import LEASE, PATIENCE, Field

_LOCAL_ADDRESS, _INODE = 1, 9


def ports_of(pid: int) -> set[int]:
    """The ports from which a process is connected to anything."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {int(row[_LOCAL_ADDRESS].partition(":")[2], 16) for row in rows if row[_INODE] in inodes}


@fault(SERVERS, short=("redis", "postgres"), wired=True, says="for twice the lease|answers again")
def connections_of_one_worker_holed(field: Field) -> None:
    """Its maintainer hears the backend, it does not: it loses what it holds to others and is replaced.

    Unless the server gives up its connections before: then it hears of that, and connects again.
    """
    pid = field.random.choice(wait_for_workers(field.consumer))
    field.send_more(40, 0.05)
    field.wires.consumers.hole_from(ports_of(pid))
    back = re.compile(rf"\b{pid}\b.*pump: The backend answers again")
    wait_until(
        lambda: pid not in field.consumer.members() or back.search(field.consumer.log()),
        PATIENCE,
        why=field.consumer.log,
    )
    field.wires.consumers.mend()


@fault(SERVERS, wired=True)
def maintainers_connections_holed(field: Field) -> None:
    """The workers hear the backend, who beats for them does not: for less than the lease nothing is lost."""
    wait_for_workers(field.consumer)
    field.send_more(40, 0.1)
    pid = wait_until(field.consumer.maintainer, PATIENCE, why=field.consumer.log)
    field.wires.consumers.hole_from(ports_of(pid))
    field.pause(LEASE / 2, 0.8 * LEASE)
    field.wires.consumers.mend()


@fault(("postgres", "mariadb"), short=("postgres",))
def message_of_a_dead_worker_locked(field: Field) -> None:
    """Another transaction holds what is to be handed back: waiting for it must not stop the beats of the living."""
    wait_for_workers(field.start_another())
    pid = field.random.choice(wait_for_workers(field.consumer))
    field.send_more(40, 0.1)
    wait_until(lambda: field.queue.stats().leased > 4, PATIENCE, every=0.005)
    with operator(field) as connection:
        ask(connection, "BEGIN")
        ask(connection, "SELECT id FROM djutils_queuemessage WHERE state = 2 FOR UPDATE SKIP LOCKED")
        kill(pid)
        field.pause(2.5 * LEASE, 3 * LEASE)
        ask(connection, "ROLLBACK")
    field.finish_sending()
    wait_until(field.is_done, PATIENCE, why=field.site.logs)
    assert not field.queue.stats().dead, "a lock is no reason to give up what succeeded"
