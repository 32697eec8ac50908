"""A network that fails on demand: a port of the loopback that forwards to another one.

::

    with Proxy(server.port) as proxy:
        connect(proxy.port)
        proxy.hole()        # nothing arrives any more, silently
        proxy.repair()      # what was sent meanwhile arrives late
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

HOST = "127.0.0.1"
_PIECE = 1 << 16
_PATIENCE = 10.0
_RESET = struct.pack("ii", 1, 0)
"""For ``SO_LINGER``: closing drops unsent data and resets the connection."""


class Proxy:
    """Forwards to ``target``, a port, until ``with`` ends; every method may be called from any thread.

    A *reply* is what the target sends in one piece.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay = 0.0
        """Seconds by which each piece is late, in both directions."""
        self.cuts = 0
        """How many replies were cut so far."""
        self._to_cut: list[tuple[int, float]] = []
        self._refusing = False
        self._passable = asyncio.Event()
        self._holed_ports: set[int] = set()
        self._repaired = asyncio.Event()
        self._links: dict[asyncio.Task[Any], list[asyncio.StreamWriter]] = {}
        self._holed: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._await(self._begin())
        return self

    def __exit__(self, *exc: object) -> None:
        self._await(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections lead through here."""
        return len(self._links)

    def hole(self) -> None:
        """Let nothing pass; connections stay open, new ones are accepted, nothing is answered."""
        self._do(self._passable.clear)

    def hole_one(self, nth: int) -> None:
        """Let nothing pass on one connection; all others, also new ones, work. ``repair`` breaks it.

        It is the nth one, counted cyclically. What is sent on it is lost.
        """
        self._do(lambda: self._hole_one(nth))

    def hole_from(self, ports: Collection[int]) -> None:
        """Let nothing pass of what is connected from these ports; all else passes."""
        self._do(lambda: self._holed_ports.update(ports))
        self._do(self._repaired.clear)

    def reset(self) -> None:
        """Break every connection; new ones are accepted."""
        self._do(self._reset)

    def refuse(self) -> None:
        """Break every connection, and every new one at once."""
        self._refusing = True
        self.reset()

    def cut_reply(self, nth: int = 1, keep: float = 0.5) -> None:
        """Let only the share ``keep`` of the nth reply from now on pass, then end its connection.

        The request was carried out: only its sender does not know. 0 swallows the whole reply.
        """
        self._do(lambda: self._to_cut.append((nth, keep)))

    def point_at(self, target: int) -> None:
        """Break every connection; new ones lead to another port."""
        self.target = target
        self.reset()

    def repair(self) -> None:
        """Everything passes at once again."""
        self._refusing = False
        self.delay = 0.0
        self._do(self._to_cut.clear)
        self._do(self._break_holed)
        self._do(self._holed_ports.clear)
        self._do(self._repaired.set)
        self._do(self._passable.set)

    # In the loop's thread.

    def _do(self, act: Callable[[], Any]) -> None:
        async def doing() -> None:
            act()

        self._await(doing())

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)

    async def _begin(self) -> None:
        self._passable.set()
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def _hole_one(self, nth: int) -> None:
        whole = [ends for ends in self._links.values() if len(ends) == 2]
        if whole:
            self._holed.update(whole[nth % len(whole)])

    def _break_holed(self) -> None:
        """Whether some of their data is missing."""
        for end in self._holed:
            _break(end)
        self._holed.clear()

    def _reset(self) -> None:
        for ends in self._links.values():
            for end in ends:
                _break(end)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links[link] = [client]
        # Cancelled only when everything ends: no error is needed.
        with suppress(OSError, asyncio.CancelledError):
            if not self._refusing:
                replies, server = await asyncio.open_connection(HOST, self.target)
                self._links[link].append(server)
                _, port = client.get_extra_info("peername")[:2]
                await asyncio.gather(
                    self._carry(reader, server, port), self._carry(replies, client, port, replies=True)
                )
        for end in self._links.pop(link):
            self._holed.discard(end)
            if not end.is_closing():
                _break(end)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, port: int, replies: bool = False
    ) -> None:
        while piece := await source.read(_PIECE):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._passable.wait()
            if sink in self._holed:
                continue
            if port in self._holed_ports:
                await self._repaired.wait()
            if replies and (keep := self._keep()) is not None:
                # At least one byte is dropped, or it would not be cut.
                sink.write(piece[: min(int(len(piece) * keep), len(piece) - 1)])
                # An end, not a reset: a reset might overtake the part that passes.
                sink.close()
                self.cuts += 1
                raise ConnectionResetError
            sink.write(piece)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()

    def _keep(self) -> float | None:
        """Return which share of this reply may pass; None for all of it."""
        self._to_cut = [(nth - 1, keep) for nth, keep in self._to_cut]
        due = [keep for nth, keep in self._to_cut if nth <= 0]
        self._to_cut = [(nth, keep) for nth, keep in self._to_cut if nth > 0]
        return min(due) if due else None


def _break(end: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a broken connection, not an ended one."""
    connection = end.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.transport.abort()
