"""Type hints of a command say what they say of the plain function, on every Python."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_type_hints

import pytest

from djutils.queue.backends.memory import MemoryQueue

from .conftest import Declare

# Since Python 3.14 a name may be used before it exists; before, it had to be quoted.
QUOTE = "" if sys.version_info >= (3, 14) else "'"
SOURCE = f"""
def plain(a: {QUOTE}Later{QUOTE}, *, b: int = 1) -> str: return "ran"

@queue_command
def command(a: {QUOTE}Later{QUOTE}, *, b: int = 1) -> str: return "ran"

@queue_command
def unresolved(a: {QUOTE}Never{QUOTE}, b: int = 1) -> str: return "ran"

@periodic_command(crontab())
def by_clock(a: {QUOTE}Never{QUOTE} = None) -> {QUOTE}Never{QUOTE}: pass

class Later: pass
"""
READERS: list[Callable[[Any], Any]] = [
    lambda function: function.__annotations__,
    get_type_hints,
    inspect.get_annotations,
    lambda function: inspect.get_annotations(function, eval_str=True),
    inspect.signature,
    lambda function: inspect.signature(function, eval_str=True),
]
if sys.version_info >= (3, 14):
    annotationlib = import_module("annotationlib")
    READERS += [
        lambda function: annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF),
        lambda function: annotationlib.get_annotations(function, format=annotationlib.Format.STRING),
        lambda function: get_type_hints(function, format=annotationlib.Format.FORWARDREF),  # type: ignore[call-arg, unused-ignore]
    ]


@pytest.mark.parametrize("read", READERS)
def test_a_command_has_the_type_hints_of_its_function(declare: Declare, read: Callable[[Any], Any]) -> None:
    module = declare(SOURCE)

    assert read(module.command) == read(module.plain)
    assert read(module.command.using(priority=1)) == read(module.plain)


def test_a_type_that_does_not_exist_hinders_no_call(declare: Declare, memory: MemoryQueue) -> None:
    module = declare(SOURCE)

    module.unresolved("x", b=2)

    assert len(memory) == 1
    assert module.unresolved.call("x") == "ran"
    assert list(inspect.signature(module.unresolved.call).parameters) == ["args", "kwargs"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Annotations are computed later since Python 3.14.")
def test_a_type_that_does_not_exist_is_a_forward_reference(declare: Declare) -> None:
    unresolved = declare(SOURCE).unresolved

    found = annotationlib.get_annotations(unresolved, format=annotationlib.Format.FORWARDREF)

    assert found["a"].__forward_arg__ == "Never"
    assert found["b"] is int
    with pytest.raises(NameError, match="Never"):
        _ = unresolved.__annotations__


def test_an_attribute_that_a_command_does_not_have_is_an_error(declare: Declare) -> None:
    with pytest.raises(AttributeError, match="'CommandFunction' object has no attribute 'dellay'"):
        _ = declare(SOURCE).command.dellay
