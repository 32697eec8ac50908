"""Fixtures of the unit tests; none is used by itself."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from django.dispatch import Signal
from pytest_django import Settings

from djutils.queue import signals
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.ids import new_id
from djutils.queue.registry import registry
from djutils.queue.workers import outage as outage_module

from . import commands_for_tests
from .commands_for_tests import gates
from .helpers import FlakyQueue, ListQueue
from .rig import MakeRig, Rig
from .times import LEAP, Times


@pytest.fixture
def ran() -> Iterator[list[Any]]:
    """What the commands of ``commands_for_tests`` did in this test."""
    commands_for_tests.ran.clear()
    commands_for_tests.gates.clear()
    yield commands_for_tests.ran
    for gate in commands_for_tests.gates.values():
        gate.set()


@pytest.fixture
def memory(settings: Settings) -> MemoryQueue:
    """The project's queue is an empty MemoryQueue for this test."""
    settings.QUEUE_BACKEND = "djutils.queue.backends.memory.MemoryQueue"
    settings.QUEUE_NAME = f"unit.{new_id()}"
    queue = queues[settings.QUEUE_NAME]
    assert isinstance(queue, MemoryQueue)
    return queue


@pytest.fixture
def place(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Where results are kept in this test: beside the messages, or what QUEUE_RESULT_STORE says."""
    settings.QUEUE_RESULT_STORE = "" if request.param == "beside" else request.param
    return str(request.param)


@pytest.fixture
def eager(memory: MemoryQueue, settings: Settings) -> MemoryQueue:
    """The same, and a call runs at once."""
    settings.QUEUE_EAGER = True
    return memory


@pytest.fixture
def four_methods(settings: Settings) -> ListQueue:
    """The project's queue is an empty ListQueue for this test."""
    settings.QUEUE_BACKEND = "tests.unit.helpers.ListQueue"
    settings.QUEUE_NAME = f"unit.{new_id()}"
    ListQueue.lists.clear()
    ListQueue.calls.clear()
    ListQueue.fails.clear()
    queue = queues[settings.QUEUE_NAME]
    assert isinstance(queue, ListQueue)
    return queue


Heard = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Every signal sent in the test: its name and facts."""
    facts: Heard = []
    names = {name: s for name, s in vars(signals).items() if isinstance(s, Signal)}
    receivers = []
    for name, one in names.items():

        def listen(signal: Signal, _name: str = name, **told: Any) -> None:
            facts.append((_name, told))

        receivers.append((one, listen))
        one.connect(listen)
    yield facts
    for one, listen in receivers:
        one.disconnect(listen)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


Declare = Callable[..., ModuleType]


@pytest.fixture
def declare() -> Iterator[Declare]:
    """Runs source text as a module; forgets the module and its commands after the test."""
    before, modules = set(registry), set(sys.modules)

    def run(source: str, name: str = "made_up", path: str = "") -> ModuleType:
        module = sys.modules.setdefault(name, ModuleType(name))
        header = "from djutils.queue.decorators import *\nfrom djutils.queue.queue import *\n"
        code = compile(header + dedent(source), path or f"{name}.py", "exec", dont_inherit=True)
        exec(code, vars(module))
        return module

    yield run
    for command_class in set(registry) - before:
        registry.unregister(command_class)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def rig(ran: list[Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRig]:
    """Makes and starts rigs, for which outages are short; ends them after the test."""
    monkeypatch.setattr(outage_module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(outage_module, "LONGEST_PAUSE", 0.01)
    made: list[Rig] = []

    def make(*queues: BaseQueue, **options: Any) -> Rig:
        made.append(Rig(*queues, **options))
        return made[-1].start()

    yield make
    for gate in gates.values():
        gate.set()
    for one in made:
        one.pump.stop()
        one._thread.join(5)


@pytest.fixture
def queue() -> FlakyQueue:
    return FlakyQueue(f"unit.{new_id()}")


@pytest.fixture
def times() -> Times:
    """A machine whose clock shows ``LEAP``."""
    return Times(LEAP)
