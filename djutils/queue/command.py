"""What a command is, for the code that carries it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

from . import codec
from .conf import settings
from .exceptions import InvalidCommand
from .retry import Backoff, Exceptions, RetryPolicy, exception_classes

TO_END = 10.0
"""Seconds from the soft time limit to the hard one, if only the soft one is given."""


class Command:
    """A piece of work: a name and the data it works on."""

    name: ClassVar[str] = ""
    """Its name in the registry; empty for a base class, which cannot be enqueued."""
    function: ClassVar[Callable[..., Any]]
    """The function it runs, for its source and signature."""
    max_attempts: ClassVar[int | None] = None
    """How many runs may fail; None: ``QUEUE_MAX_ATTEMPTS``."""
    backoff: ClassVar[Backoff | None] = None
    """How long to wait between runs; None: ``QUEUE_BACKOFF``."""
    retry_on: ClassVar[Exceptions | None] = None
    """The exceptions after which it is tried again; None: any but those of ``discard_on``."""
    discard_on: ClassVar[Exceptions | None] = None
    """The exceptions after which there is nothing left to do: no other attempt, no dead letter."""
    time_limit: ClassVar[float | tuple[float, float] | None] = None
    """Seconds after which ``TimeLimitExceeded`` is raised in it, and seconds after which it is killed."""
    atomic: ClassVar[bool | str] = False
    """Whether its writes to a database and its acknowledgement are one commit: True, or the alias of that database."""

    at_most_once: ClassVar[bool] = False
    """Whether it is acknowledged before it runs: it never runs twice, and may be lost."""

    models: ClassVar[str | None] = None
    """"fresh": model instances among its arguments are fetched when it runs; None: they travel as they are."""
    on_missing: ClassVar[str] = "retry"
    """What becomes of it if the row of such an instance is missing: "retry", "discard" or "fail"."""

    result: ClassVar[bool | None] = None
    """Whether what becomes of it is kept; None: ``QUEUE_RESULTS``."""
    result_ttl: ClassVar[float | timedelta | None] = None
    """How long, in seconds or as a timedelta; None: ``QUEUE_RESULT_TTL``."""
    keeps_arguments: ClassVar[bool] = False
    """Whether its arguments are kept with its result."""

    unique: ClassVar[Literal["until_done", "until_started"] | timedelta | None] = None
    """For how long a call keeps others with its key from being sent; None: not at all."""
    on_duplicate: ClassVar[Literal["return", "replace", "raise"]] = "return"
    """What a call does that is kept from being sent."""
    key: ClassVar[str | Callable[..., str | int | UUID] | None] = None
    """What makes two calls the same, and share a lane; None: all their arguments, and all calls. One call may have its own."""

    concurrency: ClassVar[int | None] = None
    """How many of its lane may run at once, in all consumers together; None: any number."""
    rate: ClassVar[str | None] = None
    """How many of its lane may start in a period, as "10/m"; None: any number."""
    burst: ClassVar[int | None] = None
    """How many of these may start at once after a pause; None: one."""
    ordered: ClassVar[bool] = False
    """Whether those of its lane run one after another, in the order in which they were sent, retries included."""
    lane: ClassVar[str | None] = None
    """The lane it shares with other commands of its queue; None: a separate one. With ``key``, one for each key."""

    fuse: ClassVar[str | None] = None
    """How many of its runs may fail in a period, as "50% of 20 in 1m", before it is paused; None: any number."""

    queue_name: str | None = None
    """The queue it is sent to; None: the invoker's."""
    priority: int = 0
    """-100 to 100; larger runs sooner."""
    run_after: datetime | timedelta | None = None
    """The earliest moment to run it: a datetime, or a timedelta from the moment it is enqueued."""
    expires: datetime | timedelta | None = None
    """The latest moment to begin a run: a datetime, or a timedelta from the moment it is due first; None: none."""

    idempotency_key: str | None = None
    """A call with the same key within the time to live is this call, even after its end."""
    idempotency_ttl: float | timedelta | None = None
    """That time, in seconds or as a timedelta; None: a day."""

    def __init__(self, data: Any = None) -> None:
        self.data = data

    dump: Callable[[Any], bytes] = staticmethod(codec.dump)
    """How its data travel: pickled, and signed by us."""
    load: Callable[[bytes], Any] = staticmethod(codec.load)
    dump_value: Callable[[Any], bytes] = staticmethod(codec.dump)
    """How what it returns travels."""
    load_value: Callable[[bytes], Any] = staticmethod(codec.load)

    def execute(self) -> Any:
        """Do the work on ``self.data``."""
        raise NotImplementedError(f"{type(self).__name__} must define execute().")

    aexecute: ClassVar[Callable[[Any], Awaitable[Any]] | None] = None
    """The same as ``execute()``, to be awaited; None for a command that is not asynchronous."""

    @classmethod
    def is_awaited(cls) -> bool:
        """Return whether it runs in an event loop, where there is one: no transaction, query, ack or count may hold that up."""
        return cls.aexecute is not None and not (cls.atomic or cls.at_most_once or cls.models or cls.fuse)

    @classmethod
    def source(cls) -> str:
        """Return where the function it runs is defined, as ``file:line``."""
        code = inspect.unwrap(cls.function).__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    @classmethod
    def keeps_results(cls) -> bool:
        """Return whether what becomes of it is kept: its own option takes precedence over the project's setting."""
        return bool(settings.QUEUE_RESULTS if cls.result is None else cls.result)

    @classmethod
    def retry_policy(cls) -> RetryPolicy:
        """Return how often it is tried, and after what: its own options take precedence over the project's settings."""
        max_attempts = settings.QUEUE_MAX_ATTEMPTS if cls.max_attempts is None else cls.max_attempts
        backoff = settings.QUEUE_BACKOFF if cls.backoff is None else cls.backoff
        retry_on = None if cls.retry_on is None else exception_classes(cls.retry_on)
        return RetryPolicy(max_attempts, backoff, retry_on, exception_classes(cls.discard_on))


def limits_of(time_limit: float | tuple[float, float]) -> tuple[float, float]:
    """Return the soft and the hard limit in seconds; a single number is the soft one."""
    if isinstance(time_limit, tuple):
        return time_limit
    return time_limit, time_limit + TO_END


def refuse_unimportable(function: Any) -> None:
    """Raise ``InvalidCommand`` for a function or class that a consumer could not find by importing a module."""
    where = getattr(function, "__qualname__", repr(function))
    if "<lambda>" in where:
        raise InvalidCommand("A lambda cannot be a command: it has no name. Use def at the top level.")
    if "<locals>" in where:
        raise InvalidCommand(
            f"'{where}' is defined inside a function, where no consumer would find it: move it to "
            f"the top level of a module, best an app's commands.py."
        )
