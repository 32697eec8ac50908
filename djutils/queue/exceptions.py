"""Everything djutils raises.

::

    QueueException                     the base of the tree
    ├── ConfigurationError             also Django's ImproperlyConfigured
    │   └── InvalidCommand             a declaration that cannot work
    ├── EnqueueError                   nothing was sent
    │   ├── WrongArguments             also Python's TypeError
    │   ├── NotPicklable
    │   ├── MessageTooLarge
    │   ├── Duplicate                  another call holds the same key
    │   └── UnsupportedOption
    ├── MessageError                   bytes that cannot be turned into a command
    │   ├── InvalidMessage             never unpickled, becomes a dead letter at once
    │   │   └── ForeignMessage         left for a consumer that has its key, then a dead letter
    │   ├── UnknownCommand             offered again later, then a dead letter
    │   │   └── NotUnderstood          needs a newer release; the same
    │   ├── NotUnpicklable             retried later, then a dead letter
    │   └── TooDangerous               the processes that ran it died: not run again
    ├── BackendError                   the driver's own error is its __cause__
    │   ├── BackendUnavailable         calling again may help
    │   └── OwnerLost                  the leased messages were taken back
    │       └── NotItsTurn             one of them, of a command with a rate
    ├── ResultError                    about what has become of a call
    │   ├── ResultNotFound             also Python's LookupError
    │   │   └── ResultNotKept          its command keeps none
    │   ├── NoReturnValue              also Python's ValueError: it has not succeeded, or not yet
    │   ├── ResultTooLarge             what a command returned is not kept
    │   ├── ResultTimeout              also Python's TimeoutError: the call goes on
    │   └── CommandFailed              what it raised cannot be raised here
    │       └── Cancelled
    ├── ScheduleError                  nothing was changed
    │   ├── ScheduleNotFound           also Python's LookupError
    │   └── ScheduleExists
    ├── NotStorable                    no store keeps such a key, value or time to live
    ├── TimeLimitExceeded              raised in a command that runs for too long
    ├── ConsumerError                  the daemon cannot start, stop or report its status
    └── Control                        raised by a command to decide its own fate
        ├── Retry
        ├── Postpone
        ├── Drop
        └── Reject

The first paragraph of a class's docstring is its default message.
"""

from __future__ import annotations

import inspect
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured


class QueueException(Exception):
    """Something went wrong in djutils."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args or (self._default_message(),))

    @classmethod
    def _default_message(cls) -> str:
        return (inspect.getdoc(cls) or cls.__name__).partition("\n\n")[0].replace("\n", " ")


class ConfigurationError(QueueException, ImproperlyConfigured):
    """A setting of djutils is invalid."""


class InvalidCommand(ConfigurationError):
    """A function or class cannot be a command as declared."""


class EnqueueError(QueueException):
    """The command could not be enqueued; nothing was sent."""


class WrongArguments(EnqueueError, TypeError):
    """The function cannot be called with these arguments; nothing was sent."""


class NotPicklable(EnqueueError):
    """An argument cannot be pickled; nothing was sent."""


class MessageTooLarge(EnqueueError):
    """The message exceeds QUEUE_MAX_MESSAGE_SIZE; nothing was sent.

    Store the data elsewhere (a row, a file) and pass a reference to it.
    """


class Duplicate(EnqueueError):
    """Another call holds the same key; nothing was sent.

    ``id`` is the id of that call.
    """

    def __init__(self, *args: object, id: str = "") -> None:
        super().__init__(*args)
        self.id = id


class UnsupportedOption(EnqueueError):
    """The backend cannot do what was asked of it; nothing was sent."""


class MessageError(QueueException):
    """These bytes cannot be turned into a command."""


class InvalidMessage(MessageError):
    """These bytes are not a message signed by this site for this queue."""


class ForeignMessage(InvalidMessage):
    """These bytes were signed with a key that this site does not have."""


class UnknownCommand(MessageError):
    """No command of this name is registered here."""


class NotUnderstood(UnknownCommand):
    """The message says that whatever runs it must understand something that this release does not know."""


class NotUnpicklable(MessageError):
    """The message is genuine, but its arguments cannot be unpickled here."""


class TooDangerous(MessageError):
    """The processes that ran this message died; it is not run again."""


class BackendError(QueueException):
    """The queue's backend failed."""


class BackendUnavailable(BackendError):
    """The queue's backend cannot be reached at the moment."""


class OwnerLost(BackendError):
    """The backend does not know this owner: the messages it held were taken back.

    This happens to a worker that was silent for longer than the lease. It can no longer settle
    the messages it holds; other workers will run them.
    """


class NotItsTurn(OwnerLost):
    """A message in a lane with a pace may not start yet: it went back, uncharged, until its turn."""


class ResultError(QueueException):
    """What has become of a call cannot be told."""


class ResultNotFound(ResultError, LookupError):
    """There is neither a message nor a result with this id.

    It was never sent, or its transaction was rolled back, or its result has expired.
    """


class ResultNotKept(ResultNotFound):
    """The command keeps no results. Declare it with ``result=True``, or set ``QUEUE_RESULTS``."""


class NoReturnValue(ResultError, ValueError):
    """The command has not returned anything."""


class ResultTooLarge(ResultError):
    """What the command returned exceeds QUEUE_MAX_RESULT_SIZE, and was not kept.

    Store the data elsewhere (a row, a file) and return a reference to it.
    """


class ResultTimeout(ResultError, TimeoutError):
    """The command has not ended within the time to wait for it; it is not affected by that."""


class CommandFailed(ResultError):
    """The command failed with an exception that cannot be raised here."""


class Cancelled(CommandFailed):
    """The command was cancelled, or dropped itself."""


class ScheduleError(QueueException):
    """This cannot be done with a schedule; nothing was changed."""


class ScheduleNotFound(ScheduleError, LookupError):
    """There is no schedule of this name."""


class ScheduleExists(ScheduleError):
    """There is a schedule of this name already; nothing was changed."""


class NotStorable(QueueException):
    """No store keeps such a key, value or time to live; nothing was changed."""


class TimeLimitExceeded(QueueException):
    """The command ran for longer than its time limit."""


class ConsumerError(QueueException):
    """The consumer cannot do that."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Control(QueueException):
    """A command decides what happens to itself."""


class Retry(Control):
    """The command asked to be retried.

    ``delay`` is in seconds (or a timedelta); without it the command's own backoff applies. The
    attempt is counted, so a command cannot do this forever.
    """

    def __init__(self, message: str = "", *, delay: float | timedelta | None = None) -> None:
        super().__init__(*([message] if message else []))
        self.delay = delay.total_seconds() if isinstance(delay, timedelta) else delay


class Postpone(Control):
    """The command asked to be run later instead of now.

    ``delay`` is in seconds (or a timedelta), a second at least. No attempt is counted, and what the command has
    written in ``atomic`` is rolled back. Unlike ``Retry`` it may do this as often as it likes.
    """

    def __init__(self, delay: float | timedelta, message: str = "") -> None:
        super().__init__(*([message] if message else []))
        self.delay = delay.total_seconds() if isinstance(delay, timedelta) else delay


class Drop(Control):
    """There is nothing to do any more: done without running to its end.

    It is neither retried nor kept as a dead letter, and the signal is ``command_dropped`` instead of
    ``command_succeeded``. What the command has written in ``atomic`` is rolled back.
    """


class Reject(Control):
    """The command asked not to be retried; it becomes a dead letter."""
