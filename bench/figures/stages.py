"""Where the time of a call and of a run goes, in microseconds, stage by stage.

*In a loop* each stage is repeated alone, so that all it needs is at hand. *Between writes* the same stage is
measured right after a bare write to the store, as it is in a process that calls: the processor has done
something else meanwhile and has to fetch the interpreter's code and data again. Those of the call are what the
bare write of the same bytes does not have to do; *all but the store* contains the stages above it. The bare
write is the driver's, and beside it one by Django's cursor.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from bench.commands import noop
from bench.figures.loads import Plan
from bench.peers import with_bare, with_djutils
from bench.peers.work import CALL
from djutils.queue import codec
from djutils.queue.backends import queues
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.conf import settings
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery, Envelope
from djutils.queue.queue import Invoker
from djutils.queue.registry import registry

HEAD = ("of", "stage", "in a loop", "between writes")
_ROUNDS, _LOOPS = 20, 200

Stage = tuple[str, str, Callable[[], object]]


class Nowhere(LeasedQueue):
    """Takes everything and keeps nothing."""

    def send(self, envelopes: Sequence[Envelope]) -> None:
        """Forget them."""


def rows(plan: Plan) -> list[tuple[str, ...]]:
    rounds = _ROUNDS // 4 if plan.quick else _ROUNDS
    stages = _stages()
    found: list[tuple[list[float], list[float]]] = [([], []) for _ in stages]
    for _ in range(rounds):
        for (_, _, act), (loops, apart) in zip(stages, found, strict=True):
            loops.append(_in_a_loop(act))
            apart.append(_between_writes(act))
    return [
        (of, name, *(f"{statistics.median(times):.1f}" for times in both))
        for (of, name, _), both in zip(stages, found, strict=True)
    ]


def _stages() -> list[Stage]:
    name = settings.queue_name
    command, nowhere = noop.command(*CALL), Invoker(Nowhere(name))
    message, sent = registry.get_message_for_command(command, name), with_djutils.message(CALL)
    delivery, executor = Delivery(sent.id, sent.data), Executor(name)
    store, by_django = queues[name], with_bare.enqueue_by_django
    return [
        ("a call", "make a command of it", lambda: noop.command(*CALL)),
        ("a call", "choose an id", new_id),
        ("a call", "pickle the arguments", lambda: codec.dump(command.data)),
        ("a call", "pack and sign", lambda: codec.encode(message)),
        ("a call", "all but the store", lambda: nowhere.enqueue(noop.command(*CALL))),
        ("a call", "send to the store", lambda: store.send([sent._replace(id=new_id())])),
        ("a call", "all of it", lambda: with_djutils.enqueue(*CALL)),
        *([("a call", "bare write by Django", by_django)] if by_django else []),
        ("a call", "bare write", lambda: with_bare.enqueue(*CALL)),
        ("a run", "verify and unpack", lambda: codec.decode(sent.data, name)),
        ("a run", "unpickle the arguments", lambda: codec.load(message.body)),
        ("a run", "all of it", lambda: executor.execute(delivery)),
    ]


def _in_a_loop(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(_LOOPS):
        act()
    return (time.perf_counter() - began) / _LOOPS * 1e6


def _between_writes(act: Callable[[], object]) -> float:
    """The median, and without what taking the time takes."""
    spent, nothing = [], []
    for _ in range(_LOOPS):
        with_bare.enqueue(*CALL)
        began = time.perf_counter()
        ended = time.perf_counter()
        act()
        spent.append(time.perf_counter() - ended)
        nothing.append(ended - began)
    return (statistics.median(spent) - statistics.median(nothing)) * 1e6
