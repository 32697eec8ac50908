"""The client of a Redis or Valkey server, and what its errors mean. The only file that knows redis-py."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from importlib import resources
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, UnixDomainSocketConnection, parse_url
from redis.retry import Retry

from djutils.queue.exceptions import BackendError, BackendUnavailable, ConfigurationError

_UNDERSTOOD = (
    "QUEUE_CONNECTION is not understood by RedisQueue (its value is not shown: it may hold a"
    " password). Write host:port:db, or redis://user:password@host:port/db, or rediss://... for TLS,"
    " or unix:///path/to/socket?db=0; or leave it empty for localhost:6379:0. Percent-encode special"
    " characters of a password."
)
_OUTAGES = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)
# The same from within a script, where only the text tells; and some that have no class.
_OUTAGE = re.compile(r"\b(LOADING|READONLY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|MISCONF|NOREPLICAS|BUSY|OOM)\b")


_STALE_AFTER = 1.0


class _Script(NamedTuple):
    text: str
    sha: str


@cache
def _script(name: str) -> _Script:
    """Answer ``lua/<name>.lua`` with what is common to all of them before it, unless it stands alone."""
    folder = resources.files(__package__) / "lua"
    common, text = ((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("common", name))
    if not text.startswith("-- alone"):
        text = f"{common}\n{text}"
    return _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@lru_cache(maxsize=1024)
def _head(script: str, keys: tuple[str, ...], count: int) -> bytes:
    """Answer how a call of a script with ``count`` arguments begins: all but the arguments."""
    words = ("EVALSHA", _script(script).sha, len(keys), *keys)
    return b"*%d\r\n" % (len(words) + count) + _bulks(words)


def _packed(words: Sequence[Any]) -> bytes:
    """Answer a command as it travels, in RESP, the protocol of Redis."""
    return b"*%d\r\n" % len(words) + _bulks(words)


def _bulks(words: Sequence[Any]) -> bytes:
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in raw])


class RedisClient:
    """Sends commands and scripts to the server a ``QUEUE_CONNECTION`` names.

    It connects by its first call and may be used by many threads. After a fork the child gets
    connections of its own. Every error of the driver comes out as a ``BackendError``.
    """

    def __init__(self, connection: str) -> None:
        self.options = _options_of(connection)
        # A call that waits must be answered well before the socket gives up on the answer.
        self._longest_pause = self.options["socket_timeout"] / 2
        # The driver's own pool and its retries take as long as the round trip itself.
        self._idle: deque[tuple[Connection, float]] = deque()
        self._process = os.getpid()

    @property
    def address(self) -> str:
        """Where the server is; never the user or the password."""
        return self.options.get("path") or "{host}:{port}/{db}".format_map(self.options)

    def check(self) -> None:
        """Refuse a server that is too old or that may evict messages when its memory is full."""
        lines = self.call("INFO").decode().splitlines()
        info = dict(line.split(":", 1) for line in lines if ":" in line)
        if tuple(map(int, info["redis_version"].split(".")[:2])) < (6, 2):
            raise ConfigurationError(
                f"Redis at {self.address} is {info['redis_version']}; RedisQueue needs 6.2 or newer."
            )
        policy = info.get("maxmemory_policy", "noeviction")
        if int(info.get("maxmemory", 0)) and policy != "noeviction":
            raise ConfigurationError(
                f"Redis at {self.address} would throw messages away when its memory is full"
                f" (maxmemory-policy {policy}). Set maxmemory-policy to noeviction, or give the queue"
                " a server of its own."
            )

    def call(self, *words: Any) -> Any:
        """Answer what the server answers to a command, such as ``call("HLEN", key)``."""
        return self._read(self._send(_packed(words)))

    def run(self, script: str, keys: tuple[str, ...], args: Sequence[Any]) -> Any:
        """Answer what ``lua/<script>.lua`` answers for ``keys`` and ``args``."""
        return self.ask(script, keys, args)()

    def ask(self, script: str, keys: tuple[str, ...], args: Sequence[Any]) -> Callable[[], Any]:
        """Have ``lua/<script>.lua`` run, and answer a function that waits for what it answers."""
        connection = self._send(_head(script, keys, len(args)) + _bulks(args))
        return partial(self._answer, connection, script, keys, args)

    def wait(self, marker: str, seconds: float) -> None:
        """Sleep until there is something in the sorted set ``marker``, at most for ``seconds``."""
        self._read(self._send(self._sleep(marker, seconds)))

    def run_woken(
        self, marker: str, seconds: float, script: str, keys: tuple[str, ...], args: Sequence[Any]
    ) -> Any:
        """``wait``, then ``run``: both are sent at once, so who is woken has its answer already."""
        request = self._sleep(marker, seconds) + _head(script, keys, len(args)) + _bulks(args)
        connection = self._send(request)
        self._hear(connection)
        return self._answer(connection, script, keys, args)

    def _sleep(self, marker: str, seconds: float) -> bytes:
        return _packed(("BZPOPMIN", marker, min(max(seconds, 0.001), self._longest_pause)))

    def _answer(self, connection: Connection, script: str, keys: tuple[str, ...], args: Sequence[Any]) -> Any:
        try:
            return self._read(connection)
        except redis.exceptions.NoScriptError:
            # A server that was restarted has forgotten the script, and has run nothing.
            return self.call("EVAL", _script(script).text, len(keys), *keys, *args)

    def close(self) -> None:
        """Let go of every idle connection; the next call makes a new one."""
        while self._idle:
            _hang_up(self._idle.pop()[0])

    def _send(self, request: bytes) -> Connection:
        """Send a request and answer the connection to read its answer from; until then it is ours alone."""
        connection = self._take()
        try:
            connection.send_packed_command((request,))  # type: ignore[no-untyped-call]
        except BaseException as error:
            self._give_up(connection, error)
            raise
        return connection

    def _read(self, connection: Connection) -> Any:
        """Read the last answer that is due on ``connection``; then it is anybody's."""
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
        """Answer a connection nobody uses; it connects by itself when something is sent."""
        if self._process != os.getpid():
            self._idle, self._process = deque(), os.getpid()
        try:
            connection, used = self._idle.pop()
        except IndexError:
            options = self.options.copy()
            made: Connection = options.pop("connection_class", Connection)(**options)
            return made
        if time.monotonic() - used > _STALE_AFTER and not _is_usable(connection):
            _hang_up(connection)
        return connection

    def _give_up(self, connection: Connection, error: BaseException) -> None:
        """See to it that nobody uses ``connection`` again; raise the driver's errors as ours.

        Whatever the error is: a time limit may end a command anywhere, and leave an answer unread.
        """
        _hang_up(connection)
        if isinstance(error, redis.RedisError) and not isinstance(error, redis.exceptions.NoScriptError):
            raise self._as_ours(error) from error

    def _as_ours(self, error: redis.RedisError) -> BackendError:
        if isinstance(error, redis.AuthenticationError):
            return BackendError(
                f"Redis at {self.address} refused us: {_told(error)}. Look at the user and the password"
                " in QUEUE_CONNECTION."
            )
        if isinstance(error, _OUTAGES) or _OUTAGE.search(str(error)):
            return BackendUnavailable(
                f"Redis at {self.address} cannot be used at the moment: {_told(error)}. Is it running,"
                " and is it the one that QUEUE_CONNECTION should name?"
            )
        return BackendError(f"Redis at {self.address} refused a call: {_told(error)}.")


def _hang_up(connection: Connection) -> None:
    connection.disconnect()  # type: ignore[no-untyped-call]


def _is_usable(connection: Connection) -> bool:
    """Has the server not hung up on it meanwhile?"""
    try:
        return not connection.can_read()
    except redis.ConnectionError:
        return False


def _told(error: redis.RedisError) -> str:
    return str(error).rstrip(".")


def _options_of(connection: str) -> dict[str, Any]:
    """Answer what a connection is to be made with; raises ``ConfigurationError``."""
    options: dict[str, Any] = {
        "db": 0,
        "protocol": 2,
        "client_name": "djutils",
        "socket_timeout": 10.0,
        "socket_connect_timeout": 3.0,
        "health_check_interval": 15,
    }
    try:
        options |= _parsed(connection)
        # redis-py's own retries would take or put twice what they believe to have failed once.
        options |= {"retry": Retry(NoBackoff(), 0), "retry_on_timeout": False, "decode_responses": False}
        connection_class = options.get("connection_class", Connection)
        if not issubclass(connection_class, UnixDomainSocketConnection):
            options = {"host": "localhost", "port": 6379, "socket_keepalive": True} | options
        connection_class(**{key: options[key] for key in options if key != "connection_class"})
    except (ValueError, TypeError, redis.RedisError):
        # Not its cause: a message of urllib's shows the part it stumbled over.
        raise ConfigurationError(_UNDERSTOOD) from None
    return options


def _parsed(connection: str) -> dict[str, Any]:
    if not connection:
        return {}
    if "://" not in connection:
        host, port, db = connection.split(":")
        return {"host": host or "localhost", "port": int(port), "db": int(db)}
    options: dict[str, Any] = parse_url(connection)  # type: ignore[no-untyped-call]
    url = urlsplit(connection)
    if url.fragment or not re.fullmatch(r"/.+" if url.scheme == "unix" else r"/?\d*", url.path):
        raise ValueError
    return options
