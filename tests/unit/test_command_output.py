"""What a command prints begins with its id and its name, line by line."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from djutils.queue.current import Running, running
from djutils.queue.workers.streams import CommandOutput

from .commands_for_tests import record
from .helpers import make_delivery, make_message


@pytest.fixture
def output() -> CommandOutput:
    return CommandOutput(io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace"))


def shown(output: CommandOutput) -> str:
    output.flush()
    raw = output.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def a_run() -> tuple[str, Callable[..., None]]:
    """A label, and a function that prints as the command that has it does."""
    message = make_message(record, "x")
    run = Running(message, make_delivery(record, "x"))

    def say(*words: object, **options: object) -> None:
        token = running.set(run)
        try:
            print(*words, **options)  # type: ignore[call-overload]
        finally:
            running.reset(token)

    return f"{message.id} {message.command}: ", say


def test_each_line_of_a_command_is_labelled(output: CommandOutput) -> None:
    label, say = a_run()
    say("one", 2, file=output)
    say("three\nfour", file=output)
    say(file=output)
    assert shown(output) == f"{label}one 2\n{label}three\n{label}four\n{label}\n"


def test_what_no_command_prints_is_not(output: CommandOutput) -> None:
    print("one\ntwo", file=output)
    assert shown(output) == "one\ntwo\n"


def test_a_line_in_several_parts_is_labelled_once(output: CommandOutput) -> None:
    label, say = a_run()
    for part in ("a", "b", "c\n", "d"):
        say(part, end="", file=output)
    assert shown(output) == f"{label}abc\n{label}d"


def test_half_a_line_is_ended_by_the_next_command(output: CommandOutput) -> None:
    (first, say_first), (second, say_second) = a_run(), a_run()
    say_first("half", end="", file=output)
    say_second("whole", file=output)
    say_first("the other half", file=output)
    assert shown(output) == f"{first}half\n{second}whole\n{first}the other half\n"


def test_it_writes_as_many_characters_as_it_is_given(output: CommandOutput) -> None:
    token = running.set(Running(make_message(record, "x"), make_delivery(record, "x")))
    try:
        assert output.write("five\n") == 5
        assert output.write("") == 0
    finally:
        running.reset(token)
