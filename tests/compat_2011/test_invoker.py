"""What the invoker and the registry of 2011 did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue
from djutils.queue.exceptions import ForeignMessage, InvalidMessage
from djutils.queue.queue import PeriodicQueueCommand, invoker
from djutils.queue.registry import registry
from djutils.queue.signals import command_enqueued

from . import commands
from .commands import BampfException, EveryOtherHour, UserCommand, throw_error, user_command

PLACE = commands.__name__


def test_what_is_enqueued_runs_when_it_is_dequeued(queue: BaseQueue, done: list[Any]) -> None:
    handle = invoker.enqueue(UserCommand(("ada", "ada@example.com")))
    assert (len(queue), len(invoker), done) == (1, 1, [])
    assert invoker.dequeue() == handle
    assert (len(queue), done) == (0, [("ada", "ada@example.com")])


def test_a_decorated_function_does_the_same(queue: BaseQueue, done: list[Any]) -> None:
    user_command("ada", address="ada@example.com")
    assert done == []
    assert invoker.dequeue()
    assert done == [("ada", "ada@example.com")]


def test_an_empty_queue_is_false_and_no_error(queue: BaseQueue) -> None:
    assert not invoker.dequeue()
    assert not invoker.dequeue()


def test_a_loop_runs_everything_in_order(queue: BaseQueue, done: list[Any]) -> None:
    for number in range(5):
        user_command("ada", str(number))
    count = 0
    while invoker.dequeue():
        count += 1
    assert (count, [address for _, address in done]) == (5, ["0", "1", "2", "3", "4"])


def test_what_a_command_raises_comes_out_and_it_is_not_tried_again(queue: BaseQueue) -> None:
    handle = throw_error()
    with pytest.raises(BampfException, match="bampf"):
        invoker.dequeue()
    assert len(invoker) == 0
    assert not invoker.dequeue()
    (letter,) = queue.dead_letters()
    assert (letter.id, letter.reason) == (handle.id, f"{PLACE}.BampfException: bampf")
    assert "throw_error" in letter.error
    assert queue.replay() == 1
    assert len(invoker) == 1


def test_flush_forgets_everything(queue: BaseQueue, done: list[Any]) -> None:
    user_command("ada", "x")
    invoker.flush()
    assert (len(invoker), invoker.dequeue(), done) == (0, None, [])


def test_what_is_not_genuine_comes_out_as_an_error_and_is_kept(
    queue: BaseQueue, settings: Settings, done: list[Any]
) -> None:
    queue.write(b"hello")
    with pytest.raises(InvalidMessage):
        invoker.dequeue()
    settings.QUEUE_SIGNING_KEYS = ["the key of another site"]
    user_command("ada", "x")
    settings.QUEUE_SIGNING_KEYS = None
    with pytest.raises(ForeignMessage):
        invoker.dequeue()
    assert (len(queue), len(queue.dead_letters()), done) == (0, 2, [])
    assert {letter.attempts for letter in queue.dead_letters()} == {0}


def test_what_is_not_due_is_left(queue: BaseQueue, done: list[Any]) -> None:
    user_command.using(run_after=timedelta(hours=1))("ada", "later")
    user_command("ada", "now")
    assert invoker.dequeue()
    assert (invoker.dequeue(), len(queue), done) == (None, 1, [("ada", "now")])


def test_who_is_interrupted_gives_it_back(queue: BaseQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    if not queue.supports_leases:
        pytest.skip("four methods have taken it away by then")

    def interrupt(self: UserCommand) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(UserCommand, "execute", interrupt)
    invoker.enqueue(UserCommand(("ada", "x")))
    with pytest.raises(KeyboardInterrupt):
        invoker.dequeue()
    monkeypatch.undo()
    assert invoker.dequeue()


def test_in_a_transaction_that_is_rolled_back_nothing_was_dequeued(queue: BaseQueue, done: list[Any]) -> None:
    alias = queue.transaction_alias
    if alias is None:
        pytest.skip("not in a database")
    user_command("ada", "x")
    with transaction.atomic(using=alias):
        assert invoker.dequeue()
        transaction.set_rollback(True, using=alias)
    assert len(queue) == 1


# The clock


def test_the_registry_has_the_periodic_commands() -> None:
    found = registry.get_periodic_commands()
    mine = [command for command in found if command.name.startswith(PLACE)]
    assert all(isinstance(command, PeriodicQueueCommand) for command in found)
    assert [command.name for command in mine] == [f"{PLACE}.EveryOtherHour", f"{PLACE}.at_night"]
    assert not any(isinstance(command, UserCommand) for command in found)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (datetime(2011, 1, 1, 2, 0), ["every other hour"]),
        (datetime(2011, 1, 1, 3, 15), ["at night"]),
        (datetime(2011, 1, 1, 3, 16), []),
    ],
)
def test_those_that_are_due_are_enqueued(
    queue: BaseQueue, done: list[Any], when: datetime, expected: list[str]
) -> None:
    names: list[str] = []

    def listen(message: Any, **_: Any) -> None:
        names.append(message.command)

    command_enqueued.connect(listen)
    try:
        handles = invoker.enqueue_periodic_commands(when)
    finally:
        command_enqueued.disconnect(listen)
    assert [handle.command for handle in handles] == names
    while invoker.dequeue():
        pass
    assert done == expected


@pytest.mark.parametrize("use_tz", [True, False])
def test_without_a_time_it_is_now(
    queue: BaseQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch, use_tz: bool
) -> None:
    settings.USE_TZ, settings.TIME_ZONE = use_tz, "Asia/Kathmandu"
    asked: list[datetime] = []

    def ask(self: EveryOtherHour, when: datetime) -> bool:
        asked.append(when)
        return False

    monkeypatch.setattr(EveryOtherHour, "validate_datetime", ask)
    invoker.enqueue_periodic_commands()
    (when,) = asked
    assert (when.tzinfo is not None) is use_tz


# The registry


def test_a_class_and_a_dotted_name_are_in_the_registry() -> None:
    assert UserCommand in registry
    assert user_command.command_class in registry
    assert f"{PLACE}.UserCommand" in registry
    assert f"{PLACE}.user_command" in registry
    assert f"{PLACE}.unheard_of" not in registry
    assert "" not in registry
    assert PeriodicQueueCommand not in registry
    assert str not in registry  # type: ignore[operator]  # any value may be looked up


def test_a_message_goes_there_and_back(queue: BaseQueue) -> None:
    message = registry.get_message_for_command(UserCommand((1, 2)), queue.name)
    command = registry.get_command_for_message(codec.decode(codec.encode(message), queue.name))
    assert (type(command), command.data) == (UserCommand, (1, 2))
