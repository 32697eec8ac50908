"""What a decorated function can be called with."""

from __future__ import annotations

from typing import Any

import pytest

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import WrongArguments

from .conftest import Declare
from .helpers import take


@pytest.mark.parametrize(
    ("parameters", "call", "said"),
    [
        ("a, b=1", "f()", r"f\(a, b=1\) cannot be called like this: missing a required argument: 'a'"),
        ("a, b=1", "f(1, 2, 3)", "too many positional arguments"),
        ("a, b=1", "f(1, c=2)", "got an unexpected keyword argument 'c'"),
        ("a, b=1", "f(1, a=2)", "multiple values for argument 'a'"),
        # Of these two, newer Pythons say what kind of argument it is.
        ("a, *, b", "f(1)", "missing a required (keyword-only )?argument: 'b'"),
        ("a, /", "f(a=1)", "'a' parameter is positional only|required positional-only argument: 'a'"),
        ("*, b=1", "f(1)", "too many positional arguments"),
        ("a, *rest", "f()", "missing a required argument: 'a'"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"priority": 1}])
def test_a_call_that_does_not_fit_the_function_is_refused_and_not_sent(
    declare: Declare, memory: MemoryQueue, options: dict[str, Any], parameters: str, call: str, said: str
) -> None:
    module = declare(f"@queue_command\ndef f({parameters}): pass\ndef call(f): {call}")

    with pytest.raises(WrongArguments, match=said) as refused:
        module.call(module.f.using(**options))

    assert isinstance(refused.value, TypeError)
    assert len(memory) == 0


@pytest.mark.parametrize(
    ("parameters", "call"),
    [
        ("a, b=1", "f(1)"),
        ("a, b=1", "f(1, 2)"),
        ("a, b=1", "f(b=2, a=1)"),
        ("a, *, b", "f(1, b=2)"),
        ("a, /, b", "f(1, b=2)"),
        ("*rest, **named", "f(1, 2, 3, x=4)"),
        ("*rest", "f()"),
        ("", "f()"),
    ],
)
def test_a_call_that_fits_the_function_is_sent_and_runs(
    declare: Declare, memory: MemoryQueue, parameters: str, call: str
) -> None:
    module = declare(f"@queue_command\ndef f({parameters}): return 'ran'\ndef call(f): {call}")

    module.call(module.f)

    command = take()
    assert command is not None
    assert command.execute() == "ran"


def test_of_a_wrapped_function_the_wrapper_says_what_fits(declare: Declare, memory: MemoryQueue) -> None:
    module = declare(
        """
        import functools
        def with_a_session(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function("session", *args, **kwargs)
            return wrapper
        @queue_command
        @with_a_session
        def f(session, value): return session, value
        """
    )

    module.f(5)

    command = take()
    assert command is not None
    assert command.execute() == ("session", 5)
