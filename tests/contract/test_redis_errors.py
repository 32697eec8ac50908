"""How RedisClient translates each server error, and that no error shows the password."""

from __future__ import annotations

import contextlib
import socket
import threading
import traceback
from collections.abc import Callable, Iterator

import pytest
import redis

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.redis_backend import RedisQueue
from djutils.queue.exceptions import BackendError, BackendUnavailable
from tests.servers import Server, free_port

OUTAGES = [
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOREPLICAS Not enough good replicas to write.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "MOVED 3999 127.0.0.1:6381",
    "ASK 3999 127.0.0.1:6381",
    "REDIRECT 127.0.0.1:6381",
    "CLUSTERDOWN The cluster is down",
    "CLUSTERDOWN Hash slot not served",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "EXECABORT Transaction discarded because of previous errors.",
    "ERR max number of clients reached",
    "ERR Error running script (call to f_0): @user_script:3: -READONLY You can't write against a read only replica.",
    "ERR Error running script (call to f_0): @user_script: 3: OOM command not allowed when used memory > 'maxmemory'.",
    "ERR Error running script (call to f_0): @user_script:3: Script killed by user with SCRIPT KILL...",
    "NOREPLICAS Not enough good replicas to write. script: 9f, on @user_script:12.",
]
REFUSALS = {
    "NOAUTH Authentication required.": "password",
    "WRONGPASS invalid username-password pair or user is disabled.": "password",
    "ERR invalid password": "password",
    "NOPERM this user has no permissions to run the 'evalsha' command": "evalsha",
    "WRONGTYPE Operation against a key holding the wrong kind of value": "another program",
    "ERR unknown command 'EVALSHA'": "unknown command",
    "ERR user_script:9: attempt to index a nil value": "user_script:9",
    "ERR DB index is out of range": "out of range",
}


class Replies(threading.Thread):
    """A server that gives the same reply to every command."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(daemon=True)
        self.reply = reply
        self.heard = b""
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                self.heard += data
                connection.sendall(self.reply)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def replying() -> Iterator[Callable[[str], Replies]]:
    with contextlib.ExitStack() as stack:

        def start(reply: str) -> Replies:
            server = Replies(f"{reply}\r\n".encode())
            server.start()
            stack.callback(server.close)
            return server

        yield start


def queue_at(server: Replies, user: str = "") -> RedisQueue:
    return RedisQueue("queue", f"redis://{user}127.0.0.1:{server.port}/0")


@pytest.mark.parametrize("error", OUTAGES, ids=lambda text: text[:40])
@pytest.mark.parametrize("act", [len, RedisQueue.owners, RedisQueue.read], ids=["len", "owners", "read"])
def test_what_may_pass_is_an_outage(
    replying: Callable[[str], Replies], error: str, act: Callable[[RedisQueue], object]
) -> None:
    queue = queue_at(replying(f"-{error}"))

    with pytest.raises(BackendUnavailable) as raised:
        act(queue)

    assert isinstance(raised.value.__cause__, redis.RedisError)


@pytest.mark.parametrize(("error", "told"), REFUSALS.items(), ids=lambda text: text[:40])
def test_what_does_not_pass_by_itself_says_what_it_is(
    replying: Callable[[str], Replies], error: str, told: str
) -> None:
    with pytest.raises(BackendError, match=told) as raised:
        len(queue_at(replying(f"-{error}")))

    assert not isinstance(raised.value, BackendUnavailable)


@pytest.mark.parametrize("error", [*OUTAGES, *REFUSALS], ids=lambda text: text[:40])
def test_after_an_error_every_connection_is_made_from_scratch(
    replying: Callable[[str], Replies], error: str
) -> None:
    server = replying(f"-{error}")
    queue = queue_at(server)

    for number in range(1, 4):
        with pytest.raises(BackendError):
            queue.server.call("PING")
        assert server.connections == number


def test_an_outage_lets_go_of_the_idle_connections_too(redis_server: Server) -> None:
    queue = RedisQueue("queue", redis_server.url)
    len(queue)  # and the server knows the script
    pending = [queue.server.start("stats", queue.keys, (), []) for _ in range(3)]
    for answer in pending:
        answer()
    with redis.Redis.from_url(redis_server.url) as admin:
        before = {client["id"] for client in admin.client_list() if client["name"] == "djutils"}

        with pytest.raises(BackendUnavailable):
            queue.server.call("EVAL", "return redis.error_reply('READONLY it was the primary')", 0)
        len(queue)

        after = {client["id"] for client in admin.client_list() if client["name"] == "djutils"}
    assert len(before) >= 3
    assert not before & after
    queue.close()


@pytest.mark.parametrize(
    "error",
    [
        "ERR unknown command 'AUTH', with args beginning with: 'app' 's3cr3t!word' ",
        "ERR Protocol error, got s3cr3t!word as reply",
        "WRONGPASS s3cr3t!word is not the password",
        "MOVED 1 s3cr3t!word:1",
    ],
)
def test_no_error_shows_the_password_whatever_the_server_repeats(
    replying: Callable[[str], Replies], error: str
) -> None:
    queue = queue_at(replying(f"-{error}"), "app:s3cr3t!word@")

    with pytest.raises(BackendError) as raised:
        len(queue)

    shown = "".join(traceback.format_exception(raised.value))
    assert "s3cr3t" not in shown + repr(queue) + repr(queue.server) + repr(queue.server.options)


@pytest.mark.parametrize("act", ["call", "wait"])
def test_a_connection_that_leads_nowhere_ends_after_the_socket_timeout(act: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        queue = RedisQueue("queue", f"redis://127.0.0.1:{port}/0?socket_timeout=0.3&client_name=x")

        with pytest.raises(BackendUnavailable, match="[Tt]imeout"):
            queue.owners() if act == "call" else queue.server.wait(["marker"], 60.0)


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "127.0.0.1.invalid"])
def test_a_host_that_cannot_be_one_is_an_error_of_the_backend(host: str) -> None:
    with pytest.raises(BackendError, match=host[:4]):
        len(RedisQueue("queue", f"redis://{host}:{free_port()}/0?socket_connect_timeout=1"))


def test_a_password_that_was_changed_under_a_running_consumer_is_said_and_works_again(
    redis_server: Server,
) -> None:
    with redis.Redis.from_url(redis_server.url) as admin:
        admin.acl_setuser("rotated", enabled=True, passwords=["+old"], keys="*", commands=["+@all"])
        queue, owner = RedisQueue("rotated", redis_server.url.replace("://", "://rotated:old@")), new_owner()
        queue.enroll(owner)
        admin.acl_setuser("rotated", enabled=True, reset_passwords=True, passwords=["+new"])
        admin.execute_command("CLIENT", "KILL", "USER", "rotated")

        with pytest.raises(BackendUnavailable):
            queue.receive(owner, 1)
        with pytest.raises(BackendError, match="password"):
            queue.receive(owner, 1, wait=5.0)

        admin.acl_setuser("rotated", enabled=True, passwords=["+old"])
        assert queue.beat([owner]) == {owner}
        queue.reap(owner)
        queue.close()
        admin.acl_deluser("rotated")
