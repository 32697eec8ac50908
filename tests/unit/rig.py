"""A pump and its threads, over MemoryQueue or whatever is given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from djutils.queue.backends.base import BaseQueue, new_owner
from djutils.queue.backends.channel import Channel
from djutils.queue.executor import Executor
from djutils.queue.middleware.database import shared_connections
from djutils.queue.workers.board import Board
from djutils.queue.workers.options import ConsumerOptions
from djutils.queue.workers.paused_commands import PausedCommands
from djutils.queue.workers.process import make_pump
from djutils.queue.workers.switches import OPEN, new_switches

from .helpers import FlakyQueue, make_envelope, until


class Rig:
    """One worker process without the process."""

    def __init__(self, *queues: BaseQueue, threads: int = 1, coroutines: int = 0, **options: Any) -> None:
        self.owner = new_owner()
        self.switches = new_switches(len(queues), options.pop("switch", OPEN))
        self.paused = PausedCommands(len(queues))
        self.paused.publish(options.pop("paused", ()))
        self.board = Board(threads + coroutines)
        executors = [Executor(queue.name, awaited_layers=(shared_connections,)) for queue in queues]
        names = tuple(queue.name for queue in queues)
        given: dict[str, Any] = {"delay": 0.005, "max_delay": 0.02} | options

        def make_channels() -> list[Channel]:
            return [queue.channel(self.owner, self.board.hear) for queue in queues]

        chosen = ConsumerOptions(names, threads=threads, coroutines=coroutines, **given)
        self.pump, self.threads = make_pump(
            chosen, executors, self.board, make_channels, switches=self.switches, paused_commands=self.paused
        )
        self.ready = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.pump.run(self.ready.set)
        except Exception as error:
            self.error = error

    def start(self) -> Rig:
        self._thread.start()
        return self

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> None:
        self.pump.stop()
        until(lambda: self.ended)


MakeRig = Callable[..., Rig]


def send(queue: FlakyQueue, command: Any, *args: Any) -> str:
    envelope = make_envelope(command, *args, queue=queue.name)
    queue.send([envelope])
    return envelope.id


def empty(queue: FlakyQueue) -> bool:
    return sum(queue.stats()) == 0
