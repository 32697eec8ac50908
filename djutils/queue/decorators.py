"""``@queue_command`` and ``@periodic_command``: a call becomes a command."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from .chain import CalledOptions, DeclaredOptions, check_called
from .command import Command
from .crontab import crontab
from .declaring import QueueCommand, declare_periodic, make_class, scheduled
from .other_names import what_to_write
from .queue import invoker
from .results import Result
from .schedule import CalledByClock, every
from .signatures import Parameters

__all__ = ["CommandFunction", "crontab", "every", "periodic_command", "queue_command"]

P = ParamSpec("P")
R = TypeVar("R")


class CommandFunction(Generic[P, R]):
    """A function under ``@queue_command``: calling it enqueues the call."""

    def __init__(
        self,
        function: Callable[P, R],
        parameters: Parameters,
        command_class: type[Command],
        options: dict[str, Any],
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._parameters = parameters
        self._options = options
        self.command_class = command_class
        """Its name in the registry."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result:
        """Enqueue the call and return a handle at once; errors as for ``Invoker.enqueue``."""
        return invoker.enqueue(self.command(*args, **kwargs))

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> Result:
        """Enqueue the call from a coroutine, on any queue, and return a handle; as ``Invoker.aenqueue``.

        Like the plain call it does not run the function here: ``call()`` does that.
        """
        return await invoker.aenqueue(self.command(*args, **kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function at once, as if it were not decorated."""
        return self._function(*args, **kwargs)

    def using(self, **options: Unpack[CalledOptions]) -> CommandFunction[P, R]:
        """Return a copy with other options: ``queue_name``, ``priority``, ``run_after``, ``expires`` and keys.

        ``run_after`` is an aware datetime, or a timedelta from the moment of the call. Where ``USE_TZ``
        is off, a naive datetime is in the project's ``TIME_ZONE``; where it is on, it is refused. ``expires`` is
        the same, but a timedelta counts from the moment at which the call is due first. ``key`` is what a unique
        call is compared by; every call with the same ``idempotency_key`` returns the same handle, also after the
        end, for ``idempotency_ttl`` (seconds or a timedelta), a day by default.
        Raises ``InvalidCommand`` for an unknown option, or an invalid value.
        """
        check_called(options, f"{self._function.__name__}.using()")
        return CommandFunction(
            self._function, self._parameters, self.command_class, {**self._options, **options}
        )

    def command(self, *args: P.args, **kwargs: P.kwargs) -> Command:
        """Return the call as a command, not enqueued.

        Raises ``WrongArguments`` if the function cannot be called like this.
        """
        # Most calls have only positional arguments, which need only be counted.
        if kwargs or not self._parameters.least <= len(args) <= self._parameters.most:
            self._parameters.check(args, kwargs)
        command = self.command_class((args, kwargs))
        for option, value in self._options.items():
            setattr(command, option, value)
        return command

    def __reduce__(self) -> str:
        return self._function.__qualname__

    def __repr__(self) -> str:
        return f"<command {self.command_class.name}>"


def _missing(self: CommandFunction[..., Any], name: str) -> Any:
    if name == "__annotations__":
        return self._function.__annotations__
    if advice := what_to_write(self._function.__name__, name):
        raise AttributeError(advice)
    return object.__getattribute__(self, name)


# Since Python 3.14 a function computes its annotations on access, so there is nothing to copy
# yet. Not a method, because type checkers would then accept every misspelt attribute.
setattr(CommandFunction, "__getattr__", _missing)  # noqa: B010


@overload
def queue_command(function: Callable[P, R], /) -> CommandFunction[P, R]: ...
@overload
def queue_command(
    **options: Unpack[DeclaredOptions],
) -> Callable[[Callable[P, R]], CommandFunction[P, R]]: ...
def queue_command(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Make a function a command: calling it enqueues the call and returns at once.

    Bare, or with options:

    * ``name``: what it is known by, default ``module.function``; pin it to be free to move the function
    * ``queue_name``: the queue it is sent to, default the project's
    * ``priority``: -100 to 100, the larger runs sooner
    * ``max_attempts``: how many runs may fail before it is a dead letter, default ``QUEUE_MAX_ATTEMPTS``
    * ``backoff``: seconds before the second attempt, doubled each time; ``(seconds, longest)``; or a function
      from the failed attempt to seconds; default ``QUEUE_BACKOFF``
    * ``retry_on``: an exception class or a tuple of them; any other makes a dead letter at the first failure
    * ``discard_on``: the same; after these the call is dropped, without another attempt or a dead letter
    * ``time_limit``: seconds after which ``TimeLimitExceeded`` is raised in it, and 10 s later its process is
      killed; or ``(seconds, seconds until killed)``; default none
    * ``expires``: a timedelta from the moment at which it is due first, or an aware datetime: a later run is dropped
    * ``atomic``: on a queue in the database that the command writes to: its writes and its acknowledgement are one commit, so it
      takes effect exactly once; True, or the alias of that database if it is not the one your models are written to
    * ``at_most_once``: it is acknowledged before it runs, so it never runs twice, and may be lost in a crash
    * ``result``: whether what becomes of each call is kept, for the ``Result`` that the call returns; default
      ``QUEUE_RESULTS``
    * ``result_ttl``: how long, in seconds or as a timedelta; default ``QUEUE_RESULT_TTL``
    * ``models``: ``"fresh"``: a model instance anywhere in the arguments is sent as a reference to its row, and
      fetched when the command runs; default: it is pickled as it is
    * ``on_missing``: what becomes of such a command if a row is missing: ``"retry"`` (default), as after any
      exception, ``"discard"``, or ``"fail"``, a dead letter at once
    * ``unique``: of calls with the same key only one is sent: ``"until_done"``, ``"until_started"``, or for a timedelta
    * ``on_duplicate``: what another call does: ``"return"`` the handle (default), ``"replace"`` the arguments, or
      ``"raise"`` ``Duplicate``
    * ``concurrency``, ``ordered``: how many run at once, in all consumers together; if they do one by one, as they were sent
    * ``rate``, ``burst``: how many start in a period, ``"10/s"``, ``"10/m"``, ``"10/h"`` or ``"10/d"``; and at once (default 1)
    * ``lane``: a name, to share these limits with other commands of the queue
    * ``fuse``: ``"50% of 20 in 1m"``: if at least half of 20 or more runs fail within a minute, it is paused until you resume it
    * ``key``: what is compared, by default all arguments, or limited apart: a format string over them, or a function

    Raises ``InvalidCommand`` for a function that no consumer could find, or a wrong option.
    """
    if function is not None:
        return _decorate(function, options)
    return functools.partial(_decorate, options=options)


class PeriodicOptions(DeclaredOptions, CalledByClock, total=False):
    """All options of ``@periodic_command``."""


def periodic_command(
    validate_datetime: Callable[[datetime], bool] | str | None = None, **options: Unpack[PeriodicOptions]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function run by the clock, in each minute for which ``validate_datetime`` returns True.

    That is a ``crontab(...)``, an ``every(...)``, a line of cron's five fields such as ``"*/15 9-17 * * mon-fri"``, or
    your own function. That one is called once for every minute that passes, with the local time in ``TIME_ZONE``:
    aware, or naive if ``USE_TZ`` is False. Calling the decorated function still runs it at once.

    Options are those of ``queue_command``, and:

    * ``at``: instead of ``validate_datetime``: once, in the minute of this datetime; a naive one is a local time of
      the schedule's time zone
    * ``time_zone``: the time zone of the schedule, such as ``"Europe/Berlin"``; your own function gets the local time
      there, aware; default ``TIME_ZONE``
    * ``enabled``: False: the clock leaves it out
    * ``jitter``: seconds, or a timedelta, up to which a run is delayed, so that not all commands of a minute run at once
    * ``misfire``: what was due while no consumer ran: ``"skip"``, the default, leaves it out, ``"once"`` has one run for
      all of it, ``"all"`` catches up each, up to the last 100
    * ``overlap``: what is due while the last run has not ended: ``"allow"``, the default, enqueues it, ``"skip"`` leaves
      it out, ``"queue"`` enqueues it when that has ended, and then no more than one
    * ``args``, ``kwargs``: the arguments of each call

    Raises ``InvalidCommand`` for a schedule or an option that cannot work, and arguments that the function does not
    take.
    """
    schedule, call, rest = scheduled(validate_datetime, options)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        declare_periodic(function, schedule, call, rest)
        return function

    return decorate


def _decorate(function: Callable[P, R], options: dict[str, Any]) -> CommandFunction[P, R]:
    command_class = make_class(function, QueueCommand, options, {})
    return CommandFunction(function, Parameters(function), command_class, {})
