"""How the class of a command is declared: as a class, or from a function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from asgiref.sync import async_to_sync

from . import references
from .chain import DECLARED, check_declared, check_together
from .command import Command, limits_of, refuse_unimportable
from .command_options import Option, check_options
from .crontab import crontab, from_cron
from .current import running
from .exceptions import InvalidCommand, TimeLimitExceeded
from .interrupting import cancel_here, interruptible
from .registry import registry
from .schedule import OF_CLASSES, SCHEDULED, At, Misfire, Overlap, Rule, every
from .signatures import signature_of

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a call: by position, and by name."""


class QueueCommand(Command):
    """A command as a class: define ``execute()``, which works on ``self.data``.

    Such a subclass is registered automatically, as ``module.ClassName`` unless it sets ``name``.
    Enqueue it with ``invoker.enqueue(MyCommand(data))``.
    """

    _options: ClassVar[dict[str, Option]] = DECLARED

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.execute is not Command.execute:
            refuse_unimportable(cls)
            given = {name: value for name, value in vars(cls).items() if name in cls._options}
            check_declared(given, f"the command '{cls.__name__}'", cls._options)
            cls.function = vars(cls).get("function", cls.execute)
            if cls.models is not None:
                cls.dump, cls.load = staticmethod(references.dump), staticmethod(references.load)
            if "name" not in vars(cls):
                cls.name = f"{cls.__module__}.{cls.__qualname__}"
            check_together(cls, f"the command '{cls.__name__}'")
            registry.register(cls)


class PeriodicQueueCommand(QueueCommand):
    """A periodic command: also define ``validate_datetime()``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        refuse_overlap(cls, cls.overlap, f"the command '{cls.__name__}'")
        super().__init_subclass__(**kwargs)

    _options: ClassVar[dict[str, Option]] = DECLARED | OF_CLASSES
    time_zone: ClassVar[str | None] = None
    """The time zone of its schedule; None: ``TIME_ZONE``."""
    enabled: ClassVar[bool] = True
    """Whether the clock enqueues it."""
    jitter: ClassVar[float | timedelta | None] = None
    """Up to how many seconds (or a timedelta) after its minute it may run; None: at once."""
    misfire: ClassVar[Misfire] = "skip"
    """What happens to runs that were due while no consumer ran."""
    overlap: ClassVar[Overlap] = "allow"
    """What happens to a run that is due while the last one has not ended."""

    def validate_datetime(self, when: datetime) -> bool:
        """Return whether it should run in the minute of ``when``.

        Called once for every minute that passes, with its local time in ``TIME_ZONE``: aware, or naive
        if ``USE_TZ`` is False. With a ``time_zone`` it is the local time there, aware. In an hour that occurs twice, ``when.fold`` is 1 the second time.
        """
        return False


def make_class(
    function: Callable[..., Any],
    base: type[QueueCommand],
    options: dict[str, Any],
    extra: dict[str, Any],
) -> type[Command]:
    """Return the class of the calls of ``function``, a subclass of ``base``, with ``extra`` members; it is registered.

    Raises ``InvalidCommand`` for a function that no consumer could find or run, or a wrong option.
    """
    if not inspect.isfunction(function):
        raise InvalidCommand(f"Only a function can be decorated, not {function!r}.")
    refuse_unimportable(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidCommand(f"'{function.__name__}' is a generator: calling it would run none of its code.")
    check_declared(options, f"the command '{function.__name__}'", base._options)
    runs = as_plain(function, options.get("time_limit"))

    def execute(self: Command) -> Any:
        args, kwargs = self.data or ((), {})
        return runs(*args, **kwargs)

    async def aexecute(self: Command) -> Any:
        args, kwargs = self.data or ((), {})
        return await function(*args, **kwargs)

    members = {
        "name": f"{function.__module__}.{function.__qualname__}",
        "function": staticmethod(function),
        "execute": execute,
        "aexecute": aexecute if inspect.iscoroutinefunction(function) else None,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
    return type(function.__name__, (base,), members | extra | options)


def scheduled(given: Any, options: Mapping[str, Any]) -> tuple[Rule, Call, dict[str, Any]]:
    """Return what ``@periodic_command`` was given: its schedule, the arguments of each call, and the other options.

    Raises ``InvalidCommand`` for a schedule that cannot tell synchronously, from a datetime, whether a command is due.
    """
    check_options(
        {name: one for name, one in options.items() if name in SCHEDULED}, SCHEDULED, "@periodic_command"
    )
    rest = {name: one for name, one in options.items() if name not in {"at", "args", "kwargs"}}
    call = tuple(options.get("args", ())), dict(options.get("kwargs", {}))
    return as_rule(given, options.get("at")), call, rest


def as_rule(given: Any, at: datetime | None) -> Rule:
    """Return what says when a command is due: from ``given``, or once at the moment ``at``. Raises ``InvalidCommand``."""
    if isinstance(given, str) and at is None:
        return from_cron(given)
    if given is None and at is not None:
        return At(at)
    is_declared = given is not crontab and given is not every and not inspect.iscoroutinefunction(given)
    if at is not None or not (callable(given) and is_declared and takes(given, None)):
        raise InvalidCommand(
            "Write @periodic_command(crontab(...)): it needs one of crontab(...), every(...), a line of cron's five "
            "fields, at=datetime, or a function from a datetime to a bool."
        )
    rule: Rule = given
    return rule


def declare_periodic(function: Any, schedule: Rule, call: Call, options: dict[str, Any]) -> None:
    """Register a periodic command that calls ``function`` with the arguments of ``call``; errors as ``make_class``."""
    args, kwargs = call
    if not takes(function, *args, **kwargs):
        raise InvalidCommand(
            f"The periodic command '{function.__name__}' must not require arguments, except those of args and kwargs."
        )

    def init(self: Command, data: Any = None) -> None:
        Command.__init__(self, call if data is None else data)

    extra: dict[str, Any] = {"validate_datetime": staticmethod(schedule)}
    make_class(
        function, PeriodicQueueCommand, options, extra | ({"__init__": init} if args or kwargs else {})
    )


def refuse_overlap(command_class: type[Command], overlap: Overlap, where: str) -> None:
    """Raise ``InvalidCommand`` if runs of a class must not overlap, and no clock could see whether the last one goes on."""
    if overlap != "allow" and command_class.at_most_once:
        raise InvalidCommand(
            f"at_most_once and overlap={overlap!r} of {where} exclude each other: a command that is acknowledged before it "
            f"runs is no longer in the queue while it runs. Leave one of them out."
        )


def takes(function: Any, *args: Any, **kwargs: Any) -> bool:
    """Return whether ``function`` can be called with exactly these arguments."""
    try:
        signature_of(function).bind(*args, **kwargs)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def as_plain(function: Callable[..., Any], time_limit: Any) -> Callable[..., Any]:
    """Return ``function`` as a plain function, with the time limit of a coroutine applied."""
    if not inspect.iscoroutinefunction(function):
        return function
    coroutine = function if time_limit is None else _in_time(function, limits_of(time_limit)[0])

    async def cancellable(*args: Any, **kwargs: Any) -> Any:
        run = running.get()
        if run is None:
            return await coroutine(*args, **kwargs)
        with interruptible(run.message.id, cancel_here()):
            return await coroutine(*args, **kwargs)

    def run(*args: Any, **kwargs: Any) -> Any:
        # Not created once at import: if a server's loop is running then, some versions would wait for that loop.
        return async_to_sync(cancellable)(*args, **kwargs)

    return run


def _in_time(function: Callable[..., Any], soft: float) -> Callable[..., Any]:
    async def in_time(*args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(soft) as limit:
                return await function(*args, **kwargs)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeLimitExceeded(f"It ran for longer than its time limit of {soft:g} s.") from error

    return in_time
