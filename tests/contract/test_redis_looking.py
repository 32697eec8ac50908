"""Looking into a RedisQueue: in small steps, ignoring what another program has left in its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection
from tests.servers import Server

MOST_WORDS = 600
"""Most arguments of a call, and most elements of a reply: a page of five hundred, and some."""


@pytest.fixture
def queue(redis_server: Server) -> Iterator[RedisQueue]:
    queue = RedisQueue(f"looking-{new_id()}", redis_server.url)
    yield queue
    queue.flush()
    queue.close()


def key(queue: RedisQueue, name: str) -> str:
    return f"{{djq:{queue.name}}}:{name}"


def scripts_run(queue: RedisQueue, act: Callable[[], object]) -> list[str]:
    """Return the commands that the server gets during a call, including those of scripts."""
    act()  # and the server knows them all

    with redis.Redis.from_url(queue.connection) as admin, admin.monitor() as monitor:
        act()
        queue.server.call("ECHO", "the end")
        heard = []
        while (command := monitor.next_command()["command"]) != "ECHO the end":
            heard.append(command)
    return heard


def test_no_step_goes_through_everything(queue: RedisQueue) -> None:
    owner = new_owner()
    queue.enroll(owner)
    for options in ({}, {"priority": 5}, {"delay": 60.0}):
        ids = [new_id() for _ in range(3000)]
        for at in range(0, 3000, 1000):
            queue.send([Envelope(id, b"data", **options) for id in ids[at : at + 1000]])
    lent = [one.id for _ in range(2) for one in queue.receive(owner, 1000).deliveries]
    queue.reject(owner, [Rejection(id, "no") for id in lent[:1000]])

    place = queue.peek("ready", count=2500)[-1].place
    acts: list[Callable[[], object]] = [
        lambda: queue.peek("ready", count=20),
        lambda: queue.peek("ready", newest=True, count=20),
        lambda: queue.peek("ready", after=place, count=20),
        lambda: queue.peek("delayed", count=2000),
        lambda: queue.peek("dead", newest=True, count=20),
        lambda: queue.peek("leased", count=20),
        lambda: queue.find(ids[7][:20]),
        lambda: queue.find(ids[7]),
        queue.oldest,
    ]
    for act in acts:
        heard = scripts_run(queue, act)
        assert max(len(command.split()) for command in heard) < MOST_WORDS
        whole = ("HGETALL", "HKEYS", "HVALS", "KEYS", "SORT")
        assert not [command for command in heard if command.upper().startswith(whole)]
        assert not [command for command in heard if command.upper().endswith(" 0 -1")]


def test_payloads_are_loaded_a_few_megabytes_at_a_time(queue: RedisQueue) -> None:
    queue.send([Envelope(new_id(), b"x" * 1024 * 1024) for _ in range(10)])

    heard = scripts_run(queue, lambda: queue.peek("ready", data=True))

    assert len([command for command in heard if command.startswith("EVALSHA")]) >= 4
    assert [len(one.data or b"") for one in queue.peek("ready", data=True)] == [1024 * 1024] * 10
    assert not [
        command
        for command in scripts_run(queue, lambda: queue.peek("ready"))
        if "HGET " in command and "messages" in command
    ]


def test_copies_in_the_line_and_ids_without_a_message_are_passed_over(
    queue: RedisQueue, redis_server: Server
) -> None:
    owner = new_owner()
    queue.enroll(owner)
    ids = [new_id() for _ in range(5)]
    queue.send([Envelope(id, b"data") for id in ids])
    (lent,) = queue.receive(owner, 1).deliveries
    with redis.Redis.from_url(redis_server.url) as admin:
        admin.rpush(key(queue, "ready"), lent.id, ids[2], new_id(), b"\xff\xfe", "x" * 50)
        admin.hset(key(queue, "messages"), "x" * 50, b"a stranger")
        admin.hset(key(queue, "about"), ids[3], b"no history")

    seen = queue.peek("ready", count=10)

    assert sorted(one.id for one in seen) == ids[1:]
    assert [one.id for one in queue.peek("leased")] == [lent.id]
    assert "could not be read" in queue.find(ids[3])[0].error
    oldest = queue.oldest()
    assert oldest is not None
    assert oldest.id == ids[1]
    assert queue.find("xx") == []
