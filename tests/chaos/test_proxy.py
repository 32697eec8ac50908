"""The proxy breaks what it is told to break, and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from tests.waiting import wait_until

from .proxy import HOST, Proxy

HELLO = b"hello, is anything there?\n"


class Echo(StreamRequestHandler):
    """Echoes what it receives, line by line, and counts the lines."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            for line in self.rfile:
                self.server.heard.append(line)
                self.wfile.write(self.server.mark + line)


class EchoServer(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, mark: bytes = b"") -> None:
        super().__init__((HOST, 0), Echo)
        self.mark = mark
        self.heard: list[bytes] = []

    def __enter__(self) -> EchoServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        yield server


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[Proxy]:
    with Proxy(echo.port) as proxy:
        yield proxy


@pytest.fixture
def line(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), 5) as line:
        yield line


def ask(line: socket.socket, text: bytes = HELLO) -> bytes:
    line.sendall(text)
    return hear(line, len(text))


def hear(line: socket.socket, count: int) -> bytes:
    """What comes until it is enough, or the end."""
    heard = b""
    while len(heard) < count and (piece := line.recv(count)):
        heard += piece
    return heard


def test_it_forwards(line: socket.socket, proxy: Proxy) -> None:
    large = b"x" * (1 << 20) + b"\n"
    sending = threading.Thread(target=line.sendall, args=(large,))
    sending.start()
    assert hear(line, len(large)) == large
    sending.join()
    assert ask(line) == HELLO
    assert proxy.connections == 1


def test_it_passes_an_end_on(line: socket.socket, proxy: Proxy) -> None:
    assert ask(line) == HELLO
    line.shutdown(socket.SHUT_WR)

    assert line.recv(1) == b""
    wait_until(lambda: proxy.connections == 0)


def test_it_delays_each_piece(line: socket.socket, proxy: Proxy) -> None:
    proxy.delay = 0.05
    begun = time.monotonic()

    assert ask(line) == HELLO
    assert time.monotonic() - begun >= 0.1


def test_a_hole_swallows_everything_until_it_is_repaired(line: socket.socket, proxy: Proxy) -> None:
    proxy.hole()
    line.sendall(HELLO)
    line.settimeout(0.1)
    with pytest.raises(TimeoutError):
        line.recv(1)

    proxy.repair()
    line.settimeout(5)
    assert hear(line, len(HELLO)) == HELLO


def test_a_reset_breaks_what_is_open_and_takes_new_ones(line: socket.socket, proxy: Proxy) -> None:
    assert ask(line) == HELLO
    proxy.reset()
    with pytest.raises(ConnectionError):
        hear(line, 1)

    with socket.create_connection((HOST, proxy.port), 5) as another:
        assert ask(another) == HELLO


def test_a_hole_can_be_reset(line: socket.socket, proxy: Proxy) -> None:
    proxy.hole()
    line.sendall(HELLO)
    proxy.reset()

    with pytest.raises(ConnectionError):
        hear(line, 1)


def test_it_refuses_until_it_is_repaired(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionError), socket.create_connection((HOST, proxy.port), 5) as line:
        ask(line)
        hear(line, 1)

    proxy.repair()
    with socket.create_connection((HOST, proxy.port), 5) as line:
        assert ask(line) == HELLO


@pytest.mark.parametrize(("keep", "left"), [(0.0, 0), (0.5, len(HELLO) // 2), (1.0, len(HELLO) - 1)])
def test_the_nth_reply_is_cut_after_the_request_was_heard(
    line: socket.socket, proxy: Proxy, echo: EchoServer, keep: float, left: int
) -> None:
    proxy.cut_reply(2, keep)
    assert ask(line) == HELLO
    line.sendall(HELLO)

    assert hear(line, len(HELLO)) == HELLO[:left]
    assert echo.heard == [HELLO, HELLO]
    assert proxy.cuts == 1
    with socket.create_connection((HOST, proxy.port), 5) as another:
        assert ask(another) == HELLO


def test_it_can_be_pointed_at_another_port(line: socket.socket, proxy: Proxy) -> None:
    assert ask(line) == HELLO
    with EchoServer(mark=b"other: ") as other:
        proxy.point_at(other.port)
        with socket.create_connection((HOST, proxy.port), 5) as another:
            another.sendall(HELLO)
            assert hear(another, len(HELLO) + 7) == b"other: " + HELLO


def test_without_a_target_a_connection_is_broken(proxy: Proxy, echo: EchoServer) -> None:
    echo.shutdown()
    echo.server_close()

    with pytest.raises(ConnectionError), socket.create_connection((HOST, proxy.port), 5) as line:
        hear(line, 1)
        ask(line)


def test_in_a_hole_of_one_connection_the_others_go_on(echo: EchoServer, proxy: Proxy) -> None:
    with (
        socket.create_connection((HOST, proxy.port)) as first,
        socket.create_connection((HOST, proxy.port)) as second,
    ):
        for client in (first, second):
            client.sendall(HELLO)
            assert client.recv(100) == HELLO
        proxy.hole_one(0)
        first.sendall(HELLO)
        second.sendall(HELLO)
        assert second.recv(100) == HELLO
        assert len(echo.heard) == 3
        proxy.repair()
        with pytest.raises(ConnectionResetError):
            first.recv(100)
