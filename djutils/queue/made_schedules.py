"""A schedule that was made at run time: how it is kept, and the call that it makes.

It is kept as JSON, with the call as a message that this site has signed for this queue: a
program that writes to the store can let no call run that the site has not made.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from . import codec
from .command import Command
from .crontab import Crontab
from .exceptions import InvalidCommand, InvalidMessage
from .registry import registry
from .schedule import At, Every, Misfire, Overlap, Rule

_FACTS = ("rule", "since", "time_zone", "jitter", "misfire", "overlap", "enabled", "expires")


@dataclass(frozen=True)
class MadeSchedule:
    """A schedule that is kept in the store of its queue; its attributes are those of a ``PeriodicQueueCommand``."""

    name: str
    queue_name: str
    rule: str
    """When it is due, as ``as_text`` writes it."""
    message: bytes = field(repr=False)
    """The call, as a signed message; not in a log, because it has the arguments."""
    since: int
    """The minute, as the number since the beginning of 1970, in which it was made; it is due after that."""
    time_zone: str | None = None
    jitter: float | None = None
    misfire: Misfire = "skip"
    overlap: Overlap = "allow"
    enabled: bool = True
    expires: float | None = None
    """Within how many seconds after its moment a run must have begun; None: whenever, or as its command is declared."""

    @cached_property
    def validate_datetime(self) -> Rule:
        """When it is due. Raises ``ValueError`` if its text is not one that ``as_text`` has written."""
        return from_text(self.rule)

    @property
    def command(self) -> str:
        """The name of its command. Raises ``MessageError``."""
        return codec.decode(self.message, self.queue_name).command

    def call(self) -> Command:
        """Return the call, not enqueued. Raises ``MessageError`` if this site did not sign it, or does not know its command."""
        message = codec.decode(self.message, self.queue_name)
        command = registry.get_command_for_message(message)
        command.queue_name, command.priority = self.queue_name, message.priority
        if self.expires is not None:
            command.expires = timedelta(seconds=self.expires)
        return command


def pack(made: MadeSchedule) -> bytes:
    """Return ``made`` as it is kept, without its name and queue."""
    facts: dict[str, Any] = {name: getattr(made, name) for name in _FACTS}
    return json.dumps(facts | {"message": b64encode(made.message).decode()}).encode()


def unpack(name: str, queue_name: str, data: bytes) -> MadeSchedule:
    """Return what ``pack`` made; raise ``InvalidMessage`` for anything else. The message is verified when it is used."""
    try:
        facts: dict[str, Any] = json.loads(data)
        made = MadeSchedule(name, queue_name, message=b64decode(facts.pop("message")), **facts)
        _ = made.validate_datetime
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidMessage(
            f"What is kept as the schedule '{name}' on '{queue_name}' is not one that djutils has written; it is left "
            f"alone. Remove it, and add it again."
        ) from error
    return made


def as_text(rule: Rule) -> str:
    """Return ``rule`` as text that ``from_text`` understands; raise ``InvalidCommand`` for a function."""
    match rule:
        case Crontab():
            return f"{'crontab' if rule.both_days else 'cron'} {rule.expression}"
        case Every():
            return f"every {rule.minutes}"
        case At():
            return f"at {rule.moment.isoformat()}"
        case _:
            raise InvalidCommand(
                f"A schedule that is made at run time is kept in the store, and {rule!r} cannot be; nothing was changed. "
                f"Use crontab(...), every(...), a line of cron's five fields or a datetime, or declare it in a commands.py."
            )


def from_text(text: str) -> Rule:
    """Return the rule that ``as_text`` wrote; raise ``ValueError`` for anything else."""
    kind, _, rest = text.partition(" ")
    match kind:
        case "cron" | "crontab":
            return Crontab(rest, both_days=kind == "crontab")
        case "every":
            return Every(int(rest))
        case "at":
            return At(datetime.fromisoformat(rest))
        case _:
            raise ValueError(f"{kind!r} is no kind of schedule.")
