"""RedisQueue and its server: what the contract cannot know."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.redis_backend import RedisBlockingQueue, RedisQueue
from djutils.queue.exceptions import BackendError, BackendUnavailable, ConfigurationError
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery, Envelope, Rejection, Retrial, Stats
from djutils.testing.contract import until
from tests import servers

Starter = Callable[..., servers.Server]


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, own_server: Starter) -> servers.Server:
    return own_server(getattr(servers, request.param))


@pytest.fixture
def admin(server: servers.Server) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def queue(server: servers.Server) -> Iterator[RedisQueue]:
    queue = RedisQueue("queue", server.url)
    yield queue
    queue.close()


@pytest.fixture
def owner(queue: RedisQueue) -> int:
    owner = new_owner()
    queue.enroll(owner)
    return owner


def lent(queue: RedisQueue, owner: int, **options: Any) -> list[bytes]:
    return [delivery.data for delivery in queue.receive(owner, 100, **options).deliveries]


def test_a_server_that_may_evict_is_refused(queue: RedisQueue, admin: redis.Redis) -> None:
    queue.open()
    admin.config_set("maxmemory-policy", "allkeys-lru")
    queue.open()
    admin.config_set("maxmemory", "100mb")

    with pytest.raises(ConfigurationError, match="noeviction"):
        queue.open()

    admin.config_set("maxmemory-policy", "noeviction")
    queue.open()


def test_a_full_server_refuses_messages_but_can_be_drained(queue: RedisQueue, admin: redis.Redis) -> None:
    ids = [new_id() for _ in range(6)]
    priorities = [0, 0, 0, 0, 5, -5]
    queue.send([Envelope(id, b"data", priority=rank) for id, rank in zip(ids, priorities, strict=True)])
    queue.send([Envelope(new_id(), b"data", delay=0.01)])
    admin.config_set("maxmemory", "1mb")
    fresh, successor = new_owner(), new_owner()

    with pytest.raises(BackendError, match="memory"):
        queue.write(b"one too many")
    queue.open()
    queue.enroll(fresh)
    assert queue.beat([fresh]) == {fresh}
    until(lambda: lent(queue, fresh) is not None and queue.stats().leased == 7, "all were lent")
    queue.release(fresh, ids[:1])
    queue.retry(fresh, [Retrial(ids[1], 0.0, "again")])
    queue.reject(fresh, [Rejection(ids[2], "no")])
    queue.reap(fresh)
    queue.enroll(successor)
    assert len(lent(queue, successor)) == 6
    queue.ack(successor, [delivery.id for delivery in queue.adopt(successor, [])])
    assert queue.stats() == Stats(dead=1)
    assert queue.discard() == 1


def test_scripts_that_the_server_forgot_are_sent_again(
    queue: RedisQueue, admin: redis.Redis, owner: int
) -> None:
    for number in range(3):
        admin.script_flush()
        queue.write(str(number).encode())

    admin.script_flush()
    assert lent(queue, owner) == [b"0", b"1", b"2"]


def test_a_server_that_is_down_is_unavailable_until_it_is_back(
    server: servers.Server, queue: RedisQueue
) -> None:
    queue.write(b"lost with the server, which keeps nothing")
    server.kill()

    for act in (len, RedisQueue.read, RedisQueue.owners, RedisQueue.open, RedisQueue.discard):
        with pytest.raises(BackendUnavailable, match="QUEUE_CONNECTION") as error:
            act(queue)
        assert isinstance(error.value.__cause__, redis.RedisError)

    server.start()
    queue.write(b"data")
    assert queue.read() == b"data"


def test_a_waiting_client_hears_that_the_server_went_down(
    server: servers.Server, queue: RedisQueue, admin: redis.Redis, owner: int
) -> None:
    heard: list[Exception] = []

    def wait() -> None:
        try:
            queue.receive(owner, 1, wait=60.0)
        except BackendUnavailable as error:
            heard.append(error)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    until(lambda: admin.info("clients")["blocked_clients"], "it waits")
    server.kill()

    assert until(lambda: heard, "it heard")
    waiting.join()


def test_a_replica_is_no_place_to_write_at_the_moment(queue: RedisQueue, admin: redis.Redis) -> None:
    queue.write(b"data")
    admin.replicaof("127.0.0.1", servers.free_port())

    with pytest.raises(BackendUnavailable):
        queue.write(b"data")
    with pytest.raises(BackendUnavailable):
        queue.read()


def test_a_wrong_password_is_said_without_the_password(server: servers.Server, admin: redis.Redis) -> None:
    admin.acl_setuser("app", enabled=True, passwords=["+right/one"], keys="*", commands=["+@all"])
    host = server.url.partition("://")[2]
    queue = RedisQueue("queue", f"redis://app:wrong%2Fone@{host}")

    with pytest.raises(BackendError, match="password") as refused:
        queue.write(b"data")
    assert not isinstance(refused.value, BackendUnavailable)
    assert "wrong" not in str(refused.value)

    RedisQueue("queue", f"redis://app:right%2Fone@{host}").write(b"data")
    assert len(RedisQueue("queue", server.url)) == 1


def test_no_reply_is_much_larger_than_four_megabytes(queue: RedisQueue, owner: int) -> None:
    for size in (3, 3, 1, 1, 1, 5, 1):
        queue.send([Envelope(new_id(), b"x" * (size * 1024 * 1024), priority=int(size == 5))])

    batches = []
    while batch := lent(queue, owner):
        batches.append([len(data) // (1024 * 1024) for data in batch])
    assert batches == [[5], [3], [3, 1], [1, 1, 1]]


@pytest.mark.parametrize("key", ["messages", "ready", "ranked", "delayed", "about", "dead", "owners", "lent"])
def test_a_key_of_another_kind_is_an_error_that_says_what_to_do_and_loses_nothing(
    queue: RedisQueue, admin: redis.Redis, owner: int, key: str
) -> None:
    sent = [Envelope(new_id(), b"data", priority=priority) for priority in (0, 0, 1)]
    queue.send(sent)
    key = f"{{djq:queue}}:{key}"
    kept = admin.dump(key)
    admin.set(key, "another program's")
    acts = [
        lambda: queue.send([Envelope(new_id(), b"data"), Envelope(new_id(), b"data", priority=1)]),
        lambda: queue.receive(owner, 10),
        lambda: queue.reap(owner),
        queue.owners,
        queue.dead_letters,
        queue.stats,
        queue.sweep,
    ]

    refusals = [error for error in map(error_of, acts) if error]

    assert refusals
    assert all("WRONGTYPE" in text and "Delete that key" in text for text in refusals)
    admin.delete(key)
    if kept:
        admin.restore(key, 0, kept)
    queue.reap(owner)
    queue.sweep()
    queue.enroll(owner)
    assert {delivery.id for delivery in queue.receive(owner, 10).deliveries} >= {
        envelope.id for envelope in sent
    }


def error_of(act: Callable[[], object]) -> str:
    try:
        act()
    except BackendUnavailable:
        raise
    except BackendError as error:
        return str(error)
    return ""


def test_nothing_is_left_behind(queue: RedisQueue, admin: redis.Redis, owner: int) -> None:
    queue.send([Envelope(new_id(), b"data", priority=priority) for priority in (0, 0, 1, -1)])
    first, *rest = queue.receive(owner, 10).deliveries
    queue.retry(owner, [Retrial(first.id, 0.0)])
    done = {delivery.id for delivery in rest}
    while batch := queue.receive(owner, 10, done).deliveries:
        done = {delivery.id for delivery in batch}
    queue.receive(owner, 0, done)
    queue.reap(owner)

    assert set(admin.keys("*")) <= {b"{djq:queue}:count"}


def test_a_child_shares_no_connection_with_its_parent(
    queue: RedisQueue, admin: redis.Redis, owner: int
) -> None:
    queue.write(b"from the parent")
    connected = {client["id"] for client in admin.client_list()}

    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            queue.write(b"from the child")
            queue.receive(owner, 0, wait=0.01)
            alien = {client["id"] for client in admin.client_list()} - connected
            queue.close()
            os._exit(0 if len(alien) >= 2 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    queue.write(b"from the parent again")
    assert connected <= {client["id"] for client in admin.client_list()}
    assert lent(queue, owner) == [b"from the parent", b"from the child", b"from the parent again"]


def test_one_that_waits_does_not_keep_others_from_sending(queue: RedisQueue, owner: int) -> None:
    heard: list[list[bytes]] = []
    waiting = threading.Thread(target=lambda: heard.append(lent(queue, owner, wait=60.0)), daemon=True)
    waiting.start()

    queue.write(b"data")

    assert until(lambda: heard, "it heard") == [[b"data"]]
    waiting.join()


def test_a_message_wakes_one_and_many_wake_many(
    server: servers.Server, queue: RedisQueue, admin: redis.Redis
) -> None:
    heard: list[list[Delivery]] = []
    patient = f"{server.url}?socket_timeout=120"  # otherwise it polls by itself, too soon to see a difference

    def wait() -> None:
        own, owner = RedisQueue("queue", patient), new_owner()
        own.enroll(owner)
        heard.append(own.receive(owner, 1, wait=60.0).deliveries)
        own.close()

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: admin.info("clients")["blocked_clients"] == 4, "all wait")

    queue.write(b"data")
    until(lambda: heard, "one heard")
    assert admin.info("clients")["blocked_clients"] == 3

    queue.send([Envelope(new_id(), b"data") for _ in range(3)])
    until(lambda: len(heard) == 4, "all heard")
    for thread in threads:
        thread.join()
    assert [len(deliveries) for deliveries in heard] == [1] * 4


def test_a_sooner_message_shortens_the_wait_for_a_later_one(
    queue: RedisQueue, admin: redis.Redis, owner: int
) -> None:
    queue.send([Envelope(new_id(), b"later", delay=60.0)])
    heard: list[list[bytes]] = []
    waiting = threading.Thread(target=lambda: heard.append(lent(queue, owner, wait=50.0)), daemon=True)
    waiting.start()
    until(lambda: admin.info("clients")["blocked_clients"], "it waits")
    begun = time.monotonic()

    queue.send([Envelope(new_id(), b"sooner", delay=0.2)])

    assert until(lambda: heard, "it heard") == [[b"sooner"]]
    assert 0.195 <= time.monotonic() - begun < 3
    waiting.join()


def test_the_blocking_queue_reads_when_there_is_something(server: servers.Server, admin: redis.Redis) -> None:
    queue, heard = RedisBlockingQueue("queue", server.url), list[bytes | None]()
    waiting = threading.Thread(target=lambda: heard.append(queue.read()), daemon=True)
    waiting.start()
    until(lambda: admin.info("clients")["blocked_clients"], "it waits")

    queue.write(b"data")

    assert until(lambda: heard, "it heard") == [b"data"]
    waiting.join()


@pytest.mark.parametrize("kind", [servers.redis, servers.valkey])
def test_what_was_answered_survives_the_death_of_a_server(own_server: Starter, kind: Any) -> None:
    server = own_server(kind, appendonly=True)
    queue, owner = RedisQueue("queue", server.url), new_owner()
    sent: set[str] = set()
    acked: set[str] = set()
    queue.enroll(owner)

    for priority in range(3):
        ids = [new_id() for _ in range(50)]
        for id in ids:
            queue.send([Envelope(id, b"data", priority=priority)])
            sent.add(id)
        held = {delivery.id for delivery in queue.receive(owner, 40).deliveries}
        acked |= queue.ack(owner, set(sorted(held)[:20]))
        server.kill()
        with pytest.raises(BackendUnavailable):
            queue.send([Envelope(new_id(), b"data")])
        server.start()
        assert {delivery.id for delivery in queue.adopt(owner, acked)} >= held - acked

    queue.reap(owner)
    queue.enroll(owner)
    left = {delivery.id for delivery in queue.receive(owner, 1000).deliveries}
    assert left == sent - acked
    queue.close()
