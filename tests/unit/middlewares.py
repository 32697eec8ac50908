"""A project's own middleware, for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Annotated, Any, TypedDict

from djutils.queue import Drop, Middleware
from djutils.queue.command import Command
from djutils.queue.command_options import Option
from djutils.queue.message import Message, Outcome

tenant: ContextVar[str] = ContextVar("tenant", default="none")
seen: list[Any] = []


class CarryTenant(Middleware):
    """The tenant of the caller is that of the run."""

    def sent(self, command: Command, message: Message) -> Message:
        return message.with_extras(tenant=tenant.get())

    def run(self, command: Command, message: Message) -> Iterator[None]:
        token = tenant.set(message.extras.get("tenant", "of an older release"))
        try:
            yield
        finally:
            tenant.reset(token)


class Note(Middleware):
    """Notes each moment."""

    def run(self, command: Command, message: Message) -> Iterator[None]:
        seen.append("before")
        try:
            yield
        except Exception as error:
            seen.append(type(error).__name__)
            raise
        else:
            seen.append("returned")

    def settled(self, message: Message, outcome: Outcome) -> None:
        seen.append((message.command.rpartition(".")[2], outcome.action.name))


class Outer(Middleware):
    def run(self, command: Command, message: Message) -> Iterator[None]:
        seen.append("outer")
        yield


class OnlyOthers(Note):
    """Not for commands named ``record``."""

    def applies_to(self, command_class: type[Command]) -> bool:
        return not command_class.name.endswith(".record")


class Forgive(Middleware):
    def run(self, command: Command, message: Message) -> Iterator[None]:
        try:
            yield
        except ValueError:
            seen.append("forgiven")


class NeverRuns(Middleware):
    def run(self, command: Command, message: Message) -> Iterator[None]:
        yield from ()


class RunsTwice(Middleware):
    def run(self, command: Command, message: Message) -> Iterator[None]:
        yield
        yield


class DropAll(Middleware):
    def run(self, command: Command, message: Message) -> Iterator[None]:
        raise Drop("it is too late")
        yield


class RefuseAll(Middleware):
    def sent(self, command: Command, message: Message) -> Message:
        raise PermissionError("not today")


class ReturnNothing(Middleware):
    def sent(self, command: Command, message: Message) -> Message:
        message.with_extras(lost=True)
        return None  # type: ignore[return-value]


class ChangeTheQueue(Middleware):
    def sent(self, command: Command, message: Message) -> Message:
        return message._replace(queue="elsewhere")


class BreakAfterwards(Middleware):
    def settled(self, message: Message, outcome: Outcome) -> None:
        raise ZeroDivisionError


class Weight(TypedDict, total=False):
    weight: Annotated[int, Option(lambda value: isinstance(value, int), "an integer")]


class Shade(TypedDict, total=False):
    shade: str


class Weigh(Middleware):
    """Has an option for the declaration and one for the call."""

    options = Weight
    call_options = Shade

    def sent(self, command: Command, message: Message) -> Message:
        return message.with_extras(
            weight=getattr(command, "weight", 1), shade=getattr(command, "shade", "none")
        )


class NeedsArguments(Middleware):
    def __init__(self, size: int) -> None:
        self.size = size
