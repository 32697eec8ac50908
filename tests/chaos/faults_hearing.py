"""Faults in which one process of a consumer reaches the backend and another does not."""

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
    """Return the local ports of a process's connections."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {int(row[_LOCAL_ADDRESS].partition(":")[2], 16) for row in rows if row[_INODE] in inodes}


@fault(SERVERS, short=("redis", "postgres"), wired=True, says="for twice the lease|answers again")
def connections_of_one_worker_holed(field: Field) -> None:
    """Its maintainer reaches the backend, it does not: others take its messages and it is replaced.

    Unless the server closes its connections first: then it notices, and connects again.
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
    field.wires.consumers.repair()


@fault(SERVERS, wired=True)
def maintainers_connections_holed(field: Field) -> None:
    """The workers reach the backend, their maintainer does not: for less than the lease nothing is lost."""
    wait_for_workers(field.consumer)
    field.send_more(40, 0.1)
    pid = wait_until(field.consumer.maintainer, PATIENCE, why=field.consumer.log)
    field.wires.consumers.hole_from(ports_of(pid))
    field.pause(LEASE / 2, 0.8 * LEASE)
    field.wires.consumers.repair()


@fault(("postgres", "mariadb"), short=("postgres",))
def message_of_a_dead_worker_locked(field: Field) -> None:
    """Another transaction locks the messages to give back: waiting for it must not stop the beats of living workers."""
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
