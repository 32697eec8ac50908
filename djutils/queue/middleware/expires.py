"""``@queue_command(expires=...)`` and ``.using(expires=...)``: what is not begun in time is not run any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypedDict

from djutils.queue.command import Command
from djutils.queue.command_options import Option, is_moment, moment_of_option
from djutils.queue.exceptions import Drop
from djutils.queue.message import Message

from .base import Middleware

_NAME = "expires"


def _is_end(value: Any) -> bool:
    return is_moment(value) and not (isinstance(value, timedelta) and value <= timedelta(0))


class ExpiresOptions(TypedDict, total=False):
    """The option of ``Expires``."""

    expires: Annotated[
        datetime | timedelta,
        Option(
            _is_end,
            "a timedelta above 0 or an aware datetime (a naive one says which time zone only where USE_TZ is off)",
        ),
    ]


class Expires(Middleware):
    """Drops a run, with the reason, that would begin after the moment that its message carries.

    The moment is the caller's, and the clock that of the worker's host. An older release, which does not know the
    extra, runs the command.
    """

    options = ExpiresOptions
    call_options = ExpiresOptions
    extras = (_NAME,)

    def applies_to(self, command_class: type[Command]) -> bool:
        return command_class.expires is not None

    def sent(self, command: Command, message: Message) -> Message:
        if command.expires is None:
            return message
        due = max(message.created, message.eta or 0.0)
        return message.with_extras(**{_NAME: moment_of_option(_NAME, command.expires, due)})

    def run(self, command: Command, message: Message) -> Iterator[None]:
        end = message.extras.get(_NAME)
        if end is not None and (late := time.time() - end) > 0:
            moment = datetime.fromtimestamp(end, UTC)
            raise Drop(f"It expired at {moment:%Y-%m-%d %H:%M:%S} UTC, {late:.1f} s before this run.")
        yield
