"""``@queue_command(concurrency=..., rate=..., ordered=...)``: how many of a key run at once, how often, in which order.

A call that is limited waits in a lane of its queue, which admits it when earlier ones have ended or time has passed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.border import border
from djutils.queue.backends.lanes import WIDEST
from djutils.queue.call_keys import key_of
from djutils.queue.command import Command
from djutils.queue.command_options import FLAG, TEXT, Option, is_integer
from djutils.queue.current import running
from djutils.queue.exceptions import BackendError, InvalidCommand, NotItsTurn, Postpone, UnsupportedOption
from djutils.queue.message import LANE, Lane, Message

from .base import Middleware

_PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 24 * 3600.0}
_RATE = re.compile(r"([1-9][0-9]{0,5})/([smhd])")
_AFTER_A_FAULT = 30.0
_LONGEST = 110


def _is_rate(value: Any) -> bool:
    return isinstance(value, str) and _RATE.fullmatch(value) is not None


_COUNT = Option(lambda value: is_integer(value, 1, WIDEST), f"an integer from 1 to {WIDEST:,}")


class LimitOptions(TypedDict, total=False):
    """The options of ``Limits``."""

    concurrency: Annotated[int, _COUNT]
    rate: Annotated[
        str, Option(_is_rate, "a number of starts and a period: '10/s', '10/m', '10/h' or '10/d'")
    ]
    burst: Annotated[int, _COUNT]
    ordered: Annotated[bool, FLAG]
    lane: Annotated[str, TEXT]


class Limits(Middleware):
    """Names the lane in which a call waits, and asks right before a run whether the pace of that lane allows it.

    The rule travels with the message: a lane has that of the call that was sent last. Whatever its command declares by
    then, a message is settled in the lane in which it was sent.
    """

    options = LimitOptions
    extras = (LANE,)

    def applies_to(self, command_class: type[Command]) -> bool:
        return is_limited(command_class)

    def sent(self, command: Command, message: Message) -> Message:
        return message.with_extras(**{LANE: _lane_of(command)}) if is_limited(type(command)) else message

    def run(self, command: Command, message: Message) -> Iterator[None]:
        now, lane = running.get(), message.lane
        # Who runs it outside of a worker waits for it now.
        if (
            lane is not None
            and lane.pace
            and now is not None
            and now.lease is not None
            and now.watchdog is not None
        ):
            _start(now.lease.queue, now.lease.owner, message.id)
        yield


def is_limited(command_class: type[Command]) -> bool:
    """Return whether calls of this class wait in lanes."""
    return bool(command_class.concurrency or command_class.rate or command_class.ordered)


def refuse_limits(command: Command, queue: BaseQueue) -> None:
    """Raise ``UnsupportedOption`` if ``queue`` has no lanes."""
    if not queue.supports_lanes:
        raise UnsupportedOption(
            f"{type(queue).__name__} has no lanes, so it can limit neither how many of '{command.name}' run at once nor how "
            f"often; nothing was sent. Use DatabaseQueue or RedisQueue, or leave concurrency, rate and ordered out."
        )


def check_limits(command_class: type[Command], where: str) -> None:
    """Raise ``InvalidCommand`` for limits of this class that contradict each other, or have no effect."""
    if command_class.burst is not None and command_class.rate is None:
        raise InvalidCommand(f"burst has no effect on {where} without rate: add it, or leave burst out.")
    if command_class.lane is not None and not is_limited(command_class):
        raise InvalidCommand(
            f"lane has no effect on {where} without a limit: add concurrency, rate or ordered, or leave lane out."
        )
    if not is_limited(command_class):
        return
    if command_class.ordered and (command_class.concurrency or 1) > 1:
        raise InvalidCommand(
            f"{where} cannot be ordered and run {command_class.concurrency} at once: leave concurrency or ordered out."
        )
    if command_class.at_most_once and (command_class.concurrency or command_class.ordered):
        raise InvalidCommand(
            f"at_most_once and a limit of how many run at once exclude each other on {where}: it is acknowledged before it "
            f"runs, and its place would be free while it runs. Leave one of them out; rate may stay."
        )
    if hasattr(command_class, "validate_datetime"):
        raise InvalidCommand(
            f"{where} is enqueued by the clock, which has no lanes: leave the limits out, and let it enqueue a command that "
            f"has them."
        )


def _lane_of(command: Command) -> Lane:
    command_class, key = type(command), key_of(command)
    kind, shared = ("command", command.name) if command_class.lane is None else ("lane", command_class.lane)
    parts = [kind, shared] if key is None else [kind, shared, key]
    width = command_class.concurrency or (1 if command_class.ordered else WIDEST)
    pace, burst = _pace_of(command_class.rate), command_class.burst or 1
    return Lane(
        _shortened(json.dumps(parts, separators=(",", ":"))), width, pace, burst, command_class.ordered
    )


def _pace_of(rate: str | None) -> float:
    """Return the seconds from one start to the next; 0 for no limit."""
    if rate is None:
        return 0.0
    count, period = rate.split("/")
    return _PERIODS[period] / int(count)


def _shortened(name: str) -> str:
    """Return ``name``, or its beginning and a digest: a header has no room for everything, and people read the beginning."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 65]}#{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _start(queue: Any, owner: int, id: str) -> None:
    try:
        with border(queue):
            starting = queue.start_in_lanes(owner, [id])
    except BackendError as error:
        raise Postpone(
            _AFTER_A_FAULT, f"It is unknown whether it may start, so it did not run: {error}"
        ) from error
    if not starting:
        raise NotItsTurn("It goes back until its turn comes, or was taken back; it does not run here.")
