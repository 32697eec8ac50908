"""What RedisQueue understands as a connection, found out without a server."""

from __future__ import annotations

import pytest

from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.exceptions import ConfigurationError

UNDERSTOOD = {
    "": "localhost:6379/0",
    "localhost:6379:0": "localhost:6379/0",
    "10.0.0.7:6380:3": "10.0.0.7:6380/3",
    ":6380:3": "localhost:6380/3",
    "redis://cache": "cache:6379/0",
    "redis://cache/": "cache:6379/0",
    "redis://cache:6380/3": "cache:6380/3",
    "redis://cache:6380?db=3": "cache:6380/3",
    "redis://user:pass@cache:6380/3": "cache:6380/3",
    "redis://[::1]:6380/3": "::1:6380/3",
    "rediss://user:p%40ss%2Fw%23rd@cache:6380/3?ssl_cert_reqs=none": "cache:6380/3",
    "unix:///run/redis.sock": "/run/redis.sock",
    "unix://user:pass@/run/redis.sock?db=3": "/run/redis.sock",
}
MALFORMED = [
    "cache",
    "cache:6379",
    "cache:port:0",
    "cache:6379:0:1",
    "cache:6379:",
    "http://cache:6379/0",
    "redis://cache:port/0",
    "redis://cache:99999/0",
    "redis://cache:6379/zero",
    "redis://cache:6379/0/1",
    "redis://cache:6379?db=zero",
    "redis://cache:6379/0?no_such_option=1",
    "redis://cache:6379/0#fragment",
    "redis://:secret/word@cache:6379/0",
    "redis://:secret#word@cache:6379/0",
    "redis://[cache:6379/0",
    "unix://",
    "unix:///",
]


@pytest.mark.parametrize(("connection", "address"), UNDERSTOOD.items())
def test_a_connection_names_its_server(connection: str, address: str) -> None:
    assert RedisQueue("queue", connection).server.address == address


@pytest.mark.parametrize("connection", MALFORMED)
def test_a_malformed_connection_is_refused_with_what_is_understood(connection: str) -> None:
    with pytest.raises(ConfigurationError, match="host:port:db, or redis://user:password@") as refused:
        RedisQueue("queue", connection)

    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_user_and_password_are_decoded() -> None:
    options = RedisQueue("queue", "redis://us%40er:p%2Fw%23d@cache:6380/3").server.options

    assert (options["username"], options["password"], options["db"]) == ("us@er", "p/w#d", 3)


def test_a_password_is_not_shown() -> None:
    queue = RedisQueue("queue", "redis://user:secret@cache:6380/3")

    assert "secret" not in repr(queue) + queue.server.address


@pytest.mark.parametrize("connection", ["", "redis://cache?retry_on_timeout=yes", "unix:///run/redis.sock"])
def test_the_driver_never_repeats_a_call_by_itself(connection: str) -> None:
    options = RedisQueue("queue", connection).server.options

    assert options["retry"].get_retries() == 0
    assert options["retry_on_timeout"] is False


def test_a_url_may_set_the_timeouts() -> None:
    queue = RedisQueue("queue", "redis://cache?socket_timeout=2&socket_connect_timeout=1")

    assert (queue.server.options["socket_timeout"], queue.server.options["socket_connect_timeout"]) == (
        2.0,
        1.0,
    )


def test_every_key_of_a_queue_is_in_one_slot() -> None:
    keys = RedisQueue("a{b}%c").keys

    assert all(key.startswith("{djq:a%7Bb%7D%25c}:") for key in keys)
    assert len(set(keys)) == len(keys)
