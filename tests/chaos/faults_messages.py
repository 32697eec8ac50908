"""Faults of stored data: bytes that were damaged, forged, or removed by hand."""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from djutils.models import QueueMessage, QueueWorker
from djutils.queue import codec
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.ids import new_id
from djutils.queue.keys import PURPOSE
from djutils.queue.message import Envelope, Message
from djutils.queue.registry import registry
from djutils.queue.signing import keys_from
from tests.project.app import commands, trials
from tests.waiting import wait_until

from .catalogue import EVERYWHERE, SIMPLE, fault
from .faults import wait_for_workers
from .field import PATIENCE, Field

FORGED = 10**6
"""Numbers from here on are used only in messages that must never run."""
_TRIGGER = "fired"


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (os.mkdir, (self.path,))


def message(field: Field, number: int = FORGED, queue: str = "") -> Message:
    """A message as a producer makes it."""
    command = trials.record.command(field.history.folder, number, 0)
    return registry.get_message_for_command(command, queue or field.queue.name)


def put(field: Field, payloads: list[bytes]) -> list[str]:
    """Put bytes into the queue without any check; return their ids."""
    envelopes = [Envelope(new_id(), payload) for payload in payloads]
    if isinstance(field.queue, LeasedQueue):
        field.queue.send(envelopes)
    else:
        for payload in payloads:
            field.queue.write(payload)
    return [envelope.id for envelope in envelopes]


def put_and_see_them_die(field: Field, payloads: list[bytes]) -> None:
    """Each becomes a dead letter, and none of them runs."""
    before = field.queue.stats().dead
    put(field, payloads)
    wait_until(lambda: field.queue.stats().dead >= before + len(payloads), PATIENCE, why=field.site.logs)


def put_and_see_them_left(field: Field, payloads: list[bytes]) -> None:
    """Each is kept for a consumer that has its key, and none of them runs; four methods cannot do that."""
    if not isinstance(field.queue, LeasedQueue):
        put_and_see_them_die(field, payloads)
        return
    ids = put(field, payloads)
    logs = field.site.logs
    wait_until(lambda: all(f"{id} offered again" in logs() for id in ids), PATIENCE, why=logs)
    wait_until(lambda: field.queue.stats().delayed >= len(ids), PATIENCE, why=logs)
    take_away(field, ids)


def take_away(field: Field, ids: list[str]) -> None:
    """Remove messages by hand, in the database or in Redis."""
    if isinstance(field.queue, RedisQueue):
        prefix = f"{{djq:{field.queue.name}}}:"
        field.queue.server.call("ZREM", f"{prefix}delayed", *ids)
        for kept in ("messages", "about"):
            field.queue.server.call("HDEL", f"{prefix}{kept}", *ids)
    else:
        QueueMessage.objects.using(field.site.alias).filter(message_id__in=ids).delete()


@fault((*EVERYWHERE, SIMPLE), times=3, short=("sqlite", "redis"), says="The signature does not match")
def bits_flipped(field: Field) -> None:
    """One bit anywhere in a message, in its header, its body or its signature."""
    whole = codec.encode(message(field))
    flipped = []
    # A change in the key's name would make it another site's message, which is left alone.
    bits = [bit for bit in range(len(whole) * 8) if not 4 <= bit // 8 < 8]
    for bit in field.random.sample(bits, 40):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(damaged))
    put_and_see_them_die(field, flipped)


@fault((*EVERYWHERE, SIMPLE), says="These bytes are not a message")
def messages_truncated(field: Field) -> None:
    """Messages cut to any length, including zero."""
    whole = codec.encode(message(field))
    lengths = {0, 1, 3, 4, 8, 11, 12, 13, 40, len(whole) - 32, len(whole) - 1}
    lengths |= set(field.random.sample(range(len(whole)), 30))
    put_and_see_them_die(field, [whole[:length] for length in sorted(lengths)])


@fault((*EVERYWHERE, SIMPLE), says="Signed for the queue")
def messages_of_another_queue(field: Field) -> None:
    """Correctly signed, but for another queue."""
    put_and_see_them_die(field, [codec.encode(message(field, queue="elsewhere")) for _ in range(10)])


def signed_by_a_stranger(whole: bytes) -> bytes:
    """Sign as a site with another SECRET_KEY. Ours must stay: other threads sign with it meanwhile."""
    key = keys_from(hmac.digest(b"a stranger's", PURPOSE, "sha256"))[0]
    signed = whole[:4] + key.id + whole[8:-32]
    return signed + key.sign(signed)


@fault((*EVERYWHERE, SIMPLE), says="Signed with a key this site does not have")
def messages_of_another_site(field: Field) -> None:
    """Correctly signed by a site with another SECRET_KEY; and one signed by ours with the other key's name."""
    foreign = [signed_by_a_stranger(codec.encode(message(field))) for _ in range(10)]
    ours = codec.encode(message(field))
    relabelled = [ours[:4] + whole[4:8] + ours[8:] for whole in foreign]
    # Signed with a key that anyone can make up, under the name of ours.
    signed = ours[:-32]
    made_up = signed + hmac.digest(b"made up", signed, hashlib.sha256)
    put_and_see_them_die(field, [made_up])
    put_and_see_them_left(field, [*foreign, *relabelled])


@fault((*EVERYWHERE, SIMPLE), short=("postgres",), says="rejected")
def pickle_bombs(field: Field) -> None:
    """Pickles that would create a file: bare, in an unsigned message, and in one signed by a stranger."""
    fired = field.site.file(_TRIGGER)
    bomb = pickle.dumps(Bomb(fired), protocol=5)
    loaded = message(field)._replace(body=bomb)
    whole = codec.encode(loaded)
    foreign = signed_by_a_stranger(whole)
    bombs = [
        bomb,
        pickle.dumps(Bomb(fired), protocol=0),
        f"{trials.record.command_class.name}:".encode() + bomb,
        whole[:-32],
        whole[:-32] + bytes(32),
        codec.encode(loaded._replace(queue="elsewhere")),
    ]
    put_and_see_them_die(field, bombs)
    put_and_see_them_left(field, [foreign, whole[:4] + foreign[4:]])
    field.queue.dead_letters()
    assert not Path(fired).exists()
    pickle.loads(bomb)
    assert Path(fired).exists(), "it would not have fired anyway: this proves nothing"


@fault(("sqlite", "postgres", "redis"), says="rejected")
def message_of_a_hundred_megabytes(field: Field) -> None:
    """Messages beyond the size limit of a call: a worker that receives one survives."""
    whole = codec.encode(message(field))
    put_and_see_them_die(field, [whole + bytes(100 << 20)])
    field.queue.discard()


@fault((*EVERYWHERE, SIMPLE), says="Written in version 2")
def message_of_a_newer_format(field: Field) -> None:
    """A newer format version: an older consumer says what it needs, and keeps the message."""
    whole = codec.encode(message(field))
    put_and_see_them_die(field, [whole[:3] + b"\x02" + whole[4:]])


@fault(EVERYWHERE, says="already been taken back")
def message_deleted_while_it_runs(field: Field) -> None:
    """Remove a running message by hand, in the database or in Redis: it runs to its end without an error."""
    wait_for_workers(field.consumer)
    gate = field.site.file("gate")
    held = commands.hold(field.site.file("held"), gate)
    wait_until(lambda: commands.lines(field.site.file("held")), PATIENCE, why=field.site.logs)
    if isinstance(field.queue, RedisQueue):
        prefix = f"{{djq:{field.queue.name}}}:"
        for key in ("lent", "messages"):
            field.queue.server.call("HDEL", f"{prefix}{key}", held.id)
    else:
        QueueMessage.objects.using(field.site.alias).filter(message_id=held.id).delete()
    commands.write(gate, "open")


@fault(EVERYWHERE, says="Lease lost")
def owners_deleted(field: Field) -> None:
    """Remove every owner by hand: the workers restart, and the messages they held come back."""
    wait_for_workers(field.consumer)
    field.send_more(40, 0.1)
    wait_until(lambda: field.queue.stats().leased, PATIENCE, every=0.005)
    field.history.silenced |= field.consumer.members()
    if isinstance(field.queue, RedisQueue):
        field.queue.server.call("DEL", f"{{djq:{field.queue.name}}}:owners")
    else:
        QueueWorker.objects.using(field.site.alias).filter(queue=field.queue.name).delete()
    wait_until(lambda: "Lease lost" in field.consumer.log(), PATIENCE, why=field.consumer.log)


@fault(EVERYWHERE, says="rejected")
def ten_thousand_dead_letters(field: Field) -> None:
    """Dead letters stay, and do not slow down the queue."""
    for _ in range(10):
        put(field, [b"no message"] * 1000)
    wait_until(lambda: field.queue.stats().dead == 10_000, 2 * PATIENCE, why=field.site.logs)


@fault(EVERYWHERE, says="Stopped")
def flushed_while_it_runs(field: Field) -> None:
    """Flush the queue: waiting messages are gone, running ones end, later ones run."""
    wait_for_workers(field.consumer)
    field.finish_sending()
    field.queue.flush()
    # Messages that were lent already may still run.
    field.history.doubtful |= field.history.sent
    field.history.sent.intersection_update(field.history.executed())
    field.send_more(50, 0.001)
