"""What an invoker offers to pause and resume queues, and single commands."""

from __future__ import annotations

from abc import ABC, abstractmethod

from asgiref.sync import sync_to_async

from . import command_pauses, pausing
from .backends.base import BaseQueue
from .command_pauses import AnyCommand
from .dead_letters import operator
from .event_loops import refuse_coroutine
from .pausing import Pause
from .reading import searched_queues
from .registry import registry


class Pauser(ABC):
    """Pauses, resumes and lists, for an invoker that knows its queues."""

    @property
    @abstractmethod
    def queue(self) -> BaseQueue:
        """The queue for commands that do not name one."""

    @abstractmethod
    def _queue_called(self, name: str | None) -> BaseQueue:
        """Return the queue of this name; without one, ``queue``."""

    def pause(
        self,
        queue_name: str | None = None,
        *,
        command: AnyCommand | None = None,
        reason: str = "",
        by: str = "",
    ) -> Pause:
        """Pause a queue: within a second no consumer begins any of its commands, until ``resume()``.

        With ``command``, given as its name, its class or the decorated function, only that is paused, on its own queue or
        on the one that is named; other commands go on. Raises ``UnknownCommand`` for one that is not registered here.

        What runs goes on; calls are enqueued as ever. ``by`` is who asks for it, by default the user of this
        process. A queue that is paused stays so since the same moment, for the new reason. In a transaction of the
        queue's database it counts when that commits. Raises ``QueueException`` for a backend without a store, and
        ``BackendError``, after which the queue may be paused or not.
        """
        queue = self._queue_of(queue_name, command)
        refuse_coroutine(queue, "await invoker.apause(...)")
        if command is None:
            return pausing.pause(queue, reason, by or operator())
        return command_pauses.pause(queue, command_pauses.class_of(command).name, reason, by or operator())

    async def apause(
        self,
        queue_name: str | None = None,
        *,
        command: AnyCommand | None = None,
        reason: str = "",
        by: str = "",
    ) -> Pause:
        """As ``pause``, from a coroutine."""
        return await sync_to_async(self.pause)(queue_name, command=command, reason=reason, by=by)

    def resume(
        self, queue_name: str | None = None, *, command: AnyCommand | None = None, by: str = ""
    ) -> bool:
        """Let consumers begin the commands of a queue, or one command, again; return whether it was paused.

        Otherwise as ``pause``; a command that is paused and not registered any more can be resumed by its name.
        """
        queue = self._queue_of(queue_name, command)
        refuse_coroutine(queue, "await invoker.aresume(...)")
        if command is None:
            return pausing.resume(queue, by or operator())
        name = command_pauses.name_of(command)
        if name not in command_pauses.find(queue):
            command_pauses.class_of(command)
        return command_pauses.resume(queue, name, by or operator())

    async def aresume(
        self, queue_name: str | None = None, *, command: AnyCommand | None = None, by: str = ""
    ) -> bool:
        """As ``resume``, from a coroutine."""
        return await sync_to_async(self.resume)(queue_name, command=command, by=by)

    def paused(self, queue_name: str | None = None) -> dict[str, Pause]:
        """Return the paused ones among the queues that the project knows, or only the one that is named, by name.

        Raises ``BackendError``.
        """
        found = {name: pausing.find(queue) for name, queue in self._looked_through(queue_name).items()}
        return {name: pause for name, pause in found.items() if pause is not None}

    async def apaused(self, queue_name: str | None = None) -> dict[str, Pause]:
        """As ``paused``, from a coroutine."""
        return await sync_to_async(self.paused)(queue_name)

    def paused_commands(self, queue_name: str | None = None) -> dict[str, dict[str, Pause]]:
        """Return the commands that are paused, by the names of their queues: of those that ``paused()`` looks through.

        Raises ``BackendError``.
        """
        found = {name: command_pauses.find(queue) for name, queue in self._looked_through(queue_name).items()}
        return {name: pauses for name, pauses in found.items() if pauses}

    async def apaused_commands(self, queue_name: str | None = None) -> dict[str, dict[str, Pause]]:
        """As ``paused_commands``, from a coroutine."""
        return await sync_to_async(self.paused_commands)(queue_name)

    def _queue_of(self, name: str | None, command: AnyCommand | None) -> BaseQueue:
        """Return the queue of this name; without one, that of ``command``, if it is registered and names one."""
        if name is None and command is not None:
            known = registry.known(command_pauses.name_of(command))
            name = known.queue_name if known else None
        return self._queue_called(name)

    def _looked_through(self, name: str | None) -> dict[str, BaseQueue]:
        names = [name] if name else [self.queue.name, *searched_queues()]
        chosen = {name: self._queue_called(name) for name in names}
        for queue in chosen.values():
            refuse_coroutine(queue, "await invoker.apaused(...)")
        return chosen
