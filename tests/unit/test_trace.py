"""``"trace"`` in ``QUEUE_CARRY``: a call belongs to the trace of its caller, with ``opentelemetry-api``."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from pytest_django import Settings

from djutils.checks import check_carry
from djutils.queue import codec, queue_command
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import ConfigurationError
from djutils.testing import drain
from tests.conftest import missing

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
MODULE = "djutils.contrib.opentelemetry"

seen: list[Any] = []


def headers() -> dict[str, str]:
    """What a request to another service would be given."""
    found: dict[str, str] = {}
    import_module("opentelemetry.propagate").inject(found)
    return found


@queue_command
def call_a_service() -> None:
    seen.append(headers())


@queue_command
async def call_a_service_later() -> None:
    await asyncio.sleep(0)
    seen.append(headers())


@pytest.fixture
def carrying(settings: Settings) -> Settings:
    settings.QUEUE_MIDDLEWARE, settings.QUEUE_CARRY = ["djutils.queue.CarryContext"], ["trace"]
    seen.clear()
    return settings


@pytest.fixture
def trace(carrying: Settings) -> Any:
    """``with trace():`` is inside a span of another service."""
    if find_spec("opentelemetry") is None:
        missing("'opentelemetry-api' is not installed: pip install '.[test]'")
    carrier = import_module(MODULE).TraceContext()
    return lambda: carrier.restored(PARENT)


@pytest.mark.parametrize("call", [call_a_service, call_a_service_later])
def test_what_a_command_calls_belongs_to_the_trace_of_its_caller(
    memory: MemoryQueue, trace: Any, call: Any
) -> None:
    with trace():
        call()
    call()
    assert headers() == {}
    drain()
    assert seen == [PARENT, {}]
    assert headers() == {}


def test_the_message_has_the_header_of_w3c(memory: MemoryQueue, trace: Any) -> None:
    with trace():
        call_a_service()
    (waiting,) = memory.peek("ready", data=True)
    assert codec.decode(waiting.data or b"", memory.name).extras == {"carried": {"trace": PARENT}}


def test_without_a_trace_it_has_nothing_more(memory: MemoryQueue, carrying: Settings, trace: Any) -> None:
    call_a_service()
    (waiting,) = memory.peek("ready", data=True)
    assert codec.decode(waiting.data or b"", memory.name).extras_json == b""


def test_in_eager_mode_it_is_the_same(eager: MemoryQueue, trace: Any) -> None:
    with trace():
        call_a_service()
    assert seen == [PARENT]


def test_without_the_package_the_check_and_the_call_say_what_to_install(
    memory: MemoryQueue, carrying: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [MODULE, *(name for name in sys.modules if name.startswith("opentelemetry."))]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    (found,) = check_carry(None)
    assert found.id == "djutils.E060"
    assert "needs 'opentelemetry" in found.msg
    assert "pip install 'djutils-queue[opentelemetry]'" in found.msg
    with pytest.raises(ConfigurationError, match="QUEUE_CARRY\\[0\\] is 'trace', which needs 'opentelemetry"):
        call_a_service()
    assert len(memory) == 0
