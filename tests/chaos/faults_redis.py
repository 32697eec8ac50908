"""Faults of Redis only: missing permissions, and other programs that write under the queue's keys."""

from __future__ import annotations

from functools import partial

from tests.waiting import wait_until

from .catalogue import fault
from .faults import wait_for_workers
from .faults_servers import redis_operator
from .field import PATIENCE, Field

NEVER_TEXT = b"\xff\xfe\xfa"


@fault(("redis",), short=("redis",), says="does not let its user 'default' call")
def rights_withheld(field: Field) -> None:
    """One command after the other is denied and allowed again: nothing may be half done meanwhile."""
    wait_for_workers(field.consumer)
    with redis_operator(field) as client:
        for right in ("hset", "ltrim", "hdel", "evalsha"):
            # More than is received at a time: lending needs the first two, and without the permission nothing is sent.
            field.send_more(200, 0.05)
            client.execute_command("ACL", "SETUSER", "default", f"-{right}")
            said = partial(said_of, field, right)
            try:
                wait_until(said, PATIENCE, why=field.site.logs)
            finally:
                client.execute_command("ACL", "SETUSER", "default", f"+{right}")


def said_of(field: Field, right: str) -> bool:
    return f" call {right} on the keys" in field.consumer.log() or f"+{right}" in field.consumer.log()


@fault(("redis",), says="another program put a message")
def foreign_ids(field: Field) -> None:
    """Put ids that are not text, with and without a message, in front of everything that waits."""
    wait_for_workers(field.consumer)
    prefix = f"{{djq:{field.queue.name}}}:"
    with redis_operator(field) as client:
        for number in range(20):
            id = NEVER_TEXT + b"%d" % number
            client.hset(f"{prefix}messages", id, b"foreign")
            client.hset(f"{prefix}about", id, NEVER_TEXT)
            client.rpush(f"{prefix}ready", id, b"no message %d" % number)
    wait_until(lambda: field.queue.stats().dead == 20, PATIENCE, why=field.site.logs)
    assert field.queue.discard() == 20
