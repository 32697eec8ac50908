"""What several unit tests need: backends that misbehave, and waiting for a condition."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar, TypeVar

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.command import Command
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.ids import new_id
from djutils.queue.message import Batch, Delivery, Envelope, Message, Rejection, Retrial
from djutils.queue.queue import Invoker, invoker
from djutils.queue.registry import registry

T = TypeVar("T")

_PATIENCE = 10.0
_pause = threading.Event()


def until(condition: Callable[[], T]) -> T:
    """Wait until ``condition`` returns something true; return that."""
    deadline = time.monotonic() + _PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < deadline, "what was waited for did not come"
        _pause.wait(0.002)
    return answer


def make_message(command: Any, *args: Any, queue: str = "unit", **fields: Any) -> Message:
    """Return a message that asks for a run of the decorated function ``command`` with ``args``."""
    body = fields.pop("body", None) or codec.dump((args, fields.pop("kwargs", {})))
    name = command if isinstance(command, str) else command.command_class.name
    fields = {"id": new_id(), "created": time.time()} | fields
    return Message(command=name, queue=queue, body=body, **fields)


def make_delivery(command: Any, *args: Any, **fields: Any) -> Delivery:
    """Return its delivery; the counters are those of ``Delivery``."""
    counters = {
        name: fields.pop(name) for name in ("attempts", "crashes", "redeliveries", "offers") if name in fields
    }
    message = make_message(command, *args, **fields)
    return Delivery(message.id, codec.encode(message), **counters)


def make_envelope(command: Any, *args: Any, **fields: Any) -> Envelope:
    """Return its envelope."""
    message = make_message(command, *args, **fields)
    return Envelope(message.id, codec.encode(message))


def take(source: Invoker = invoker) -> Command | None:
    """Take the next command off the queue without running it; None if there is none."""
    data = source.queue.read()
    return data and registry.get_command_for_message(codec.decode(data, source.queue.name))


class ListQueue(BaseQueue):
    """A user's own backend: four methods on lists; ``fails`` says how often a method is out of reach."""

    lists: ClassVar[dict[str, deque[bytes]]] = defaultdict(deque)
    calls: ClassVar[Counter[str]] = Counter()
    fails: ClassVar[Counter[str]] = Counter()

    def _called(self, method: str) -> None:
        self.calls[method] += 1
        if self.fails[method]:
            self.fails[method] -= 1
            raise BackendUnavailable(f"{method} does not get through.")

    def write(self, data: bytes) -> None:
        self._called("write")
        self.lists[self.name].append(data)

    def read(self) -> bytes | None:
        self._called("read")
        mine = self.lists[self.name]
        return mine.popleft() if mine else None

    def flush(self) -> None:
        self.lists[self.name].clear()

    def __len__(self) -> int:
        return len(self.lists[self.name])


class FailingRead(ListQueue):
    """Is out of reach when the second message is read, once."""

    def read(self) -> bytes | None:
        self.fails["read"] = int(self.calls["read"] == 1)
        return super().read()


class FailingWrite(ListQueue):
    """Is out of reach when the second message is written, once."""

    def write(self, data: bytes) -> None:
        self.fails["write"] = int(self.calls["write"] == 1)
        super().write(data)


class FlakyQueue(MemoryQueue):
    """Is out of reach as planned: ``plan["receive"] = ["before", "after", ""]``.

    "before": nothing happens; "after": it takes effect and the reply is lost; "": all is well.
    """

    def __init__(self, name: str, connection: str = "") -> None:
        super().__init__(name, connection)
        self.plan: dict[str, list[str]] = defaultdict(list)
        self.calls: Counter[str] = Counter()

    def _through(self, method: str, call: Callable[[], T]) -> T:
        self.calls[method] += 1
        mode = self.plan[method].pop(0) if self.plan[method] else ""
        if mode == "before":
            raise BackendUnavailable(f"{method} does not get through.")
        answer = call()
        if mode == "after":
            raise BackendUnavailable(f"The reply to {method} is lost.")
        return answer

    def enroll(self, owner: int) -> None:
        enroll = super().enroll
        self._through("enroll", lambda: enroll(owner))

    def receive(self, owner: int, count: int, done: Collection[str] = (), wait: float = 0.0) -> Batch:
        receive = super().receive
        return self._through("receive", lambda: receive(owner, count, done, wait))

    def release(self, owner: int, ids: Collection[str], delay: float = 0.0) -> set[str]:
        release = super().release
        return self._through("release", lambda: release(owner, ids, delay))

    def retry(self, owner: int, retrials: Sequence[Retrial]) -> set[str]:
        retry = super().retry
        return self._through("retry", lambda: retry(owner, retrials))

    def reject(self, owner: int, rejections: Sequence[Rejection]) -> set[str]:
        reject = super().reject
        return self._through("reject", lambda: reject(owner, rejections))

    def adopt(self, owner: int, known: Collection[str]) -> list[Delivery]:
        adopt = super().adopt
        return self._through("adopt", lambda: adopt(owner, known))
