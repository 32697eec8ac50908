"""A command asked for what other queues call its methods says what to write instead."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.decorators import CommandFunction

from .commands_for_tests import record

UNTYPED: Any = record


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("delay", r"'record\(\.\.\.\)'"),
        ("send", r"'record\(\.\.\.\)'"),
        ("enqueue", r"'record\(\.\.\.\)'"),
        ("defer", r"'record\(\.\.\.\)'"),
        ("apply_async", r"'record\.using\(run_after=timedelta\(seconds=10\), priority=5\)\(\.\.\.\)'"),
        ("send_with_options", r"'record\.using\("),
        ("schedule", r"'record\.using\("),
        ("aenqueue", r"'await record\.acall\(\.\.\.\)' in a coroutine"),
        (
            "delay_on_commit",
            r"'record\(\.\.\.\)': inside transaction\.atomic\(\) it counts only if the transaction commits",
        ),
        ("call_local", r"'record\.call\(\.\.\.\)', which runs it here and now"),
        ("s", r"'record\.command\(\.\.\.\)'"),
        ("map", r"'invoker\.enqueue_many\(record\.command\(item\) for item in items\)'"),
        ("retry", r"'raise Retry\(delay=60\)' in the command itself"),
    ],
)
def test_what_others_call_it_is_answered_with_what_to_write(
    memory: MemoryQueue, name: str, written: str
) -> None:
    with pytest.raises(AttributeError, match=rf"^A command has no '{name}'\. Write {written}"):
        getattr(UNTYPED, name)
    with pytest.raises(AttributeError, match=f"'{name}'"):
        getattr(UNTYPED.using(priority=1), name)
    assert not hasattr(record, name)
    assert len(memory) == 0


def test_any_other_attribute_is_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match=r"^'CommandFunction' object has no attribute 'cal'") as caught:
        UNTYPED.cal("x")
    assert (caught.value.name, caught.value.obj) == ("cal", record)  # so that Python can name the nearest


def test_no_advice_hides_what_a_command_has() -> None:
    for name in ("call", "acall", "using", "command", "command_class"):
        assert hasattr(record, name)
    assert inspect.isfunction(inspect.unwrap(record))
    assert "__getattr__" not in CommandFunction.__annotations__
