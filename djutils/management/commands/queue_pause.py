"""``manage.py queue_pause``: let no consumer begin any command of a queue, or list the queues that are paused."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from djutils.management.pausing import ActsOnQueue, state_of
from djutils.queue import pausing
from djutils.queue.dead_letters import operator
from djutils.queue.inspecting import known_queues


class Command(ActsOnQueue):
    """Pauses a queue; without a name, lists those that are paused."""

    help = "Pause a queue: no consumer begins any of its commands until queue_resume. Without a name: list those that are paused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", metavar="NAME", help="the queue")
        parser.add_argument("--reason", default="", help="why, for operators who find it paused")
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if options["name"] is None:
            if options["reason"]:
                raise CommandError("Name the queue to pause; nothing was changed.")
            return _listed()
        queue = self.queue_of(options)
        pause = pausing.pause(queue, options["reason"], operator())
        self.commit(queue)
        state, told = state_of(queue)
        text = (
            f"The queue '{queue.name}' is {pause}. Within a second no consumer begins any of its commands; those that "
            f"run go on. {state}"
        )
        return text, told | {"paused": pause.as_json()}


def _listed() -> tuple[str, dict[str, Any]]:
    chosen = known_queues(None)
    found = {queue.name: pausing.find(queue) for queue in chosen}
    paused = {name: pause for name, pause in found.items() if pause is not None}
    lines = [f"The queue '{name}' is {pause}." for name, pause in paused.items()]
    names = ", ".join(f"'{queue.name}'" for queue in chosen)
    return (
        "\n".join(lines) or f"None of the queues that the project knows is paused: {names}.",
        {"queues": [*found], "paused": {name: pause.as_json() for name, pause in paused.items()}},
    )
