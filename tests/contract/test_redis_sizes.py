"""RedisQueue and large data: no script carries much more than four megabytes, and none reads everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Envelope, Rejection, Stats
from djutils.testing.contract import until
from tests import servers

MEGABYTE = 1024 * 1024
Starter = Callable[..., servers.Server]


@pytest.fixture
def server(own_server: Starter) -> servers.Server:
    return own_server(servers.valkey)


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


def scripts_run(queue: RedisQueue, act: Callable[[], object]) -> int:
    """How many scripts the server runs for a call."""
    act()  # and the server knows them all
    queue.server.call("CONFIG", "RESETSTAT")
    act()
    lines = queue.server.call("INFO", "commandstats").decode().splitlines()
    (evalsha,) = (line for line in lines if line.startswith("cmdstat_evalsha:"))
    return int(evalsha.partition("calls=")[2].partition(",")[0])


def large(count: int, **options: int) -> list[Envelope]:
    return [Envelope(new_id(), b"x" * MEGABYTE, **options) for _ in range(count)]


@pytest.mark.parametrize("priority", [0, 1])
def test_what_is_sent_at_once_is_bounded_by_its_bytes(queue: RedisQueue, priority: int) -> None:
    assert 5 <= scripts_run(queue, lambda: queue.send(large(20, priority=priority))) <= 8
    assert queue.stats() == Stats(ready=40)


@pytest.mark.parametrize("priority", [0, 1])
def test_what_is_sent_at_once_is_bounded_by_its_number(queue: RedisQueue, priority: int) -> None:
    def send() -> None:
        queue.send([Envelope(new_id(), b"x", priority=priority) for _ in range(3500)])

    assert scripts_run(queue, send) == 4
    assert len(queue) == 7000


def test_one_message_may_be_larger_than_any_bound(queue: RedisQueue, owner: int) -> None:
    (envelope,) = [Envelope(new_id(), b"x" * 9 * MEGABYTE)]
    queue.send([*large(1), envelope, *large(1)])

    sizes = []
    while batch := queue.receive(owner, 10).deliveries:
        sizes.append([len(delivery.data) // MEGABYTE for delivery in batch])
    assert sizes == [[1], [9], [1]]


def test_adopting_and_listing_are_bounded_by_bytes(queue: RedisQueue, owner: int) -> None:
    queue.send(large(10))
    until(lambda: not queue.receive(owner, 10).deliveries, "all were lent")

    assert scripts_run(queue, lambda: queue.adopt(owner, ())) >= 3
    ids = [delivery.id for delivery in queue.adopt(owner, ())]
    assert len(ids) == 10
    queue.reject(owner, [Rejection(id, "no") for id in ids])
    assert scripts_run(queue, queue.dead_letters) >= 3
    assert [letter.id for letter in queue.dead_letters()] == ids[::-1]


def test_no_command_goes_through_thousands_of_dead_letters_at_once(
    server: servers.Server, queue: RedisQueue, owner: int
) -> None:
    queue.send([Envelope(new_id(), b"data") for _ in range(5000)])
    while ids := [delivery.id for delivery in queue.receive(owner, 1000).deliveries]:
        queue.reject(owner, [Rejection(id, "no") for id in ids])
    last = ids_of_dead(server)[-1]
    with redis.Redis.from_url(server.url) as admin, admin.monitor() as monitor:
        acts: list[Callable[[], object]] = [
            lambda: queue.dead_ids(last[:20]),
            lambda: queue.dead_ids(""),
            lambda: queue.dead_letters([last]),
            lambda: queue.dead_letters(count=2000),
            queue.replay,
        ]
        for act in acts:
            act()
        queue.server.call("ECHO", "the end")
        heard = list(until_the_end(monitor))

    assert queue.stats() == Stats(ready=5000)
    # The text of a script is sent once.
    longest = max(len(command) for command in heard if not command.upper().startswith("EVAL "))
    assert longest < 1000 * 34, "no call names a thousand ids"
    assert not [command for command in heard if command.upper().startswith(("HGETALL", "HKEYS", "KEYS"))]


def ids_of_dead(server: servers.Server) -> list[str]:
    with redis.Redis.from_url(server.url, decode_responses=True) as admin:
        return [str(id) for id in admin.zrange("{djq:queue}:dead", 0, -1)]


def until_the_end(monitor: redis.client.Monitor) -> Iterator[str]:
    while (command := monitor.next_command()["command"]) != "ECHO the end":
        yield command


def test_a_reader_hands_the_marker_on_while_something_waits(queue: RedisQueue) -> None:
    queue.send([Envelope(new_id(), b"data") for _ in range(2)])
    marker = "{djq:queue}:wake"
    assert queue.server.call("ZPOPMIN", marker)  # one sleeper wakes

    assert queue.read() == b"data"
    assert queue.server.call("ZPOPMIN", marker), "the next one does, too"
    assert queue.read() == b"data"
    assert not queue.server.call("ZPOPMIN", marker)
