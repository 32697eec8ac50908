"""What RedisQueue understands as a connection, found out without a server."""

from __future__ import annotations

from inspect import signature

import pytest
import redis
from redis.connection import SSLConnection

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
    "cache:0:0",
    "cache:65536:0",
    "cache:6379:-1",
    "redis://cache:6379/-1",
    "redis://cache?db=-1",
    "redis://cache?db=1.5",
    "redis://cache?socket_timeout=0",
    "redis://cache?socket_timeout=-1",
    "redis://cache?socket_timeout=nan",
    "redis://cache?socket_timeout=inf",
    "redis://cache?socket_timeout=soon",
    "redis://cache?socket_keepalive=perhaps",
    "redis://cache?health_check_interval=often",
    "redis://cache?client_name=two%20words",
    "redis://cache?client_name=line%0Aforged",
    "redis://cache?ssl_cert_reqs=none",
    "rediss://cache?ssl_cert_reqs=perhaps",
    "unix:///run/redis.sock?host=cache",
    "redis://cache?host=secret",
    "redis://cache?port=1",
    "redis://cache?path=/secret",
    "redis://cache?retry=5",
    "redis://cache?connection_class=secret",
    "redis://cache?credential_provider=secret",
    "redis://cache?redis_connect_func=secret",
    "redis://cache?parser_class=secret",
    "redis://cache?socket_type=1",
    "redis://cache?secret",
    "redis://cache?secret=word",
    "redis://:secret?word=1@cache:6379/0",
]
# Other clients of the same URL may want these; to us they make no difference.
WITHOUT_EFFECT = [
    "protocol=3",
    "protocol=2",
    "protocol=banana",
    "decode_responses=True",
    "max_connections=10",
    "timeout=20",
    "retry_on_timeout=yes",
    "retry_on_error=a",
    "encoding=latin-1",
    "legacy_responses=no",
    "socket_read_size=1",
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


@pytest.mark.parametrize("option", WITHOUT_EFFECT)
def test_how_the_server_is_spoken_to_is_not_open_to_choice(option: str) -> None:
    plain, other = (
        RedisQueue("queue", f"redis://cache{query}").server.options for query in ("", f"?{option}")
    )

    assert {**other, "retry": None} == {**plain, "retry": None}
    assert (other["protocol"], other["decode_responses"]) == (2, False)


def test_every_option_that_is_understood_makes_a_connection() -> None:
    options = (
        "db=3&username=u&password=p&client_name=shop&socket_timeout=2.5&socket_connect_timeout=1&socket_keepalive=no"
        "&health_check_interval=0&ssl_ca_certs=/ca&ssl_ca_path=/ca&ssl_certfile=/c&ssl_keyfile=/k&ssl_password=s"
        "&ssl_cert_reqs=none&ssl_check_hostname=no"
    )
    if "ssl_ciphers" in signature(SSLConnection).parameters:  # since redis-py 5.1
        options += "&ssl_ciphers=ALL"

    made = RedisQueue("queue", f"rediss://cache?{options}").server.options

    assert (
        made.items() >= {"db": 3, "username": "u", "socket_keepalive": False, "ssl_cert_reqs": "none"}.items()
    )


def test_of_an_option_given_twice_the_first_counts() -> None:
    assert RedisQueue("queue", "redis://cache?db=3&db=4").server.address == "cache:6379/3"


def test_user_and_password_are_decoded() -> None:
    options = RedisQueue("queue", "redis://us%40er:p%2Fw%23d@cache:6380/3").server.options

    assert (options["username"], options["password"], options["db"]) == ("us@er", "p/w#d", 3)


def test_a_password_is_not_shown() -> None:
    queue = RedisQueue("queue", "redis://user:secret@cache:6380/3")

    shown = repr(queue) + repr(queue.server) + repr(queue.server.options) + queue.server.address
    assert "secret" not in shown


@pytest.mark.parametrize("connection", ["", "redis://cache?retry_on_timeout=yes", "unix:///run/redis.sock"])
def test_the_driver_never_repeats_a_call_by_itself(connection: str) -> None:
    options = RedisQueue("queue", connection).server.options

    calls = []

    def fail() -> None:
        calls.append("once")
        raise redis.ConnectionError

    with pytest.raises(redis.ConnectionError):
        options["retry"].call_with_retry(fail, lambda error: None)

    assert calls == ["once"]
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
