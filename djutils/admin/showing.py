"""How messages, queues and numbers are shown on a page: short, with the exact value available."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, unquote

from django.utils import formats
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext

from djutils.queue.backends.base import BaseQueue
from djutils.queue.inspecting import Found, summary
from djutils.queue.wording import plain, when, width_of_ids

from .asking import Filter, Told

_MINUTE = timedelta(minutes=1)
_WIDEST_REASON = 300
_LABELS = {
    "ready": "ready",
    "delayed": "delayed",
    "leased": "running",
    "dead": "dead",
    "waiting": "in a lane",
}


class Moment(NamedTuple):
    """A moment as shown: how far away, and exactly."""

    text: str
    exact: str


class Row(NamedTuple):
    """A message in a list."""

    key: str
    url: str
    short_id: str
    id: str
    command: str
    parts: Sequence[str]
    """Its name, to be broken between these."""
    problem: str
    state: str
    summary: str
    queue: str
    moment: Moment
    """When it died, or is due, or was sent."""
    priority: str
    runs: str
    reason: str
    whole_reason: str


class Number(NamedTuple):
    """How many messages of a queue are in a state, and the page that lists them."""

    text: str
    url: str
    is_known: bool
    is_bad: bool


class QueueRow(NamedTuple):
    """A queue in the table of queues."""

    queue: str
    url: str
    numbers: Sequence[Number]
    oldest: Moment
    remark: str
    is_down: bool
    is_other: bool


def key_of(queue: str, id: str) -> str:
    """Return a key for a message on any queue, for URLs and for Django's log."""
    return f"{quote(queue, safe='', errors='surrogatepass')}:{quote(id, safe='', errors='surrogatepass')}"


def parts_of(key: str) -> tuple[str, str]:
    """Return queue and id from a key of ``key_of``; for a bare id the queue is empty."""
    queue, _, id = key.rpartition(":")
    return unquote(queue), unquote(id)


def number(count: int) -> str:
    """Return ``count`` with the separators of the language."""
    return formats.number_format(count, use_l10n=True, force_grouping=True)


def breakable(name: str) -> list[str]:
    """Return the parts of a dotted name between which a line may be broken."""
    return name.replace(".", ".\0").split("\0")


def letters(count: int) -> str:
    """Return a number of dead letters as text."""
    return "1 dead letter" if count == 1 else f"{number(count)} dead letters"


def named(queues: Sequence[BaseQueue] | Sequence[str]) -> str:
    """Return queues as text."""
    names = [f"'{one if isinstance(one, str) else one.name}'" for one in queues]
    return f"the queue {names[0]}" if len(names) == 1 else f"the queues {', '.join(names)}"


def ago(moment: datetime | None, form: str = "%s") -> Moment:
    """Return how long ago ``moment`` was, put into ``form``."""
    if moment is None:
        return Moment("unknown", "")
    passed = datetime.now(UTC) - moment
    if passed < -_MINUTE:
        return Moment(gettext("in %s") % _distance(timeuntil, moment), when(moment))
    if passed < _MINUTE:
        return Moment(form % f"{max(0, int(passed.total_seconds()))} s", when(moment))
    return Moment(form % _distance(timesince, moment), when(moment))


def rows(found: Sequence[Found], url: Callable[[str], str]) -> list[Row]:
    """Return ``found`` as rows; ``url`` returns the page of the message of a key."""
    width = width_of_ids([one.snapshot.id for one in found])
    return [_row(one, url, width) for one in found]


def queue_rows(told: Sequence[Told], wanted: Filter, url: Callable[[str, str], str]) -> list[QueueRow]:
    """Return the table of queues; ``url`` returns the list of a queue's messages in a state, or ''."""
    return [_queue_row(one, wanted, url) for one in told]


def _row(one: Found, url: Callable[[str], str], width: int) -> Row:
    snapshot, message = one.snapshot, one.message
    key = key_of(one.queue.name, snapshot.id)
    command = plain(one.command)
    reason = plain(snapshot.error.partition("\n")[0])
    problem = plain(one.problem) if one.problem not in snapshot.error else ""
    return Row(
        key=key,
        url=url(key),
        short_id=snapshot.id[:width] or "(empty)",
        id=snapshot.id,
        command=command,
        parts=breakable(command),
        problem=problem,
        state=_LABELS[snapshot.state],
        summary=summary(one),
        queue=one.queue.name,
        moment=_moment(one),
        priority=str(message.priority) if message else "?",
        runs=str(snapshot.attempts + snapshot.crashes),
        reason=reason if len(reason) <= _WIDEST_REASON else f"{reason[:_WIDEST_REASON]}…",
        whole_reason=reason if len(reason) > _WIDEST_REASON else "",
    )


def _moment(one: Found) -> Moment:
    snapshot = one.snapshot
    if snapshot.state == "dead":
        return ago(snapshot.died, gettext("%s ago"))
    if snapshot.state == "delayed" and snapshot.due:
        due = ago(snapshot.due)
        return due._replace(text=f"due {due.text}", exact=f"due {due.exact}")
    sent = ago(one.message.enqueued_at if one.message else snapshot.sent)
    return sent._replace(exact=f"enqueued {sent.exact}" if sent.exact else "")


def _queue_row(told: Told, wanted: Filter, url: Callable[[str, str], str]) -> QueueRow:
    numbers = [
        Number(
            text="unknown" if count is None else number(count),
            url=url(told.queue, state) if count else "",
            is_known=count is not None,
            is_bad=state == "dead" and bool(count),
        )
        for state, count in told.counts.items()
    ]
    oldest = Moment("none", "")
    if not told.knows_oldest:
        oldest = Moment("unknown", "")
    elif told.oldest:
        oldest = ago(told.oldest.sent)
    return QueueRow(
        told.queue,
        wanted._replace(queue=told.queue).query(),
        numbers,
        oldest,
        told.remark,
        not told.counts,
        told.is_other,
    )


def _distance(measure: Callable[..., str], moment: datetime) -> str:
    """Return how far away ``moment`` is, in its largest unit, with Django's non-breaking spaces."""
    try:
        return measure(moment, depth=1)
    except (OverflowError, ValueError):  # a moment at the end of the calendar
        return when(moment)
