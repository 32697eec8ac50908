"""The schedules of the project, in code and made at run time: see them, switch them, run them now, add and remove them.

What is changed here is kept in the store of the queue, and every consumer of that queue follows within a minute. Methods raise
``BackendError`` if a store cannot be reached, and ``ScheduleError`` if a queue has none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Unpack

from .backends import queues
from .backends.base import BaseQueue
from .chain import called_options
from .command import Command
from .command_options import check_options, is_name
from .conf import settings
from .declaring import PeriodicQueueCommand, as_rule, refuse_overlap
from .decorators import CommandFunction
from .exceptions import (
    BackendError,
    InvalidCommand,
    InvalidMessage,
    ScheduleError,
    ScheduleExists,
    ScheduleNotFound,
)
from .known_schedules import Schedule, described
from .made_schedules import MadeSchedule, as_text, pack, unpack
from .queue import Invoker
from .reading import searched_queues
from .registry import registry
from .results import Result
from .schedule import (
    MINUTE,
    OF_CLASSES,
    Rule,
    ScheduleOptions,
    text_of,
)
from .schedule_records import Records, Remembered, Run
from .sending import pack as packed
from .shipment import Parcel

__all__ = [
    "Schedule",
    "ScheduleError",
    "ScheduleExists",
    "ScheduleNotFound",
    "add",
    "all",
    "disable",
    "enable",
    "get",
    "overdue",
    "remove",
    "run_now",
]


def all(queue_name: str | None = None) -> list[Schedule]:  # noqa: A001  (read as schedules.all())
    """Return every schedule of the queues that the project knows, or of one, sorted by name."""
    known = searched_queues()
    names = [queue_name] if queue_name else known
    return sorted((one for name in names for one in _of_queue(queues[name])), key=lambda one: one.name)


def get(name: str) -> Schedule:
    """Return the schedule ``name``; raise ``ScheduleNotFound`` if there is none."""
    for one in all():
        if one.name == name:
            return one
    raise ScheduleNotFound(
        f"There is no schedule '{name}'. schedules.all() and manage.py queue_schedules list show all."
    )


def overdue(queue_name: str) -> list[tuple[Schedule, datetime]]:
    """Return the schedules of one queue that are overdue, by name, and since when; see ``Schedule.overdue_since()``.

    One whose next moments cannot be computed is left out. Raises ``BackendError``.
    """
    found = []
    for one in all(queue_name):
        try:
            moment = one.overdue_since()
        except BackendError:
            raise
        except Exception:  # noqa: BLE001, S112  (a function of the project's own may raise anything; the consumers log it)
            continue
        if moment:
            found.append((one, moment))
    return found


def enable(name: str) -> None:
    """Switch the schedule ``name`` on, whatever its declaration says. What was due while it was off is not caught up."""
    _records(queues[get(name).queue_name]).switch(name, on=True)


def disable(name: str) -> None:
    """Switch the schedule ``name`` off: nothing is enqueued from the next minute on, after a restart neither."""
    _records(queues[get(name).queue_name]).switch(name, on=False)


def run_now(name: str) -> Result:
    """Enqueue a call of the schedule ``name`` at once, also if it is switched off, and return its handle.

    It counts as its last run. Errors as for ``Invoker.enqueue``.
    """
    found = get(name)
    planned, queue = found.planned, queues[found.queue_name]
    result = Invoker(queue).enqueue(planned.call() if isinstance(planned, MadeSchedule) else type(planned)())
    if queue.store is not None:
        what = text_of(planned) if found.enabled else ""
        Records(queue.store).note(name, Run(int(time.time()) // MINUTE, result.id, what))
    return result


def add(
    name: str,
    command: Command | CommandFunction[..., Any],
    schedule: Rule | str | datetime,
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    replace: bool = False,
    **options: Unpack[ScheduleOptions],
) -> Schedule:
    """Make a schedule at run time; it is due from the next minute on. Return it.

    ``command`` is a function under ``@queue_command``, called with ``args`` and ``kwargs``, or a command such as
    ``fn.using(priority=5).command(1)``; of the options of a call it may have ``queue_name``, ``priority``, and ``expires``
    as a timedelta. ``schedule`` is what ``@periodic_command`` takes, but not your own function, or a
    datetime for one run. The options are ``time_zone``, ``enabled``, ``jitter``, ``misfire`` and ``overlap``, as there.
    With ``replace`` it takes the place of one of that name that was made at run time.

    Raises ``ScheduleExists``, ``InvalidCommand`` for what cannot work, ``ScheduleError`` if the queue has no store, or 500
    schedules already, and what a call of the command would raise. Then nothing was changed.
    """
    if not is_name(name):
        raise InvalidCommand(f"A schedule's name must be a string of 1 to 200 characters, not {name!r}.")
    check_options(options, OF_CLASSES, f"the schedule '{name}'")
    rule = as_rule(None, schedule) if isinstance(schedule, datetime) else as_rule(schedule, None)
    made = _make(name, _call_of(command, args, kwargs or {}), rule, options)
    records = _records(queues[made.queue_name])
    if any(one.name == name and not (one.made and replace) for one in all()):
        raise ScheduleExists(
            f"There is a schedule '{name}' already; nothing was changed. Choose another name."
        )
    if not records.add_made(name, pack(made), replace=replace):
        raise ScheduleExists(f"Another process has just added a schedule '{name}'; nothing was changed.")
    return get(name)


def _make(name: str, call: Command, rule: Rule, options: ScheduleOptions) -> MadeSchedule:
    queue = queues[call.queue_name or settings.queue_name]
    refuse_overlap(type(call), options.get("overlap", "allow"), f"the schedule '{name}'")
    facts: dict[str, Any] = {**options, **_of_each_call(name, call)}
    if isinstance(jitter := facts.get("jitter"), timedelta):
        facts["jitter"] = jitter.total_seconds()
    parcel = packed(call, queue)
    if type(parcel) is not Parcel:
        raise InvalidCommand(
            f"'{call.name}' is unique or limited, and what the clock enqueues has neither a key nor a lane; nothing was changed. "
            f"Schedule a command that calls it."
        )
    return MadeSchedule(
        name, queue.name, as_text(rule), parcel.envelope.data, int(time.time()) // MINUTE, **facts
    )


def _of_each_call(name: str, call: Command) -> dict[str, Any]:
    """Return what is to be kept of the options of ``call``. Raises ``InvalidCommand`` for one that fits a single call only."""
    known = called_options()
    given = {option: value for option, value in vars(call).items() if option in known and value is not None}
    if single := given.keys() - {"queue_name", "priority", "expires"}:
        raise InvalidCommand(
            f"{' and '.join(sorted(single))} is for a single call, and the schedule '{name}' makes many; nothing was changed. "
            f"Leave it out, or declare it with the command."
        )
    if (expires := given.get("expires")) is None:
        return {}
    if not isinstance(expires, timedelta):
        raise InvalidCommand(
            f"expires of the schedule '{name}' must be a timedelta, which counts from the moment of each run; nothing was "
            f"changed."
        )
    return {"expires": expires.total_seconds()}


def remove(name: str) -> None:
    """Remove the schedule ``name``, which was made at run time; what it has enqueued stays.

    Raises ``ScheduleNotFound``, and ``ScheduleError`` for one that is declared in code.
    """
    for queue in map(queues.__getitem__, searched_queues()):
        # Also one that cannot be read, which is not listed.
        if queue.store is not None and name in Records(queue.store).made():
            Records(queue.store).remove_made(name)
            return
    source = type(get(name).planned).source()  # type: ignore[union-attr]  # it was not made
    raise ScheduleError(
        f"'{name}' is declared in code, at {source}; nothing was changed. Remove it there, or disable it."
    )


def _call_of(command: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Command:
    if isinstance(command, CommandFunction):
        return command.command(*args, **kwargs)
    if isinstance(command, Command) and not args and not kwargs:
        return command
    raise InvalidCommand(
        f"{command!r} cannot be scheduled like this; nothing was changed. Give a function under @queue_command, with args and "
        f"kwargs, or a command with its arguments, such as fn.command(1)."
    )


def _records(queue: BaseQueue) -> Records:
    if queue.store is None:
        raise ScheduleError(
            f"{type(queue).__name__} keeps nothing beside its messages, so schedules on '{queue.name}' can be neither switched "
            f"nor added; nothing was changed. Use DatabaseQueue or RedisQueue, or change the commands.py."
        )
    return Records(queue.store)


def _of_queue(queue: BaseQueue) -> Iterator[Schedule]:
    declared: dict[str, PeriodicQueueCommand | MadeSchedule] = {}
    for one in registry:
        if issubclass(one, PeriodicQueueCommand) and (one.queue_name or settings.queue_name) == queue.name:
            with suppress(Exception):  # a class that cannot be made: the consumers log it
                declared[one.name] = one()
    known, planned = Remembered({}, {}, {}), declared
    if queue.store is not None:
        records = Records(queue.store)
        planned = {**{one.name: one for one in _made_on(queue, records)}, **declared}
        known = records.read(planned)
    for name, schedule in planned.items():
        yield described(queue, name, schedule, known)


def _made_on(queue: BaseQueue, records: Records) -> Iterator[MadeSchedule]:
    for name, data in records.made().items():
        with suppress(InvalidMessage):  # the consumers log it
            yield unpack(name, queue.name, data)
