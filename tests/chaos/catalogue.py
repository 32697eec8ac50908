"""The properties of every fault: where it can happen, how often it is tried, what must be seen of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from .field import Field

SERVERS = ("postgres", "mariadb", "redis")
DATABASES = ("sqlite", "postgres", "mariadb")
EVERYWHERE = (*DATABASES, "redis")
SIMPLE = "folder"
"""A backend with four methods and no leases: whatever kills a process loses the commands it ran."""

FULL = os.environ.get("DJUTILS_CHAOS") == "full"
"""Whether to run every fault on every backend, or only the most important ones."""

Inject = Callable[[Field], None]


class Fault(NamedTuple):
    """One way to break things."""

    inject: Inject
    """Breaks something in a field, and repairs what would stay broken."""
    on: tuple[str, ...]
    """The backends on which it can happen."""
    times: int
    """How often it is tried in one run, at random moments."""
    short: tuple[str, ...]
    """The backends of the short form."""
    says: str
    """A regular expression that the consumers' log must match."""
    count: int
    """How many commands are sent."""
    wired: bool
    """Whether consumers and producers reach the backend through a proxy."""
    small_disk: bool
    """Whether the database is on its own small disk."""
    repeats: bool
    """Whether it may make a command run twice."""
    settings: dict[str, str]
    """Settings of the queue in the consumers."""
    breaks: dict[str, str]
    """Backends on which it shows a known defect, and the defect."""

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
