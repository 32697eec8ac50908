"""What a middleware is: one feature, which acts when a message is sent, around its run, and on its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, ClassVar

from djutils.queue.command import Command
from djutils.queue.current import running
from djutils.queue.message import Message, Outcome

Run = Callable[[Command], Any]
"""Runs a command and returns what it returned; in an event loop, an awaitable of that."""

Layer = Callable[[Run], Run]
"""Returns a function that does something around ``run(command)`` and returns what that returned."""


class Middleware:
    """The base class: a subclass defines the moments that it needs, and the others cost nothing.

    There is one instance per process, made without arguments and used by all its threads: keep what belongs
    to one run in local variables, or in a ``ContextVar``.
    """

    options: ClassVar[type | None] = None
    """A ``TypedDict`` of the options it adds to ``@queue_command`` and ``@periodic_command``."""
    call_options: ClassVar[type | None] = None
    """A ``TypedDict`` of the options it adds to ``using()``."""
    extras: ClassVar[tuple[str, ...]] = ()
    """Names of extras that one message may carry and another of its class not, as for an option of ``using()``.

    With one, a call that has options passes through ``sent``, and a message that has extras through ``run``, also where
    ``applies_to`` returns False: these methods check whether it is theirs.
    """

    def applies_to(self, command_class: type[Command]) -> bool:
        """Return whether it acts on commands of this class; asked once per class and process."""
        return True

    def sent(self, command: Command, message: Message) -> Message:
        """Return the message to be sent for ``command``: ``message``, or ``message.with_extras(...)``.

        Called in the caller's process. What it raises is raised to the caller, and nothing is sent.
        """
        return message

    def run(self, command: Command, message: Message) -> Iterator[None]:
        """Yield exactly once: the command runs meanwhile. A generator, as for ``contextlib.contextmanager``.

        Called in the worker for each run. What the command raises is raised by the ``yield``; what leaves this
        generator counts as raised by the command, and an exception that it does not raise again as handled.
        """
        yield

    def settled(self, message: Message, outcome: Outcome) -> None:
        """Take note of the outcome, which is decided and not yet carried out.

        Called in the worker, after the run or where there was none: a command that has killed its processes is
        rejected before it starts. What this raises is logged and changes nothing.
        """


def defines(middleware: Middleware, moment: str) -> bool:
    """Return whether ``middleware`` defines ``moment``, instead of inheriting what does nothing."""
    return getattr(type(middleware), moment) is not getattr(Middleware, moment)


def layer_of(middleware: Middleware) -> Layer:
    """Return the run moment of ``middleware`` as a layer."""
    around = contextmanager(middleware.run)

    def layer(run: Run) -> Run:
        def run_inside(command: Command) -> Any:
            message = running.get().message  # type: ignore[union-attr]  # the executor has entered it
            with around(command, message):
                return run(command)

        return run_inside

    return layer


def awaited_layer_of(middleware: Middleware) -> Layer:
    """Return the run moment of ``middleware`` as a layer around a run that is awaited."""
    around = contextmanager(middleware.run)

    def layer(run: Run) -> Run:
        async def run_inside(command: Command) -> Any:
            message = running.get().message  # type: ignore[union-attr]  # the executor has entered it
            with around(command, message):
                return await run(command)

        return run_inside

    return layer


def compose(layers: Sequence[Layer], heart: Run) -> Run:
    """Return ``heart`` wrapped in ``layers``, with the first one outermost."""
    return reduce(lambda run, layer: layer(run), reversed(layers), heart)
