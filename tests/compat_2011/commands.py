"""Commands as a site of 2011 had them in its ``commands.py``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from djutils.queue.decorators import crontab, periodic_command, queue_command
from djutils.queue.queue import PeriodicQueueCommand, QueueCommand

done: list[Any] = []


class UserCommand(QueueCommand):
    """Takes a person and an address."""

    def execute(self) -> None:
        person, address = self.data
        done.append((person, address))


@queue_command
def user_command(person: str, address: str) -> None:
    done.append((person, address))


class BampfException(Exception):
    """The command's own."""


@queue_command
def throw_error() -> None:
    raise BampfException("bampf")


class EveryOtherHour(PeriodicQueueCommand):
    """Has its own clock."""

    def validate_datetime(self, when: datetime) -> bool:
        return when.hour % 2 == 0 and when.minute == 0

    def execute(self) -> None:
        done.append("every other hour")


@periodic_command(crontab(hour=3, minute=15))
def at_night() -> None:
    done.append("at night")
