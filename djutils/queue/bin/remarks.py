"""Warnings when a consumer starts: things that do not prevent the start but are probably mistakes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from difflib import get_close_matches
from typing import TypeVar

from django.core.checks import ERROR, WARNING, run_checks

from djutils.queue import pausing
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.bin import children
from djutils.queue.conf import settings
from djutils.queue.registry import registry
from djutils.queue.workers import unattended

T = TypeVar("T")

_NO_COMMANDS = (
    "No command is registered: no installed app has a commands.py that defines or imports one. Messages on the "
    "queue are offered for half an hour and then become dead letters. Move the commands to the commands.py of an "
    "app in INSTALLED_APPS, or import their module there."
)


def find(names: Sequence[str]) -> list[str]:
    """Return warnings for the operator who starts a consumer of the queues ``names``.

    The project is loaded and its backend was reached. Never raises: no warning prevents a consumer from starting.
    """
    found = _of_checks()
    if not len(registry):
        return [*found, _NO_COMMANDS]
    with suppress(Exception):
        # It is unknown what a third-party driver leaves behind: a child process queries it.
        all_lend = all(queues.fresh(name).supports_leases for name in names)
        call = _here if all_lend else children.call
        found += call(lambda: _of_queues(names))
    return found


def _here(function: Callable[[], T]) -> T:
    return function()


def _of_checks() -> list[str]:
    found = run_checks(tags=["djutils"])
    said = [one for one in found if WARNING <= one.level < ERROR and not one.is_silenced()]
    return [f"{one.msg} {one.hint or ''} ({one.id})" for one in said]


def _of_queues(names: Sequence[str]) -> list[str]:
    """Return warnings about queues that do not exist and queues that no consumer empties."""
    commands: defaultdict[str, list[str]] = defaultdict(list)
    for command_class in registry:
        commands[command_class.queue_name or settings.queue_name].append(command_class.name)
    known = registry.queue_names()
    found = [_explain_unknown(name, known) for name in names if name not in known and _is_empty(name)]
    left = sorted(commands.keys() - set(names))
    found += [_explain_unattended(name, names, commands[name]) for name in left if _has_no_consumer(name)]
    one_of_each_store = {settings.place_of(name): name for name in names}.values()
    others = set().union(*map(_left_waiting, one_of_each_store)) - commands.keys() - set(names)
    return found + [unattended.explain(name, tuple(names)) for name in sorted(others)]


def _explain_unknown(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return (
        f"No command is declared for the queue '{name}', and the queue is empty. "
        + (f"Did you mean -q {near[0]}? " if near else "")
        + f"Commands are sent to: {', '.join(sorted(known))}. If only using(queue_name={name!r}) sends there, ignore this."
    )


def _explain_unattended(name: str, names: Sequence[str], commands: Sequence[str]) -> str:
    more = f" and {len(commands) - 1} more" if len(commands) > 1 else ""
    both = " ".join(f"-q {one}" for one in (*names, name))
    return (
        f"No consumer empties the queue '{name}' at the moment, and {commands[0]}{more} would wait there. Start a "
        f"consumer with -q {name}, or this one with {both}"
    )


def _is_empty(name: str) -> bool:
    """Return whether the queue is empty, dead letters included; False if that is unknown."""
    return _asked(name, lambda queue: not any(queue.stats()), False)


def _has_no_consumer(name: str) -> bool:
    """Return whether no worker is registered for the queue and none has to be; False if that is unknown."""

    def look(queue: BaseQueue) -> bool:
        return queue.supports_leases and not queue.owners() and pausing.find(queue) is None

    return _asked(name, look, False)


def _left_waiting(name: str) -> set[str]:
    """Return the queues in the store of ``name`` where messages wait and no worker is registered."""

    def look(queue: BaseQueue) -> set[str]:
        if not isinstance(queue, LeasedQueue) or not unattended.can_be_searched(queue):
            return set()
        attended = {served for served, _ in unattended.beats(queue).values()}
        left = unattended.waiting(queue) - attended
        return {name for name in left if not unattended.is_paused(queue, name)}

    return _asked(name, look, set())


def _asked(name: str, function: Callable[[BaseQueue], T], otherwise: T) -> T:
    with suppress(Exception):
        queue = queues.fresh(name)
        if not isinstance(queue, LeasedQueue):
            return function(queue)
        with closing(queue):
            queue.open()
            return function(queue)
    return otherwise
