"""What is known of every fault: where it can happen, how often it is tried, what it must look like."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from .field import Field

SERVERS = ("postgres", "mariadb", "redis")
DATABASES = ("sqlite", "postgres", "mariadb")
EVERYWHERE = (*DATABASES, "redis")
SIMPLE = "folder"
"""A backend with four methods: nothing is lent, so what kills a process loses what it ran."""

FULL = os.environ.get("DJUTILS_CHAOS") == "full"
"""Every fault on every backend, or only the most telling ones?"""

Inject = Callable[[Field], None]


class Fault(NamedTuple):
    """One way to break things."""

    inject: Inject
    """Breaks something in a field, and mends what would stay broken."""
    on: tuple[str, ...]
    """The backends that can suffer it."""
    times: int
    """How often it is tried in one run, at random moments."""
    short: tuple[str, ...]
    """The backends of the short form."""
    says: str
    """What the log of the consumers must say, a regular expression."""
    count: int
    """How many commands are sent."""
    wired: bool
    """Do consumers and producers reach the backend through a proxy?"""
    small_disk: bool
    """Does the database lie on a small disk of its own?"""
    repeats: bool
    """May it make any command run twice?"""
    settings: dict[str, str]
    """Settings of the queue in the consumers."""
    breaks: dict[str, str]
    """Backends on which it shows a defect that is known, and which."""

    @property
    def name(self) -> str:
        return self.inject.__name__

    @property
    def crashes(self) -> int:
        """How many processes a command may kill here."""
        return int(self.settings.get("QUEUE_MAX_CRASHES", 3))


FAULTS: list[Fault] = []


def fault(
    on: tuple[str, ...],
    times: int = 1,
    *,
    short: tuple[str, ...] = (),
    says: str = "",
    count: int = 1000,
    wired: bool = False,
    small_disk: bool = False,
    repeats: bool = True,
    settings: dict[str, str] | None = None,
    breaks: dict[str, str] | None = None,
) -> Callable[[Inject], Inject]:
    """Put a function into the catalogue, as a ``Fault`` with these fields."""

    def note(inject: Inject) -> Inject:
        facts = (on, times, short, says, count, wired, small_disk, repeats, settings or {}, breaks or {})
        FAULTS.append(Fault(inject, *facts))
        return inject

    return note
