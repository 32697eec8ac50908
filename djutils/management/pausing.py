"""What ``manage.py queue_pause`` and ``queue_resume`` have in common: a queue or a command, its state, two formats."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from djutils.management.showing import OfQueues
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, counts_of
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.conf import settings
from djutils.queue.exceptions import QueueException
from djutils.queue.registry import registry


class ActsOnQueue(OfQueues):
    """A management command that does something to one queue and says in which state the queue is then."""

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add(
            "--command",
            default=None,
            metavar="COMMAND",
            help="only this command, on its own queue or on NAME",
        )
        add("--format", choices=("text", "json"), default="text", help="for people or for programs (text)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text, told = self.act(options)
        except (QueueException, DatabaseError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error
        if options["format"] == "json":
            self.write_json(told)
        else:
            self.stdout.write(text)

    @abstractmethod
    def act(self, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Do it; return what to say to people, and to programs."""

    def queue_of(self, options: dict[str, Any]) -> BaseQueue:
        """Return the queue that is named, or that of the command; refuse one that only another process could see."""
        command = registry.known(options["command"] or "")
        queue = queues[options["name"] or (command and command.queue_name) or settings.queue_name]
        if self.is_alone() and isinstance(queue, MemoryQueue):
            raise CommandError(
                "MemoryQueue: only the process that made it can pause it; nothing was changed."
            )
        return queue


def state_of(queue: BaseQueue) -> tuple[str, dict[str, Any]]:
    """Return how many messages wait and how many worker processes there are, as text and as values for JSON."""
    counts = counts_of(queue)
    workers = len(queue.owners()) if queue.supports_leases else None
    with_workers = "" if counts["leased"] is None else f", {counts['leased']} are with workers"
    waiting = (counts["ready"] or 0) + (counts["delayed"] or 0) + (counts["waiting"] or 0)
    text = f"{waiting} messages wait{with_workers}."
    if workers == 0:
        text += " No worker process is registered for it: check its name if you expect one."
    return text, {"queue": queue.name, "counts": counts, "workers": workers}
