"""The registry knows every command by name, and turns commands into messages and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from djutils.queue import codec
from djutils.queue.exceptions import InvalidCommand, NotUnpicklable, UnknownCommand
from djutils.queue.queue import PeriodicQueueCommand, QueueCommand
from djutils.queue.registry import CommandRegistry, registry

from .commands_for_tests import Bomb, Greeting, LeapClass, Spoilt, elsewhere, record
from .conftest import Declare
from .helpers import make_message


def test_a_command_class_is_in_the_registry_under_its_module_and_name() -> None:
    assert Greeting in registry
    assert LeapClass in registry
    assert record.command_class in registry
    assert registry.get_class("tests.unit.commands_for_tests.Greeting") is Greeting
    assert registry.get_class("tests.unit.commands_for_tests.record") is record.command_class


@pytest.mark.parametrize("base", [QueueCommand, PeriodicQueueCommand])
def test_a_base_class_is_no_command(base: type[QueueCommand]) -> None:
    assert base not in registry


def test_registries_share_nothing() -> None:
    mine = CommandRegistry()
    assert Greeting not in mine
    assert len(mine) == 0
    mine.register(Greeting)
    assert (Greeting in mine, len(mine), list(mine)) == (True, 1, [Greeting])
    mine.unregister(Greeting)
    assert (Greeting in mine, Greeting in registry) == (False, True)


def test_unregister_refuses_what_it_does_not_know() -> None:
    with pytest.raises(UnknownCommand, match="'tests.unit.commands_for_tests.Greeting' is not registered"):
        CommandRegistry().unregister(Greeting)


def test_it_lists_the_commands_by_name() -> None:
    names = [command_class.name for command_class in registry]
    assert names == sorted(names)
    assert Greeting.name in names


@pytest.mark.parametrize("data", [None, "you", {"a": [1, 2]}, ((1, 2), {"three": 3}), datetime.now(UTC)])
def test_a_command_becomes_a_message_and_a_command_again(data: object) -> None:
    message = registry.get_message_for_command(Greeting(data))
    command = registry.get_command_for_message(message)
    assert type(command) is Greeting
    assert command.data == data


def test_a_message_carries_what_the_command_asks_for() -> None:
    when = datetime(2030, 1, 1, tzinfo=UTC)
    command = elsewhere.using(run_after=when).command("x")
    message = registry.get_message_for_command(command)
    assert (message.queue, message.priority, message.eta) == ("unit.other", 7, when.timestamp())
    assert message.attempt == 1
    assert registry.get_message_for_command(command, "another").queue == "another"
    assert registry.get_message_for_command(command).id != message.id


def test_a_command_that_is_not_registered_becomes_no_message(declare: Declare) -> None:
    module = declare("class Forgotten(QueueCommand):\n    def execute(self): pass")
    registry.unregister(module.Forgotten)
    with pytest.raises(UnknownCommand, match="'made_up.Forgotten' is not registered: no consumer could find"):
        registry.get_message_for_command(module.Forgotten())
    registry.register(module.Forgotten)


def test_a_command_without_execute_becomes_no_message(declare: Declare) -> None:
    module = declare("class Abstract(QueueCommand): pass")
    assert module.Abstract not in registry
    with pytest.raises(UnknownCommand, match="Abstract"):
        registry.get_message_for_command(module.Abstract())


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownCommand, match=r"The nearest is 'tests\.unit\.commands_for_tests\.Greeting'"):
        registry.get_class("tests.unit.commands_for_tests.Greting")
    with pytest.raises(UnknownCommand, match=r"'zzz' is registered here\. Is its module a commands\.py"):
        registry.get_class("zzz")


def test_an_unknown_command_is_not_unpickled(tmp_path: Path) -> None:
    bomb = tmp_path / "went off"
    message = make_message("no.such.command", body=codec.dump(Bomb(str(bomb))))
    with pytest.raises(UnknownCommand):
        registry.get_command_for_message(message)
    assert not bomb.exists()


def test_data_that_cannot_be_unpickled_is_told_from_an_unknown_command() -> None:
    with pytest.raises(NotUnpicklable, match="the class has changed"):
        registry.get_command_for_message(make_message(Greeting.name, body=codec.dump(Spoilt())))


TWICE = """
@queue_command
def twice(): pass

class Twice(QueueCommand):
    def execute(self): pass
"""


def test_loading_the_same_source_again_replaces_the_command(declare: Declare) -> None:
    first = declare(TWICE)
    second = declare(TWICE)
    assert first is second
    assert second.Twice in registry
    assert second.twice.command_class in registry


@pytest.mark.parametrize(
    "source",
    [
        "@queue_command(name='same')\ndef one(): pass\n@queue_command(name='same')\ndef two(): pass",
        "@queue_command\ndef one(): pass\n@queue_command\ndef one(): pass",
        (
            "class One(QueueCommand):\n  name = 'a'\n  def execute(self): pass\n"
            "class Two(QueueCommand):\n  name = 'a'\n  def execute(self): pass\n"
        ),
        (
            "@queue_command(name='same')\ndef one(): pass\n"
            "@periodic_command(crontab(), name='same')\ndef two(): pass"
        ),
    ],
)
def test_two_commands_of_one_name_are_refused_and_both_places_named(declare: Declare, source: str) -> None:
    with pytest.raises(
        InvalidCommand, match=r"Two commands are named .* at made_up\.py:\d+ and at made_up\.py"
    ):
        declare(source)


def test_two_commands_of_one_name_are_refused_even_under_the_same_decorator(declare: Declare) -> None:
    source = """
    from django.db import transaction

    @queue_command(name="same")
    @transaction.atomic
    def one(): pass

    @queue_command(name="same")
    @transaction.atomic
    def two(): pass
    """
    with pytest.raises(InvalidCommand, match=r"Two commands are named 'same', at made_up\.py"):
        declare(source)


def test_two_modules_may_use_one_function_name(declare: Declare) -> None:
    source = "@queue_command\ndef one(): pass"
    one, two = declare(source, "made_up_1"), declare(source, "made_up_2")
    assert one.one.command_class.name == "made_up_1.one"
    assert two.one.command_class in registry
