"""How messages are shown to people: ids, times, ages, reasons. The text in a message may come from anywhere."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from django.utils import timezone

_FULL_ID = 32
_SHORTEST = 12
_WIDEST_REASON = 100
_UNITS = (("h", 7200.0, 3600.0), ("min", 120.0, 60.0), ("s", 1.0, 1.0), ("ms", 0.0, 0.001))
"""Names of units, from how many seconds each is used, and how long it is."""


def width_of_ids(ids: Collection[str]) -> int:
    """Return how many characters of ``ids`` to show so that they differ: ids from one moment begin alike."""
    widths = range(_SHORTEST, _FULL_ID)
    return next((width for width in widths if len({id[:width] for id in ids}) == len({*ids})), _FULL_ID)


def first_line(error: str) -> str:
    """Return the reason at the start of an error, shortened for a table."""
    reason = error.partition("\n")[0]
    return plain(reason if len(reason) <= _WIDEST_REASON else f"{reason[:_WIDEST_REASON]}...")


def plain(text: str) -> str:
    """Return ``text`` without terminal control characters: an exception's text may come from anywhere."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def when(moment: datetime) -> str:
    """Return a moment in the project's time zone, to the second."""
    try:
        moment = timezone.localtime(moment)
    except OverflowError:  # the last day of the calendar, in another time zone
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def since(moment: datetime) -> timedelta:
    """Return how long ago ``moment`` was, in whole seconds; 0 if it is in the future."""
    return max(timedelta(0), timedelta(seconds=int((datetime.now(UTC) - moment).total_seconds())))


def seconds_since(moment: datetime) -> float:
    """Return how many seconds ago ``moment`` was; 0 if it is in the future."""
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())


def duration(seconds: float | None) -> str:
    """Return a duration as text in two or three digits: ``0.31 ms``, ``25 ms``, ``1.4 s``, ``12 min``; "-" for None."""
    if seconds is None:
        return "-"
    name, length = next((name, length) for name, least, length in _UNITS if seconds >= least)
    value = seconds / length
    return f"{value:.0f} {name}" if value >= 9.95 else f"{value:.2g} {name}"


def until(moment: datetime) -> str:
    """Return how long it is until ``moment``; "now" if it has passed."""
    rest = moment - datetime.now(UTC)
    return f"in {timedelta(seconds=int(rest.total_seconds()))}" if rest > timedelta(0) else "now"
