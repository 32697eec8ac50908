"""``manage.py queue_resume``: let consumers begin the commands of a paused queue, or a paused command, again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from djutils.management.pausing import ActsOnQueue, state_of
from djutils.queue import pausing
from djutils.queue.backends.base import BaseQueue
from djutils.queue.dead_letters import operator
from djutils.queue.queue import Invoker


class Command(ActsOnQueue):
    """Resumes a queue or a command that was paused."""

    help = "Resume a queue, or a command, that queue_pause has paused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", metavar="NAME", help="the queue")
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if options["name"] is None and options["command"] is None:
            raise CommandError("Name the queue to resume, or give --command; nothing was changed.")
        queue = self.queue_of(options)
        if options["command"] is not None:
            return self._resume_command(queue, options["command"])
        was_paused = pausing.resume(queue, operator())
        self.commit(queue)
        state, told = state_of(queue)
        what = "is resumed" if was_paused else "was not paused; nothing was changed"
        return f"The queue '{queue.name}' {what}. {state}", told | {"paused": None, "was_paused": was_paused}

    def _resume_command(self, queue: BaseQueue, name: str) -> tuple[str, dict[str, Any]]:
        was_paused = Invoker(queue).resume(queue.name, command=name)
        self.commit(queue)
        state, told = state_of(queue)
        what = "is resumed" if was_paused else "was not paused; nothing was changed"
        text = f"The command '{name}' of the queue '{queue.name}' {what}. {state}"
        return text, told | {"command": name, "paused": None, "was_paused": was_paused}
