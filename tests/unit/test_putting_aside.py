"""The pump of a worker process that receives messages of commands that are paused."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from djutils.queue import codec
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.command_pauses import why_put_aside
from djutils.queue.workers.paused_commands import digest_of

from .commands_for_tests import gates, hold, record, record_later
from .helpers import ListQueue, make_envelope, until
from .rig import MakeRig
from .test_pausing import KeepingListQueue

NAME = record.command_class.name
LATER = record_later.command_class.name

EACH_RUNNER = pytest.mark.parametrize("places", [{}, {"threads": 3}, {"threads": 1, "coroutines": 3}])


def fill(queue: Any, command: Any, values: list[Any]) -> None:
    for value in values:
        queue.send([make_envelope(command, value, queue=queue.name)])


@EACH_RUNNER
def test_a_worker_puts_aside_what_is_paused_and_runs_the_others(
    rig: MakeRig, queue: MemoryQueue, ran: list[Any], places: dict[str, int]
) -> None:
    fill(queue, record_later, ["x"] * 600)
    fill(queue, record, ["a", "b"])
    worker = rig(queue, paused={digest_of(queue.name, LATER)}, **places)

    until(lambda: ran == ["a", "b"])
    until(lambda: queue.stats() == (0, 600, 0, 0, 0))

    (one, *_) = queue.peek("delayed")
    assert (one.error, one.attempts, one.offers) == (why_put_aside(LATER), 0, 0)
    worker.paused.publish(set())
    queue.bring_back(one.error, 600)
    until(lambda: len(ran) == 602)


@EACH_RUNNER
def test_what_a_worker_has_received_and_not_begun_is_put_aside_when_the_pause_comes(
    rig: MakeRig, queue: MemoryQueue, ran: list[Any], places: dict[str, int]
) -> None:
    gates.update({name: threading.Event() for name in "abc"})
    count = places.get("threads", 1)
    fill(queue, hold, [*gates][:count])
    fill(queue, record, ["x"] * 20)
    worker = rig(queue, **places)
    until(lambda: len(ran) == count)

    worker.paused.publish({digest_of(queue.name, NAME)})

    until(lambda: queue.stats().leased == count)
    for gate in gates.values():
        gate.set()
    until(lambda: queue.stats() == (0, 20, 0, 0, 0))
    assert "x" not in ran


def test_bytes_that_cannot_be_read_are_left_to_the_run(
    rig: MakeRig, queue: MemoryQueue, ran: list[Any]
) -> None:
    queue.write(b"strange")
    rig(queue, paused={digest_of(queue.name, NAME)})

    until(lambda: queue.stats().dead == 1)


def test_four_methods_with_a_store_put_aside_for_half_a_minute(
    rig: MakeRig, four_methods: ListQueue, ran: list[Any]
) -> None:
    queue = KeepingListQueue(four_methods.name)
    queue.write(make_envelope(record, "x", queue=queue.name).data)
    queue.write(make_envelope(record_later, "y", queue=queue.name).data)

    rig(queue, paused={digest_of(queue.name, NAME)})

    until(lambda: ran == ["y"])
    until(lambda: len(queue) == 1)
    began = time.time()
    eta = codec.decode(queue.lists[queue.name][0], queue.name).eta
    assert eta is not None
    assert 20 < eta - began <= 30
