"""The client of a Redis or Valkey server. The only file that uses redis-py."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from djutils.queue.backends.redis_errors import commands_in, explained, is_denial, is_outage
from djutils.queue.backends.redis_rights import PRODUCER, TRIALS, withheld
from djutils.queue.backends.redis_scripts import Script, script_named
from djutils.queue.backends.redis_url import ConnectionOptions, not_understood, options_of
from djutils.queue.exceptions import BackendError, BackendUnavailable

_CONNECTIONS = {"redis": Connection, "rediss": SSLConnection, "unix": UnixDomainSocketConnection}
_DEFAULTS = {
    "client_name": "djutils",
    "socket_timeout": 10.0,
    "socket_connect_timeout": 3.0,
    "health_check_interval": 15,
}
_FIXED = {
    "protocol": 2,
    "decode_responses": False,
    # redis-py's own retries would repeat a call that may have taken effect.
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
}
# redis-py reads its own version from a file for each connection, to tell the server.
_UNTOLD = {"driver_info": None} if hasattr(redis, "DriverInfo") else {"lib_name": None, "lib_version": None}
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_STALE_AFTER = 1.0

_OUTAGES = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.AskError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.ExecAbortError,
    redis.exceptions.MasterDownError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.TryAgainError,
)


class _Denied(BackendError):
    """The user that we are logged in as lacks a permission."""


@lru_cache(maxsize=1024)
def _head(sha: str, keys: tuple[str, ...], count: int) -> bytes:
    """Return the start of a call of a script with ``count`` arguments: everything but the arguments."""
    words = ("EVALSHA", sha, len(keys), *keys)
    return b"*%d\r\n" % (len(words) + count) + _bulks(words)


def _packed(words: Sequence[Any]) -> bytes:
    """Return a command encoded in RESP, the protocol of Redis."""
    return b"*%d\r\n" % len(words) + _bulks(words)


def _bulks(words: Sequence[Any]) -> bytes:
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in raw])


def _bulks_of_ids(ids: Sequence[str]) -> bytes:
    """Return ``_bulks(ids)``; ours are equally long, and one by one they would take seven times as long."""
    text = "\r\n$32\r\n".join(ids)
    if not text.isascii() or set(map(len, ids)) != {32}:
        return _bulks(ids)
    return b"$32\r\n%b\r\n" % text.encode()


class RedisClient:
    """Sends commands and scripts to the server that ``QUEUE_CONNECTION`` names.

    It connects on its first call and may be used by many threads. After a fork the child opens
    its own connections. Every error of the driver is raised as a ``BackendError``, and a
    connection on which an error occurred is not used again.
    """

    def __init__(self, connection: str) -> None:
        self.options, self._connection_class = _made_complete(options_of(connection))
        # A blocking call must be answered well before the socket times out.
        self._longest_pause = self.options["socket_timeout"] / 2
        # The driver's own pool and retries take as long as the round trip itself.
        self._idle: deque[tuple[Connection, float]] = deque()
        self._process = os.getpid()

    @property
    def address(self) -> str:
        """Where the server is; never the user or the password."""
        return self.options.get("path") or "{host}:{port}/{db}".format_map(self.options)

    @property
    def user(self) -> str:
        """The user that we are logged in as."""
        return str(self.options.get("username", "default"))

    def call(self, *words: Any) -> Any:
        """Return the server's reply to a command, such as ``call("HLEN", key)``."""
        return self._read(self._send(_packed(words)))

    def run(self, script: str, keys: tuple[str, ...], args: Sequence[Any]) -> Any:
        """Return what ``lua/<script>.lua`` returns for ``keys`` and ``args``."""
        return self._answer(self._send(self._request(script, keys, args)), script, keys, args)

    def start(
        self, script: str, keys: tuple[str, ...], args: Sequence[Any], ids: Sequence[str]
    ) -> Callable[[], Any]:
        """Start ``lua/<script>.lua`` for ``args`` and then ``ids``, and return a function that waits for its result."""
        head = _head(self.script(script).sha, keys, len(args) + len(ids))
        connection = self._send(head + _bulks(args) + _bulks_of_ids(ids))
        return partial(self._answer, connection, script, keys, (*args, *ids))

    def wait(self, markers: Sequence[str], seconds: float) -> None:
        """Sleep until there is something in one of the sorted sets ``markers``, for at most ``seconds``."""
        self._read(self._send(self._sleep(markers, seconds)))

    def run_woken(
        self, markers: Sequence[str], seconds: float, script: str, keys: tuple[str, ...], args: Sequence[Any]
    ) -> tuple[str | None, Any]:
        """Do ``wait``, then ``run``: both are sent at once, so the reply is there when the wait ends.

        Return the marker that ended the wait, if one did, and the reply.
        """
        connection = self._send(self._sleep(markers, seconds) + self._request(script, keys, args))
        popped = self._hear(connection)
        return popped and popped[0].decode(), self._answer(connection, script, keys, args)

    def subscribe(self, channel: str) -> RedisSubscription:
        """Return what hears of messages on the Pub/Sub ``channel``."""
        connection = self._connection_class(**self.options)
        self._hear(self._send_on(connection, _packed(("SUBSCRIBE", channel))))
        return RedisSubscription(connection, self._hear)

    def _request(self, script: str, keys: tuple[str, ...], args: Sequence[Any]) -> bytes:
        return _head(self.script(script).sha, keys, len(args)) + _bulks(args)

    def script(self, name: str) -> Script:
        """Return the script ``lua/<name>.lua``."""
        return script_named(name)

    def _sleep(self, markers: Sequence[str], seconds: float) -> bytes:
        # Redis 6.2 treats 0.001 as less than a millisecond, rounds it to 0, and then never wakes.
        return _packed(("BZPOPMIN", *markers, min(max(seconds, 0.002), self._longest_pause)))

    def _answer(self, connection: Connection, script: str, keys: tuple[str, ...], args: Sequence[Any]) -> Any:
        try:
            return self._read(connection)
        except redis.exceptions.NoScriptError:
            # A restarted server does not know the script any more, and has run nothing.
            connection = self._send(_packed(("EVAL", self.script(script).text, len(keys), *keys, *args)))
        except _Denied as error:
            raise self._explained(error, keys) from error.__cause__
        return self._answer(connection, script, keys, args)

    def _explained(self, error: BackendError, keys: tuple[str, ...]) -> BackendError:
        """Return an error that names the missing permissions: inside a script Redis 7.0 does not name them."""
        if commands_in(str(error.__cause__)):
            return error
        denied = self.denied(keys[0].partition("}:")[0] + "}:")
        of_producers = [command for command in denied if command in PRODUCER]
        return BackendError(withheld(self.address, self.user, of_producers or denied))

    def denied(self, prefix: str) -> list[str]:
        """Return the commands used by scripts that we may not call on the keys of ``prefix``."""
        keys, trials = self.probe(prefix)
        denied = self.call("EVAL", script_named("probe").text, len(keys), *keys, *trials)
        return [command.decode() for command in denied]

    def probe(self, prefix: str) -> tuple[tuple[str, ...], Sequence[str]]:
        """Return keys and arguments of ``lua/probe.lua``, which tries every command that scripts use."""
        return (f"{prefix}count", f"{prefix}probe"), TRIALS

    def close(self) -> None:
        """Close every idle connection; the next call opens a new one."""
        while self._idle:
            _hang_up(self._idle.pop()[0])

    def _send(self, request: bytes) -> Connection:
        """Send a request and return the connection to read its reply from; no other call uses it until then."""
        return self._send_on(self._take(), request)

    def _send_on(self, connection: Connection, request: bytes) -> Connection:
        try:
            connection.send_packed_command((request,))  # type: ignore[no-untyped-call]
        except BaseException as error:
            self._give_up(connection, error)
            if isinstance(error, ValueError | TypeError):  # an invalid host or certificate
                raise BackendError(f"Redis at {self.address} cannot be connected to: {error}.") from error
            raise
        return connection

    def _read(self, connection: Connection) -> Any:
        """Read the last pending reply on ``connection``; after that any call may use it."""
        answer = self._hear(connection)
        self._idle.append((connection, time.monotonic()))
        return answer

    def _hear(self, connection: Connection) -> Any:
        try:
            return connection.read_response()
        except BaseException as error:
            self._give_up(connection, error)
            raise

    def _take(self) -> Connection:
        """Return an unused connection; it connects by itself when something is sent."""
        if self._process != os.getpid():
            self._idle, self._process = deque(), os.getpid()
        try:
            connection, used = self._idle.pop()
        except IndexError:
            return self._connection_class(**self.options)
        if time.monotonic() - used > _STALE_AFTER and not _is_usable(connection):
            _hang_up(connection)
        return connection

    def _give_up(self, connection: Connection, error: BaseException) -> None:
        """Make sure that no call uses ``connection`` again; translate the driver's errors into ours.

        This applies to any error: a time limit may end a command anywhere, and leave a reply unread.
        """
        _hang_up(connection)
        if isinstance(error, redis.RedisError) and not isinstance(error, redis.exceptions.NoScriptError):
            _hide(self.options.get("password"), error)
            raise self._as_ours(error) from error

    def _as_ours(self, error: redis.RedisError) -> BackendError:
        told = str(error).rstrip(".")
        if isinstance(error, redis.exceptions.NoPermissionError) or is_denial(told):
            return _Denied(withheld(self.address, self.user, commands_in(told)))
        login = isinstance(error, redis.AuthenticationError)
        passing = not login and (isinstance(error, _OUTAGES) or is_outage(told))
        if login or passing:
            # The other connections may lead to the same server, which may no longer be the primary.
            self.close()
        kind = BackendUnavailable if passing else BackendError
        return kind(explained(told, self.address, login=login, passing=passing))


class RedisSubscription:
    """A connection that hears of messages on one Pub/Sub channel."""

    def __init__(self, connection: Connection, hear: Callable[[Connection], Any]) -> None:
        self._connection = connection
        self._hear = hear

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        sock: Any = self._connection._sock
        return int(sock.fileno())

    def wait(self, seconds: float) -> bool:
        """Sleep until a message is there, for at most ``seconds``, and read it; return whether there was one.

        Raises ``BackendError``.
        """
        try:
            is_there = self._connection.can_read(seconds)
        except redis.RedisError:
            is_there = True  # reading it raises the same, as an error of ours
        if is_there:
            self._hear(self._connection)
        return bool(is_there)

    def close(self) -> None:
        """Close the connection."""
        _hang_up(self._connection)


def _made_complete(options: ConnectionOptions) -> tuple[ConnectionOptions, type[Connection]]:
    """Return the complete options of a connection, and its class; raises ``ConfigurationError``."""
    scheme = options.pop("scheme")
    keepalive = {getattr(socket, name): _KEEPALIVE[name] for name in _KEEPALIVE if hasattr(socket, name)}
    ours = {} if scheme == "unix" else {"socket_keepalive": True, "socket_keepalive_options": keepalive}
    complete = ConnectionOptions(_DEFAULTS | ours | _UNTOLD | options | _FIXED)
    try:
        _CONNECTIONS[scheme](**complete)
    except (ValueError, TypeError, redis.RedisError):
        raise not_understood() from None
    return complete, _CONNECTIONS[scheme]


def _hide(secret: str | None, error: BaseException | None) -> None:
    """Remove ``secret`` from an error and its causes: some servers repeat what they were sent."""
    while secret and error:
        error.args = tuple(str(arg).replace(secret, "***") for arg in error.args)
        error = error.__cause__ or error.__context__


def _hang_up(connection: Connection) -> None:
    connection.disconnect()  # type: ignore[no-untyped-call]


def _is_usable(connection: Connection) -> bool:
    """Return whether the server has not closed the connection meanwhile."""
    try:
        return not connection.can_read()
    except redis.ConnectionError:
        return False
