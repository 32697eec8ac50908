"""``manage.py queue_pause``: let no consumer begin any command of a queue, or one command; or list what is paused."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from djutils.management.pausing import ActsOnQueue, state_of
from djutils.queue import command_pauses, pausing
from djutils.queue.backends.base import BaseQueue
from djutils.queue.command_pauses import as_json
from djutils.queue.dead_letters import operator
from djutils.queue.inspecting import known_queues
from djutils.queue.wording import plain


class Command(ActsOnQueue):
    """Pauses a queue, or one command; without a name, lists what is paused."""

    help = "Pause a queue, or one command: no consumer begins it until queue_resume. Without a name: list what is paused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", metavar="NAME", help="the queue")
        parser.add_argument("--reason", default="", help="why, for operators who find it paused")
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if options["name"] is None and options["command"] is None:
            if options["reason"]:
                raise CommandError("Name the queue to pause; nothing was changed.")
            return _listed()
        queue = self.queue_of(options)
        if options["command"] is not None:
            return self._pause_command(queue, options)
        pause = pausing.pause(queue, options["reason"], operator())
        self.commit(queue)
        state, told = state_of(queue)
        text = (
            f"The queue '{queue.name}' is {pause}. Within a second no consumer begins any of its commands; those that "
            f"run go on. {state}"
        )
        return text, told | {"paused": pause.as_json()}

    def _pause_command(self, queue: BaseQueue, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = command_pauses.class_of(options["command"]).name
        pause = command_pauses.pause(queue, name, options["reason"], operator())
        self.commit(queue)
        state, told = state_of(queue)
        text = (
            f"The command '{name}' of the queue '{queue.name}' is {pause}. Within a second no consumer begins it; what runs "
            f"goes on, and so do other commands. {state}"
        )
        return text, told | {"command": name, "paused": pause.as_json()}


def _listed() -> tuple[str, dict[str, Any]]:
    chosen = known_queues(None)
    found = {queue.name: pausing.find(queue) for queue in chosen}
    paused = {name: pause for name, pause in found.items() if pause is not None}
    lines = [f"The queue '{name}' is {pause}." for name, pause in paused.items()]
    commands = {queue.name: command_pauses.find(queue) for queue in chosen}
    lines += [
        f"The command '{plain(command)}' of the queue '{name}' is {pause}."
        for name, pauses in commands.items()
        for command, pause in pauses.items()
    ]
    names = ", ".join(f"'{queue.name}'" for queue in chosen)
    return (
        "\n".join(lines)
        or f"None of the queues that the project knows is paused: {names}. Nor is a command of theirs.",
        {
            "queues": [*found],
            "paused": {name: pause.as_json() for name, pause in paused.items()},
            "paused_commands": {name: as_json(pauses) for name, pauses in commands.items() if pauses},
        },
    )
