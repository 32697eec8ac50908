"""``@queue_command(fuse="50% of 20 in 1m")``: a command of which too many runs fail is paused, before all of them have failed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, TypedDict

from djutils.queue import command_pauses
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.border import border
from djutils.queue.command import Command
from djutils.queue.command_options import Option
from djutils.queue.conf import settings
from djutils.queue.current import Running, running
from djutils.queue.exceptions import (
    BackendError,
    Drop,
    InvalidCommand,
    MessageError,
    OwnerLost,
    Postpone,
    QueueException,
    UnsupportedOption,
)
from djutils.queue.message import Message
from djutils.queue.stores.base import Store
from djutils.queue.tracebacks import describe
from djutils.queue.wording import first_line

from .base import Middleware

logger = logging.getLogger("djutils.queue.fuse")

_RULE = re.compile(r"([0-9]{1,3})% of ([1-9][0-9]{0,5}) in ([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_UNITS = {"s": "s", "m": "min", "h": "h", "d": "d"}
_LONGEST = 24 * 3600
_PARTS = 10
"""Into how many parts the period is divided: what is older than the period counts for at most one of them longer."""
_NEITHER = (Drop, MessageError, OwnerLost, Postpone)
"""What says nothing about whether the command works: it has not run, or will run again because it says so."""


class Fuse(NamedTuple):
    """When a command is paused by itself."""

    percent: int
    least: int
    """How many runs there must be before any share of them means something."""
    period: int
    """Seconds."""
    named: str
    """The period as people read it."""

    def trips(self, failed: int, runs: int) -> bool:
        """Return whether so many failures are too many."""
        return runs >= self.least and failed * 100 >= self.percent * runs


def fuse_of(rule: Any) -> Fuse | None:
    """Return what ``rule`` says; None if it is no rule."""
    found = _RULE.fullmatch(rule) if isinstance(rule, str) else None
    if found is None:
        return None
    percent, least, number, unit = int(found[1]), int(found[2]), int(found[3]), found[4]
    period = number * _SECONDS[unit]
    if not 1 <= percent <= 100 or period > _LONGEST:
        return None
    return Fuse(percent, least, period, f"{number} {_UNITS[unit]}")


class FuseOptions(TypedDict, total=False):
    """The option of ``Fuses``."""

    fuse: Annotated[
        str,
        Option(
            lambda value: fuse_of(value) is not None,
            "a share of failed runs, of at least how many, in which period, such as '50% of 20 in 1m': 1% to 100%, and "
            "up to a day (s, m, h or d)",
        ),
    ]


class Fuses(Middleware):
    """Counts, in the store beside the queue, how many runs of a command succeed and fail, in all consumers together.

    A failure that makes too many of the last period pauses the command, as an operator would. A run that is postponed,
    dropped or cancelled counts as neither, and so does one whose process dies: that has its own limit. What cannot be
    counted because the store does not respond is not counted: no run depends on it.
    """

    options = FuseOptions

    def applies_to(self, command_class: type[Command]) -> bool:
        return command_class.fuse is not None

    def sent(self, command: Command, message: Message) -> Message:
        queue = queues[message.queue]
        if queue.store is None and not settings.QUEUE_EAGER:
            raise UnsupportedOption(
                f"{type(queue).__name__} has no store, so the runs of '{command.name}' cannot be counted for its fuse; nothing "
                f"was sent. Use DatabaseQueue or RedisQueue, give the backend a store, or leave fuse out."
            )
        return message

    def run(self, command: Command, message: Message) -> Iterator[None]:
        now, fuse = running.get(), fuse_of(command.fuse)
        # Who runs it outside of a worker sees what it raises.
        if now is None or now.watchdog is None or fuse is None:
            yield
            return
        try:
            yield
        except BaseException as error:
            if not _is_neither(error, command, now):
                _count(now, fuse, error)
            raise
        _count(now, fuse, None)


def check_fuse(command_class: type[Command], where: str) -> None:
    """Raise ``InvalidCommand`` for a fuse that contradicts another option."""
    if command_class.fuse is not None and command_class.at_most_once:
        raise InvalidCommand(
            f"at_most_once and fuse exclude each other on {where}: of what has run and failed nothing would be left to run "
            f"after the pause. Leave one of them out."
        )


def _is_neither(error: BaseException, command: Command, now: Running) -> bool:
    if isinstance(error, _NEITHER) or command.retry_policy().discards(type(error)):
        return True
    return now.watchdog is not None and now.watchdog.is_asked_to_end(now.message.id)


def _count(now: Running, fuse: Fuse, error: BaseException | None) -> None:
    name = now.message.command
    queue = now.lease.queue if now.lease else queues[now.message.queue]
    try:
        with border(queue):
            if (store := queue.store) is not None:
                _count_in(store, queue, name, fuse, error)
    except (BackendError, QueueException) as problem:
        logger.warning("A run of %s could not be counted for its fuse: %s", name, problem)


def _count_in(store: Store, queue: BaseQueue, name: str, fuse: Fuse, error: BaseException | None) -> None:
    part = fuse.period / _PARTS
    number = int(time.time() / part)
    store.increment(_key(name, number, error is not None), 1, 2 * fuse.period)
    if error is None:
        return
    # Only a failure can be one too many: a success need not look.
    numbers = range(number - _PARTS, number + 1)
    keys = {
        which: _key(name, *which) for which in ((one, failed) for one in numbers for failed in (True, False))
    }
    kept = store.get([command_pauses.KEY, *keys.values()])
    known = command_pauses.CommandPauses.of(kept.get(command_pauses.KEY))
    first = int(known.resumed.get(name, 0.0) / part)
    counts = {which: int(kept.get(key, 0)) for which, key in keys.items() if which[0] >= first}
    failed, runs = sum(count for (_, failed), count in counts.items() if failed), sum(counts.values())
    if name in known.paused or not fuse.trips(failed, runs):
        return
    reason = f"{failed} of {runs} runs failed within {fuse.named}; the last: {first_line(describe(error))}"
    if command_pauses.pause_once(queue, name, reason, "its fuse"):
        # A resume starts a new count.
        store.delete([*keys.values()])
        logger.error(
            "The fuse of the command '%s' has tripped: %s. It is paused on the queue '%s', and nothing of it is lost; when "
            "the cause is gone, resume it: manage.py queue_resume %s --command %s",
            name,
            reason,
            queue.name,
            queue.name,
            name,
        )


def _key(name: str, number: int, failed: bool) -> str:
    return f"fuse {'failed' if failed else 'succeeded'} {number} {name}"
