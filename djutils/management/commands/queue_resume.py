"""``manage.py queue_resume``: let consumers begin the commands of a paused queue again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from djutils.management.pausing import ActsOnQueue, state_of
from djutils.queue import pausing
from djutils.queue.dead_letters import operator


class Command(ActsOnQueue):
    """Resumes a queue that was paused."""

    help = "Resume a queue that queue_pause has paused."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the queue")
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        queue = self.queue_of(options)
        was_paused = pausing.resume(queue, operator())
        self.commit(queue)
        state, told = state_of(queue)
        what = "is resumed" if was_paused else "was not paused; nothing was changed"
        return f"The queue '{queue.name}' {what}. {state}", told | {"paused": None, "was_paused": was_paused}
