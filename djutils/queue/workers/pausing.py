"""Pausing: asks the stores what is paused, and says it in memory that the worker processes look at."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf

from djutils.queue import command_pauses, pausing
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.border import border
from djutils.queue.command_pauses import CommandPauses
from djutils.queue.pausing import Pause

from .chore import Chore, Stores
from .paused_commands import PausedCommands, digest_of
from .switches import OPEN, PAUSED

logger = logging.getLogger("djutils.queue.workers.pausing")

EVERY = 0.5
"""Seconds between two looks: with what a worker process needs to notice, a pause takes effect within one."""
_KEYS = (pausing.KEY, command_pauses.KEY)


class Pausing(Chore):
    """Looks twice a second, with one call per queue. While a store cannot be reached, all of its queue stays as it is."""

    name = "looking what is paused"

    def __init__(
        self,
        stores: Stores,
        switches: memoryview,
        paused_commands: PausedCommands,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stores = stores
        self._switches = switches
        self._paused_commands = paused_commands
        self._monotonic = monotonic
        self._next = monotonic()
        self.commands: dict[str, CommandPauses] = {}
        """What was found last of the commands of each queue."""

    def due_in(self) -> float:
        return self._next - self._monotonic()

    def do(self) -> None:
        """Publish what is paused; log what has changed."""
        self._stores.open()
        some = False
        for number, queue in enumerate(self._stores.queues.values()):
            with border(queue):
                some = some or queue.store is not None
                kept = {} if queue.store is None else queue.store.get(_KEYS)
            # The commands first: once the switch is open, messages begin.
            self._publish(queue, CommandPauses.of(kept.get(command_pauses.KEY)))
            self._set(number, queue.name, pausing.read(kept.get(pausing.KEY)))
        self._next = self._monotonic() + EVERY if some else inf

    def _set(self, number: int, name: str, pause: Pause | None) -> None:
        before, now = self._switches[number], OPEN if pause is None else PAUSED
        self._switches[number] = now
        if before != now and pause is not None:
            logger.warning(
                "The queue '%s' is paused%s: commands that run go on, and no other of its commands begins here until "
                "it is resumed.",
                name,
                str(pause).removeprefix("paused"),
            )
        elif before == PAUSED and pause is None:
            logger.info("The queue '%s' is resumed.", name)

    def _publish(self, queue: BaseQueue, found: CommandPauses) -> None:
        is_first = queue.name not in self.commands
        before = {} if is_first else self.commands[queue.name].paused
        self.commands[queue.name] = found
        if found.paused.keys() == before.keys() and not is_first:
            return
        digests = {digest_of(name, one) for name, known in self.commands.items() for one in known.paused}
        if len(self.commands) < len(self._stores.queues):
            # What the last maintainer has published of the others holds until they were asked.
            digests |= self._paused_commands.current()
        self._paused_commands.publish(digests)
        for command in found.paused.keys() - before.keys():
            logger.warning(
                "The command '%s' of the queue '%s' is paused%s: what runs goes on, and no other call of it begins here "
                "until it is resumed.",
                command,
                queue.name,
                str(found.paused[command]).removeprefix("paused"),
            )
        for command in before.keys() - found.paused.keys():
            logger.info("The command '%s' of the queue '%s' is resumed.", command, queue.name)
