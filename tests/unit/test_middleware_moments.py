"""A middleware acts when a message is sent, around its run and on its outcome; without one nothing is between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from djutils.checks import check_middleware
from djutils.queue import codec, decorators, queue_command
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.chain import chain_of
from djutils.queue.exceptions import ConfigurationError, InvalidCommand
from djutils.queue.executor import Executor
from djutils.queue.message import ACKED, Action
from djutils.queue.queue import invoker
from djutils.queue.registry import registry
from djutils.testing import drain

from . import middlewares
from .commands_for_tests import fail, mutate, record, refuse
from .conftest import Heard
from .helpers import make_delivery
from .middlewares import seen, tenant


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    seen.clear()
    yield
    seen.clear()


@pytest.fixture
def use(settings: Settings) -> Any:
    """``use("CarryTenant", ...)``: these are the project's middleware in this test."""

    def use(*names: str) -> None:
        settings.QUEUE_MIDDLEWARE = [f"{middlewares.__name__}.{name}" for name in names]

    return use


@queue_command
def tell_tenant() -> None:
    seen.append(tenant.get())


@queue_command
async def tell_tenant_later() -> None:
    seen.append(tenant.get())


@decorators.periodic_command(lambda when: False)
def tell_tenant_by_clock() -> None:
    seen.append(tenant.get())


def plain() -> None:
    """A function that tests decorate."""


def call_for(name: str, call: Any) -> None:
    token = tenant.set(name)
    try:
        call()
    finally:
        tenant.reset(token)


# Sent


@pytest.mark.parametrize("call", [tell_tenant, tell_tenant_later])
def test_what_a_middleware_gives_a_message_is_there_when_it_runs(
    memory: MemoryQueue, use: Any, call: Any
) -> None:
    use("CarryTenant")
    call_for("acme", call)
    call_for("umbrella", call)

    drain()

    assert seen == ["acme", "umbrella"]
    assert tenant.get() == "none"


def test_a_periodic_command_goes_the_same_way(memory: MemoryQueue, use: Any) -> None:
    use("CarryTenant")
    (by_clock,) = [
        one for one in registry.get_periodic_commands() if one.name.endswith("tell_tenant_by_clock")
    ]
    call_for("acme", lambda: invoker.enqueue(by_clock))
    drain()
    assert seen == ["acme"]


def test_so_does_a_call_in_eager_mode(eager: MemoryQueue, use: Any) -> None:
    use("CarryTenant", "Note")
    call_for("acme", tell_tenant)
    assert seen == ["before", "acme", "returned", ("tell_tenant", "ACK")]


def test_what_was_sent_before_there_was_a_middleware_runs(memory: MemoryQueue, use: Any) -> None:
    tell_tenant()
    use("CarryTenant")
    drain()
    assert seen == ["of an older release"]


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("RefuseAll", PermissionError, "not today"),
        (
            "ReturnNothing",
            ConfigurationError,
            r"ReturnNothing.sent\(\) must .* it returned NoneType; nothing was sent",
        ),
        ("ChangeTheQueue", ConfigurationError, r"it returned another; nothing was sent"),
    ],
)
def test_a_call_that_a_middleware_refuses_sends_nothing(
    memory: MemoryQueue, use: Any, name: str, error: type[Exception], said: str
) -> None:
    use(name)
    with pytest.raises(error, match=said):
        invoker.enqueue_many([record.command("x"), record.command("y")])
    assert len(memory) == 0


def test_a_message_without_a_middleware_has_no_extras(memory: MemoryQueue) -> None:
    record("x")
    data = memory.read()
    assert data is not None
    assert codec.decode(data, memory.name).extras_json == b""


# Run


def test_the_first_of_the_setting_is_the_outermost(use: Any, ran: list[Any]) -> None:
    use("Outer", "Note")
    assert Executor("unit").execute(make_delivery(record, "x")) == ACKED
    assert seen == ["outer", "before", "returned", ("record", "ACK")]


def test_what_the_command_raises_passes_through(use: Any) -> None:
    use("Note")
    outcome = Executor("unit").execute(make_delivery(fail, attempts=2))
    assert seen == ["before", "ValueError", ("fail", "REJECT")]
    assert outcome.action is Action.REJECT
    assert "middlewares.py" not in outcome.error, "the traceback is that of the command"


def test_an_exception_that_a_middleware_does_not_raise_again_is_handled(use: Any, heard: Heard) -> None:
    use("Forgive")
    assert Executor("unit").execute(make_delivery(fail)) == ACKED
    assert seen == ["forgiven"]
    assert [name for name, _ in heard] == ["command_started", "command_succeeded"]


@pytest.mark.parametrize(("name", "said"), [("NeverRuns", "didn't yield"), ("RunsTwice", "didn't stop")])
def test_a_middleware_that_does_not_yield_once_is_a_failed_attempt(use: Any, name: str, said: str) -> None:
    use(name)
    outcome = Executor("unit").execute(make_delivery(record, "x"))
    assert (outcome.action, outcome.charge) == (Action.RETRY, 1)
    assert said in outcome.error


def test_what_is_dropped_is_done_and_no_success(
    use: Any, ran: list[Any], heard: Heard, log: pytest.LogCaptureFixture
) -> None:
    use("DropAll")
    outcome = Executor("unit").execute(make_delivery(record, "x"))
    assert outcome == (Action.DROP, 0.0, "it is too late", 1, None, "")
    assert ran == []
    assert [name for name, _ in heard] == ["command_started", "command_dropped"]
    assert "dropped: it is too late" in log.text


def test_a_dropped_message_is_gone_and_no_dead_letter(memory: MemoryQueue, use: Any, ran: list[Any]) -> None:
    use("DropAll")
    record("x")
    drain()
    assert (ran, memory.stats()) == ([], (0, 0, 0, 0, 0))


def test_in_eager_mode_a_dropped_call_returns(eager: MemoryQueue, use: Any, ran: list[Any]) -> None:
    use("DropAll")
    assert record("x").command.endswith(".record")
    assert ran == []


# Settled


@pytest.mark.parametrize(
    ("command", "argument", "counters", "noted"),
    [
        (record, "x", {}, ("record", "ACK")),
        (fail, None, {}, ("fail", "RETRY")),
        (refuse, "no", {}, ("refuse", "REJECT")),
        (record, "x", {"crashes": 3}, ("record", "REJECT")),
    ],
)
def test_the_outcome_is_told_also_of_what_was_not_run(
    use: Any, ran: list[Any], command: Any, argument: Any, counters: dict[str, int], noted: Any
) -> None:
    use("Note")
    Executor("unit").execute(make_delivery(command, argument, **counters))
    assert seen[-1] == noted


def test_so_is_that_of_a_process_that_had_to_be_killed(use: Any) -> None:
    use("Note")
    Executor("unit").overrun(make_delivery(fail), TimeoutError("too long"))
    assert seen == [("fail", "RETRY")]


def test_a_middleware_that_fails_there_changes_nothing(
    use: Any, ran: list[Any], log: pytest.LogCaptureFixture
) -> None:
    use("BreakAfterwards", "Note")
    assert Executor("unit").execute(make_delivery(record, "x")) == ACKED
    assert seen[-1] == ("record", "ACK"), "the next one is told all the same"
    assert "BreakAfterwards.settled() failed" in log.text


def test_a_middleware_says_which_commands_it_acts_on(use: Any, ran: list[Any]) -> None:
    use("OnlyOthers")
    executor = Executor("unit")
    executor.execute(make_delivery(record, "x"))
    assert seen == []
    executor.execute(make_delivery(mutate, []))
    assert seen == ["before", "returned", ("mutate", "ACK")]


def test_without_one_nothing_is_between() -> None:
    assert chain_of(record.command_class) == ((), (), ())


# Options


def test_an_option_of_a_middleware_is_declared_and_given_as_any_other(memory: MemoryQueue, use: Any) -> None:
    use("Weigh")
    weighed = queue_command(name="weighed", weight=3)(plain)  # type: ignore[call-overload]

    weighed.using(shade="dark")()

    data = memory.read()
    assert data is not None
    assert codec.decode(data, memory.name).extras == {"weight": 3, "shade": "dark"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight": "much"}, r"weight='much' of the command 'plain' must be an integer"),
        ({"wieght": 3}, r"'wieght' is not an option of the command 'plain'; did you mean 'weight'\?"),
        ({"shade": "dark"}, r"'shade' is not an option"),
    ],
)
def test_it_has_the_same_errors(use: Any, options: Any, said: str) -> None:
    use("Weigh")
    with pytest.raises(InvalidCommand, match=said):
        queue_command(**options)(plain)


def test_without_its_middleware_it_is_no_option() -> None:
    with pytest.raises(InvalidCommand, match="'weight' is not an option"):
        queue_command(name="weighed", weight=3)(plain)  # type: ignore[call-overload]


# The setting


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["shop.middleware.Missing"], r"QUEUE_MIDDLEWARE\[0\] is not found"),
        (
            [f"{middlewares.__name__}.{name}" for name in ("Note", "Missing")],
            r"QUEUE_MIDDLEWARE\[1\] is not found",
        ),
        (["tests.unit.needs_a_package.Middleware"], r"QUEUE_MIDDLEWARE\[0\] needs 'no_such_package'"),
        ([f"{middlewares.__name__}.NeedsArguments"], "cannot be made .* called without arguments"),
        (["pathlib.Path"], "is no subclass of djutils.queue.Middleware"),
        ([Path], "cannot be made"),
        (
            f"{middlewares.__name__}.Note",
            "must be a list of dotted paths, as MIDDLEWARE is; it is of the type str",
        ),
    ],
)
def test_a_wrong_setting_is_an_error_of_the_check_and_of_the_call(
    memory: MemoryQueue, settings: Settings, value: Any, said: str
) -> None:
    settings.QUEUE_MIDDLEWARE = value

    (found,) = check_middleware(None)
    with pytest.raises(ConfigurationError, match=said):
        record("x")

    assert found.id == "djutils.E003"
    assert len(memory) == 0


def test_a_right_one_passes_the_check(use: Any) -> None:
    use("CarryTenant", "Note")
    assert check_middleware(None) == []
