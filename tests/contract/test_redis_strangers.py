"""RedisQueue when another program has written under its keys: it ignores that, and genuine messages run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery, Envelope, Rejection, Retrial, Stats, Until
from djutils.testing.contract import until
from tests.servers import Server

ODD_IDS = {
    "not UTF-8": b"\xff\xfe\xfa",
    "nothing": b"",
    "a newline": b"line\nforged",
    "a NUL": b"0192e4a7\x00",
    "an escape sequence": b"\x1b[2J",
    "too long": b"a" * 33,
    "far too long": b"a" * 100_000,
    "half a character": "ä".encode()[:1],
}
PLACES: dict[str, Callable[[redis.Redis, str, bytes], object]] = {
    "ready": lambda server, prefix, id: server.rpush(f"{prefix}ready", id),
    "ranked": lambda server, prefix, id: server.zadd(f"{prefix}ranked", {id: -1e15}),
    "ranked as nothing": lambda server, prefix, id: server.zadd(f"{prefix}ranked", {id: 0}),
    "delayed": lambda server, prefix, id: server.zadd(f"{prefix}delayed", {id: 1}),
}
ODD_HISTORIES = {
    "nothing": b"",
    "no msgpack": b"\xc1\xff",
    "cut off": b"\x95\x00",
    "a number": b"\x07",
    "text": b"\xa3abc",
    "an empty list": b"\x90",
    "lists without end": b"\x91" * 50_000,
    "text for numbers": b"\x95\xa1a\xa1a\xa1a\xa1a\xa1a",
    "a fraction": b"\x95\xcb?\xe0\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa0",
    "not a number": b"\x95\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa0",
    "infinity": b"\x95\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa0",
    "a number for the error": b"\x95\x00\x00\x00\x00\x00",
    "an odd count of offers": b"\x96\x00\x00\x00\x00\xa0\xa1x",
}
ODD_OWNERS = [b"\xff", b"", b"stranger", b"-5", b"0", b"1.5", b" 7", b"1_0", b"9" * 40]
each_id = pytest.mark.parametrize("odd", ODD_IDS.values(), ids=ODD_IDS.keys())
each_history = pytest.mark.parametrize("odd", ODD_HISTORIES.values(), ids=ODD_HISTORIES.keys())


@pytest.fixture(params=["redis_server", "valkey_server"])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture
def other(server: Server) -> Iterator[redis.Redis]:
    """The other program."""
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def queue(server: Server) -> Iterator[RedisQueue]:
    queue = RedisQueue(f"strangers-{new_id()}", server.url)
    yield queue
    queue.flush()
    queue.close()


@pytest.fixture
def prefix(queue: RedisQueue) -> str:
    return f"{{djq:{queue.name}}}:"


@pytest.fixture
def owner(queue: RedisQueue) -> int:
    owner = new_owner()
    queue.enroll(owner)
    return owner


def send(queue: RedisQueue, count: int = 1, **options: Any) -> list[str]:
    envelopes = [Envelope(new_id(), b"genuine", **options) for _ in range(count)]
    queue.send(envelopes)
    return [envelope.id for envelope in envelopes]


def lend(queue: RedisQueue, owner: int, count: int = 100) -> list[str]:
    return [delivery.id for delivery in queue.receive(owner, count).deliveries]


@each_id
@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES.keys())
def test_a_message_under_an_odd_id_becomes_a_dead_letter_that_can_be_named(
    queue: RedisQueue,
    other: redis.Redis,
    prefix: str,
    owner: int,
    odd: bytes,
    put: Callable[[redis.Redis, str, bytes], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other.hset(f"{prefix}messages", odd, b"foreign")
    put(other, prefix, odd)
    ids = send(queue, 2) + send(queue, priority=-1)

    with caplog.at_level(logging.ERROR):
        lent = until(lambda: lend(queue, owner), "genuine messages were lent")

    assert lent == ids
    (letter,) = queue.dead_letters()
    assert letter.data == b"foreign"
    assert letter.reason.startswith("InvalidMessage: its id in Redis was b'")
    assert letter.error.isprintable()
    assert letter.id in caplog.text
    assert all(record.getMessage().isprintable() for record in caplog.records)
    assert queue.stats() == Stats(leased=3, dead=1)
    assert queue.dead_ids(letter.id[:20]) == [letter.id]
    assert queue.replay([letter.id]) == 1
    assert queue.receive(owner, 1).deliveries == [Delivery(letter.id, b"foreign")]


@each_id
@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES.keys())
def test_an_id_without_a_message_is_passed_over(
    queue: RedisQueue,
    other: redis.Redis,
    prefix: str,
    owner: int,
    odd: bytes,
    put: Callable[[redis.Redis, str, bytes], object],
) -> None:
    put(other, prefix, odd)
    put(other, prefix, new_id().encode())
    ids = send(queue, 2)

    assert lend(queue, owner, 1) == ids[:1]
    assert queue.read() == b"genuine"
    assert queue.read() is None
    assert queue.stats() == Stats(leased=1)


def test_thousands_of_ids_without_a_message_do_not_hide_those_behind(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int
) -> None:
    ids = send(queue, 3)
    for _ in range(5):
        other.rpush(f"{prefix}ready", *(b"%d" % number for number in range(1000)))

    lent = until(lambda: lend(queue, owner), "genuine messages were lent")

    assert lent == ids


def test_an_id_that_stands_in_the_line_again_is_not_lent_twice(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int
) -> None:
    first, second, third = send(queue, 3)
    other.lpush(f"{prefix}ready", second, third, third, first)
    stranger = new_owner()
    queue.enroll(stranger)

    assert lend(queue, owner, 1) == [first]
    assert lend(queue, stranger) == [second, third]
    other.lpush(f"{prefix}ready", first, second)
    assert lend(queue, stranger) == []
    assert queue.stats() == Stats(leased=3)


@each_id
@pytest.mark.parametrize("died", ["inf", "-inf", "1e300", "-5", "0.5"])
def test_an_odd_id_among_the_dead_letters_can_be_listed_and_discarded(
    queue: RedisQueue, other: redis.Redis, prefix: str, odd: bytes, died: str
) -> None:
    other.hset(f"{prefix}messages", odd, b"foreign")
    other.hset(f"{prefix}about", odd, b"\xff")
    other.zadd(f"{prefix}dead", {odd: died, b"never a message": 1})

    assert queue.dead_ids("zz") == []
    (letter,) = queue.dead_letters()
    assert queue.dead_letters([letter.id]) == [letter]
    assert queue.dead_letters(["\udcff", "odd\n", ""]) == []
    assert queue.dead_ids("\udcff") == []
    assert queue.discard([letter.id, "\udcff"]) == 1
    assert queue.replay(["\udcff"]) == 0
    queue.discard()
    assert queue.stats() == Stats()


def test_dead_letters_of_any_moment_are_listed(queue: RedisQueue, other: redis.Redis, prefix: str) -> None:
    for died in ("inf", "-inf", "1e300", "-5", "12.5"):
        id = new_id()
        other.hset(f"{prefix}messages", id, died)
        other.zadd(f"{prefix}dead", {id: died})

    assert [letter.data for letter in queue.dead_letters()] == [b"inf", b"1e300", b"12.5", b"-5", b"-inf"]


@each_history
def test_a_history_that_cannot_be_read_blocks_no_neighbour(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int, odd: bytes
) -> None:
    spoilt, sound = send(queue, 2)
    later = send(queue, delay=0.01)
    lend(queue, owner, 2)
    queue.retry(owner, [Retrial(sound, 0.0, "it failed")])
    queue.release(owner, [spoilt])
    for id in (spoilt, *later):
        other.hset(f"{prefix}about", id, odd)
    until(lambda: not queue.stats().delayed, "it was due")

    lent = {delivery.id: delivery for delivery in queue.receive(owner, 10).deliveries}

    assert lent.keys() == {spoilt, sound, *later}
    assert lent[sound] == Delivery(sound, b"genuine", 1, 0, 0, "it failed")
    assert lent[spoilt][2:5] == (0, 0, 0)
    assert "could not be read" in lent[spoilt].error


@each_history
def test_a_message_whose_history_is_spoilt_ends_like_any_other(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int, odd: bytes
) -> None:
    (id,) = send(queue)

    def lent_with_spoilt_history() -> None:
        assert lend(queue, owner) == [id]
        other.hset(f"{prefix}about", id, odd)

    for give_back in (
        lambda: queue.release(owner, [id]),
        lambda: queue.retry(owner, [Retrial(id, 0.0, "it failed")]),
        lambda: queue.reap(owner, running={id: "signal 9"}) and queue.enroll(owner),
        lambda: queue.reap(owner) and queue.enroll(owner),
        lambda: queue.reject(owner, [Rejection(id, "no")]) and queue.replay(),
    ):
        lent_with_spoilt_history()
        give_back()  # type: ignore[no-untyped-call]
    lent_with_spoilt_history()
    queue.reject(owner, [Rejection(id, "no")])
    other.hset(f"{prefix}about", id, odd)
    assert [letter.id for letter in queue.dead_letters()] == [id]
    assert queue.discard() == 1


def test_an_error_that_is_no_text_is_shown_escaped(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int
) -> None:
    (id,) = send(queue)
    other.hset(f"{prefix}about", id, b"\x95\x00\x01\x00\x00\xa2\xff\xfe")

    assert queue.receive(owner, 1).deliveries[0].error == "\\xff\\xfe"


def test_owners_that_are_none_are_not_told_of(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int
) -> None:
    other.hset(f"{prefix}owners", mapping=dict.fromkeys(ODD_OWNERS, b"3"))

    assert queue.owners() == {owner: 0}
    assert queue.beat([owner]) == {owner}
    queue.sweep()
    assert other.hkeys(f"{prefix}owners") == [b"%d" % owner]


@pytest.mark.parametrize("odd", [b"", b"\xff", b"many", b"1.5", b"-1", b"9" * 30])
def test_a_counter_that_is_none_stands_still_until_its_owner_beats(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int, odd: bytes
) -> None:
    dead, ids = new_owner(), send(queue)
    queue.enroll(dead)
    lend(queue, dead)
    other.hset(f"{prefix}owners", mapping={str(owner): odd, str(dead): odd})
    seen = queue.owners()

    assert queue.beat([owner]) == {owner}
    assert queue.owners()[owner] != seen[owner]
    assert queue.reap(dead, seen[dead]) == 1
    assert queue.owners().keys() == {owner}
    assert lend(queue, owner) == ids


def test_a_message_lent_to_no_owner_comes_back(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int
) -> None:
    ids = send(queue, 3)
    lend(queue, owner)
    other.hset(f"{prefix}lent", mapping={ids[0]: b"\xff", ids[2]: b"12345"})
    other.hset(f"{prefix}owners", b"\xff", 1)

    assert queue.sweep() == 2

    lent = queue.receive(owner, 10).deliveries
    assert [(delivery.id, delivery.redeliveries) for delivery in lent] == [(ids[0], 1), (ids[2], 1)]
    assert queue.stats() == Stats(leased=3)
    assert queue.sweep() == 0


@pytest.mark.parametrize("waiting", [0, 5000])
def test_a_message_that_no_list_names_comes_back(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int, waiting: int
) -> None:
    others = send(queue, waiting)
    lost = send(queue, 30)
    for id in lost:
        other.lrem(f"{prefix}ready", 1, id)
    ranked = send(queue, priority=1)
    send(queue, delay=60.0)

    assert queue.sweep(60.0) == 30

    assert queue.sweep() == 0
    assert queue.stats() == Stats(ready=31 + waiting, delayed=1)
    assert lend(queue, owner, 1) == ranked
    assert {*lend(queue, owner, 30)} == {*lost}
    assert lend(queue, owner, 3) == others[:3]


def test_a_dead_letter_that_lost_its_message_is_forgotten(
    queue: RedisQueue, other: redis.Redis, prefix: str
) -> None:
    other.zadd(f"{prefix}dead", {new_id(): 1, b"\xff": 2})
    other.hset(f"{prefix}about", new_id(), b"\x95\x00\x00\x00\x00\xa0")

    queue.sweep()
    assert not other.exists(f"{prefix}dead", f"{prefix}about")

    assert queue.stats() == Stats()


def test_keys_whose_message_is_gone_or_whose_period_is_over_are_deleted(
    queue: RedisQueue, other: redis.Redis, prefix: str, owner: int
) -> None:
    durations: dict[str, Until] = {"ends": "done", "period": 60.0, "over": 0.001}
    for key, duration in durations.items():
        queue.send_unique(Envelope(new_id(), b"data"), key, duration)
    queue.ack(owner, lend(queue, owner))
    queue.send_unique(Envelope(new_id(), b"data"), "waits", "done")
    other.hset(f"{prefix}unique", b"\xff", b"\xff \n")

    until(lambda: queue.sweep(60.0) or other.hlen(f"{prefix}unique") == 2, "the others were deleted")
    assert queue.send_unique(Envelope(new_id(), b"data"), "waits", "done").how == "held"
