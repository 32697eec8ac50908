"""``@queue_command`` and ``@periodic_command`` as their author sees them."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from djutils.queue.backends import queues
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.decorators import CommandFunction, periodic_command, queue_command
from djutils.queue.exceptions import InvalidCommand
from djutils.queue.queue import PeriodicQueueCommand
from djutils.queue.registry import registry
from djutils.queue.retry import RetryPolicy

from .commands_for_tests import elsewhere, fail, leap, record, record_later
from .conftest import Declare
from .helpers import take


def test_a_decorated_function_keeps_what_describes_it() -> None:
    assert record.__name__ == record.__qualname__ == "record"
    assert record.__module__ == "tests.unit.commands_for_tests"
    assert inspect.getdoc(record) == "Remember the value.\n\nAnd return it."
    assert str(inspect.signature(record)) == "(value: 'Any', *, times: 'int' = 1) -> 'Any'"
    assert record.__annotations__ == {"value": "Any", "times": "int", "return": "Any"}
    assert inspect.unwrap(record).__code__.co_name == "record"
    assert repr(record) == "<command tests.unit.commands_for_tests.record>"


def test_calling_it_enqueues_and_answers_a_handle_at_once(memory: MemoryQueue, ran: list[Any]) -> None:
    result = record("x", times=2)
    assert ran == []
    assert len(memory) == 1
    assert re.fullmatch("[0-9a-f]{32}", result.id)
    assert result == (result.id, "tests.unit.commands_for_tests.record", memory.name)
    command = take()
    assert command is not None
    assert command.execute() == "x"
    assert ran == ["x", "x"]


def test_call_runs_it_here_and_now(memory: MemoryQueue, ran: list[Any]) -> None:
    assert record.call("x", times=3) == "x"
    assert ran == ["x"] * 3
    assert len(memory) == 0


def test_an_async_command_runs_to_its_end(memory: MemoryQueue, ran: list[Any]) -> None:
    record_later("x")
    command = take()
    assert command is not None
    assert command.execute() == "later x"
    assert ran == ["x"]
    coroutine = record_later.call("y")
    assert inspect.iscoroutine(coroutine)
    coroutine.close()


def test_wrong_arguments_fail_where_it_runs_as_its_author_wrote_it() -> None:
    with pytest.raises(TypeError, match=r"record\(\) got an unexpected keyword argument 'colour'"):
        UNTYPED_RECORD.call("x", colour="red")


UNTYPED_RECORD: Any = record


def test_using_answers_a_copy_and_leaves_the_original_alone(memory: MemoryQueue) -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    other = record.using(queue_name="unit.using", priority=5, run_after=moment)
    command, plain = other.command(1), record.command(1)
    assert (command.queue_name, command.priority, command.run_after) == ("unit.using", 5, moment)
    assert (plain.queue_name, plain.priority, plain.run_after) == (None, 0, None)
    assert record.command_class.queue_name is None
    assert other.__name__ == "record"
    assert inspect.getdoc(other) == inspect.getdoc(record)
    assert other.command_class is record.command_class


def test_using_again_adds_to_the_options_and_the_last_one_wins() -> None:
    command = record.using(priority=5, queue_name="a").using(queue_name="b").command(1)
    assert (command.queue_name, command.priority) == ("b", 5)


def test_using_wins_over_the_declaration() -> None:
    command = elsewhere.using(priority=-1).command(1)
    assert (command.queue_name, command.priority) == ("unit.other", -1)
    assert elsewhere.command(1).priority == 7


def test_the_copy_enqueues_where_it_says(memory: MemoryQueue) -> None:
    result = record.using(queue_name=f"{memory.name}.other")("x")
    assert result.queue_name == f"{memory.name}.other"
    assert (len(memory), len(queues[result.queue_name])) == (0, 1)


def test_a_delayed_call_waits_and_a_more_urgent_one_overtakes(memory: MemoryQueue) -> None:
    record.using(run_after=timedelta(hours=1))("late")
    record("plain")
    record.using(priority=10)("urgent")
    assert memory.stats()._asdict() == {"ready": 2, "delayed": 1, "leased": 0, "dead": 0, "waiting": 0}
    taken = [take() for _ in range(3)]
    assert [command and command.data[0][0] for command in taken] == ["urgent", "plain", None]


def test_a_decorated_function_can_itself_be_an_argument(memory: MemoryQueue) -> None:
    record(fail)
    command = take()
    assert command is not None
    assert command.data == ((fail,), {})
    assert pickle.loads(pickle.dumps(record)) is record
    assert copy.copy(record) is record


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prioriti": 1}, r"'prioriti' is not an option of the command 'one'; did you mean 'priority'\?"),
        ({"max_attempt": 1}, r"did you mean 'max_attempts'\?"),
        ({"retries": 1}, "'retries' is not an option"),
        ({"zzz": 1}, "there are: name, queue_name, priority, max_attempts, backoff, retry_on"),
        ({"time_limit": 0}, "must be seconds, or"),
        ({"time_limit": (9, 3)}, "must be seconds, or"),
        ({"atomic": 1}, "must be True, False or the alias"),
        ({"run_after": timedelta(1)}, "'run_after' is not an option of the command 'one'"),
        ({"priority": 101}, "priority=101 of the command 'one' must be an integer from -100 to 100"),
        ({"priority": -101}, "from -100 to 100"),
        ({"priority": "high"}, "must be an integer"),
        ({"priority": True}, "must be an integer"),
        ({"max_attempts": 0}, "must be an integer, 1 or more"),
        ({"max_attempts": None}, "must be an integer, 1 or more"),
        ({"backoff": -1}, "must be seconds"),
        ({"backoff": (5, 1)}, "must be seconds"),
        ({"backoff": (1, 2, 3)}, "must be seconds"),
        ({"backoff": "5"}, "must be seconds"),
        ({"backoff": True}, "must be seconds"),
        ({"backoff": float("nan")}, "must be seconds"),
        ({"name": ""}, "must be a string of 1 to 200"),
        ({"name": "x" * 201}, "must be a string of 1 to 200"),
        ({"queue_name": 5}, "must be a string"),
    ],
)
@pytest.mark.parametrize("form", ["queue_command(**options)", "periodic_command(crontab(), **options)"])
def test_a_wrong_option_is_refused_at_declaration(
    declare: Declare, form: str, options: dict[str, Any], message: str
) -> None:
    known = len(registry)
    with pytest.raises(InvalidCommand, match=message):
        declare(f"def declare(options):\n  {form}(one)\ndef one(): pass").declare(options)
    assert len(registry) == known


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"que_name": "x"}, r"'que_name' is not an option of record.using\(\); did you mean 'queue_name'\?"),
        ({"max_attempts": 3}, "'max_attempts' is not an option"),
        ({"run_after": datetime(2030, 1, 1)}, r"a naive one says which time zone only where USE_TZ is off"),
        ({"run_after": 60}, "must be a timedelta or an aware datetime"),
        ({"priority": 1000}, "must be an integer from -100 to 100"),
    ],
)
def test_a_wrong_option_is_refused_by_using(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidCommand, match=message):
        record.using(**options)


def test_the_declared_options_reach_the_command(declare: Declare) -> None:
    module = declare(
        """
        @queue_command(name="pinned", queue_name="q", priority=-3, max_attempts=1, backoff=(1, 5))
        def one(): pass
        """
    )
    command = module.one.command()
    assert (command.name, command.queue_name, command.priority) == ("pinned", "q", -3)
    assert command.retry_policy() == RetryPolicy(1, (1, 5))
    assert registry.get_class("pinned") is type(command)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("queue_command(lambda: 0)", "A lambda cannot be a command"),
        ("one = queue_command(max_attempts=1)(lambda: 0)", "A lambda cannot be a command"),
        (
            "def outer():\n  @queue_command\n  def one(): pass\nouter()",
            "'outer.<locals>.one' is defined inside",
        ),
        (
            "def outer():\n  class One(QueueCommand):\n    def execute(self): pass\nouter()",
            "inside a function",
        ),
        ("def outer():\n  @periodic_command(crontab())\n  def one(): pass\nouter()", "inside a function"),
        ("periodic_command(crontab())(lambda: 0)", "A lambda cannot be a command"),
        ("@queue_command\nclass One: pass", "Only a function can be decorated"),
        ("queue_command(print)", "Only a function can be decorated"),
        ("@queue_command\ndef one(): yield 1", "'one' is a generator"),
        ("@queue_command\nasync def one(): yield 1", "'one' is a generator"),
        ("@periodic_command\ndef one(): pass", r"Write @periodic_command\(crontab\(...\)\)"),
        ("@periodic_command(crontab())\ndef one(a): pass", "'one' must not require arguments"),
        ("class One(QueueCommand):\n  priority = 1000\n  def execute(self): pass", "from -100 to 100"),
        ("class One(QueueCommand):\n  max_attempts = '3'\n  def execute(self): pass", "1 or more"),
        ("@periodic_command(crontab)\ndef one(): pass", r"Write @periodic_command\(crontab\(...\)\)"),
        (
            "async def due(when): pass\n@periodic_command(due)\ndef one(): pass",
            r"Write @periodic_command\(crontab\(...\)\)",
        ),
        ("periodic_command()", r"Write @periodic_command\(crontab\(...\)\)"),
    ],
)
def test_what_no_consumer_could_find_is_refused_at_declaration(
    declare: Declare, source: str, message: str
) -> None:
    known = len(registry)
    with pytest.raises(InvalidCommand, match=message):
        declare(source)
    assert len(registry) == known


def test_a_function_cannot_be_decorated_twice(declare: Declare) -> None:
    with pytest.raises(InvalidCommand, match="Only a function can be decorated, not <command made_up.one>"):
        declare("@queue_command\n@queue_command\ndef one(): pass")


def test_a_periodic_function_still_runs_inline_when_called(memory: MemoryQueue, ran: list[Any]) -> None:
    assert leap() == "leapt"
    assert (ran, len(memory)) == (["leap"], 0)
    assert inspect.isfunction(leap)


def test_a_periodic_function_is_a_periodic_command() -> None:
    command_class = registry.get_class("tests.unit.commands_for_tests.leap")
    assert issubclass(command_class, PeriodicQueueCommand)
    command = command_class(((), {}))
    assert command.validate_datetime(datetime(2024, 2, 29, 3, 7, tzinfo=UTC))
    assert not command.validate_datetime(datetime(2024, 2, 28, 3, 7, tzinfo=UTC))


def test_an_async_periodic_function_runs_to_its_end(declare: Declare, ran: list[Any]) -> None:
    module = declare(
        """
        from tests.unit.commands_for_tests import ran
        @periodic_command(crontab())
        async def one():
            ran.append("async")
        """
    )
    registry.get_class("made_up.one")().execute()
    assert ran == ["async"]
    assert inspect.iscoroutinefunction(module.one)


def test_a_subclass_that_inherits_execute_is_a_command_too(declare: Declare) -> None:
    module = declare(
        """
        class Base(QueueCommand):
            def execute(self): return self.step()
            def step(self): return "base"

        class Derived(Base):
            def step(self): return "derived"

        class Nightly(Base, PeriodicQueueCommand):
            def validate_datetime(self, when): return True
        """
    )
    assert module.Base in registry
    assert module.Derived in registry
    assert module.Nightly in registry
    assert {module.Derived.name, module.Nightly.name} == {"made_up.Derived", "made_up.Nightly"}


def test_decorating_bare_with_brackets_and_with_options_is_the_same(declare: Declare) -> None:
    module = declare(
        """
        @queue_command
        def one(): return 1
        @queue_command()
        def two(): return 2
        @queue_command(priority=1)
        def three(): return 3
        """
    )
    assert [f.call() for f in (module.one, module.two, module.three)] == [1, 2, 3]
    assert all(isinstance(f, CommandFunction) for f in (module.one, module.two, module.three))
    assert callable(queue_command)
    assert callable(periodic_command)
