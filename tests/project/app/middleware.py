"""The test project's own middleware: the tenant of the caller is that of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar

from djutils.queue import Middleware
from djutils.queue.command import Command
from djutils.queue.message import Message, Outcome

from .files import write

tenant: ContextVar[str] = ContextVar("tenant", default="none")
diary: ContextVar[str] = ContextVar("diary", default="")


class CarryTenant(Middleware):
    """Carries the tenant, and the file in which outcomes are noted."""

    def sent(self, command: Command, message: Message) -> Message:
        return message.with_extras(tenant=tenant.get(), diary=diary.get())

    def run(self, command: Command, message: Message) -> Iterator[None]:
        tenant.set(message.extras["tenant"])
        yield

    def settled(self, message: Message, outcome: Outcome) -> None:
        write(message.extras["diary"], f"{message.extras['tenant']} {outcome.action.name}")
