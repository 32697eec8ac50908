"""The registry: finds commands by name, and turns commands into messages and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from difflib import get_close_matches

from .backends.base import BaseQueue
from .command import Command
from .command_options import due_at
from .conf import settings
from .exceptions import InvalidCommand, UnknownCommand
from .findable import is_being_loaded, refuse_unfindable
from .ids import new_id
from .message import Message, make


class CommandRegistry:
    """Maps names to command classes."""

    def __init__(self) -> None:
        self._commands: dict[str, type[Command]] = {}
        self.finders: list[Callable[[str], type[Command] | None]] = []
        """Asked in turn for a name that is not registered; only names in messages that we have signed get here."""
        self.findable: set[type[Command]] = set()
        """Commands that a consumer can find, as far as this process can tell; the others were not checked yet."""

    def known(self, name: str) -> type[Command] | None:
        """Return the command class that is registered as ``name``; None if there is none."""
        return self._commands.get(name)

    def register(self, command_class: type[Command]) -> None:
        """Register ``command_class`` under its name.

        Raises ``InvalidCommand`` if another one has that name; loading the same source again
        replaces it.
        """
        known = self._commands.get(command_class.name)
        if known is not None and _origin(known) != _origin(command_class):
            raise InvalidCommand(
                f"Two commands are named '{command_class.name}', at {known.source()} and at "
                f"{command_class.source()}: rename one, or give it its own name (name='...')."
            )
        if known is not None:
            self.findable.discard(known)
        self._commands[command_class.name] = command_class
        if command_class.__module__ != "__main__" and is_being_loaded():
            self.findable.add(command_class)

    def unregister(self, command_class: type[Command]) -> None:
        """Remove ``command_class``; raise ``UnknownCommand`` if it is not registered."""
        if command_class not in self:
            raise UnknownCommand(f"'{command_class.name}' is not registered.")
        del self._commands[command_class.name]
        self.findable.discard(command_class)

    def mark_all_findable(self) -> None:
        """Note that consumers can find every command that is registered now: this process is a consumer."""
        self.findable.update(self._commands.values())

    def refuse_unfindable(self, command_class: type[Command], queue: BaseQueue) -> None:
        """Raise ``InvalidCommand`` if no consumer of ``queue`` can find ``command_class``.

        If that is only likely, a warning is logged once.
        """
        if command_class in self and refuse_unfindable(command_class, queue):
            self.findable.add(command_class)

    def __contains__(self, command: type[Command] | str) -> bool:
        """Return whether a class, or the name of one, is registered."""
        if isinstance(command, str):
            return command in self._commands
        name = getattr(command, "name", "")
        return bool(name) and self._commands.get(name) is command

    def __iter__(self) -> Iterator[type[Command]]:
        return iter(sorted(self._commands.values(), key=lambda command: command.name))

    def __len__(self) -> int:
        return len(self._commands)

    def queue_names(self) -> list[str]:
        """Return the queues that the project knows: the default one first, then those of commands and ``QUEUES``."""
        named = {command.queue_name for command in self._commands.values() if command.queue_name}
        return [settings.queue_name, *sorted(named.union(settings.listed_queues) - {settings.queue_name})]

    def get_periodic_commands(self) -> list[Command]:
        """Return one instance of each periodic command, sorted by name."""
        return [command() for command in self if hasattr(command, "validate_datetime")]

    def get_message_for_command(self, command: Command, queue: str = "") -> Message:
        """Return a new message that requests a run of ``command``.

        ``queue`` is the queue it will be signed for, by default the command's own. Raises
        ``UnknownCommand`` for a class that is not registered, ``NotPicklable`` for data that
        cannot be pickled, ``InvalidCommand`` for an invalid ``run_after``.
        """
        if self._commands.get(command.name) is not type(command):
            raise UnknownCommand(
                f"'{command.name or type(command).__qualname__}' is not registered: no consumer could "
                f"find it. Define it, with its execute(), at the top level of a module, best an app's "
                f"commands.py."
            )
        eta = due_at(command.run_after) if command.run_after else None
        queue = queue or command.queue_name or ""
        body, priority = command.dump(command.data), command.priority
        return make(Message, (new_id(), command.name, queue, time.time(), body, eta, priority, 1, b""))

    def get_command_for_message(self, message: Message) -> Command:
        """Return the command that ``message`` requests, with its data.

        The message must come from ``codec.decode``, which verified it. Raises ``UnknownCommand``
        before anything is unpickled, and ``NotUnpicklable`` if unpickling fails.
        """
        command_class = self.get_class(message.command)
        return command_class(command_class.load(message.body))

    def get_class(self, name: str) -> type[Command]:
        """Return the command class registered as ``name``; raise ``UnknownCommand`` if there is none."""
        try:
            return self._commands[name]
        except KeyError:
            for find in self.finders:
                if found := find(name):
                    return found
            near = get_close_matches(name, self._commands, n=1)
            hint = f" The nearest is '{near[0]}'." if near else ""
            raise UnknownCommand(
                f"No command named '{name}' is registered here.{hint} Is its module a commands.py "
                f"of an installed app, and does this consumer run the newest code?"
            ) from None


def _origin(command_class: type[Command]) -> tuple[str, str]:
    return command_class.__qualname__, command_class.source()


registry = CommandRegistry()
