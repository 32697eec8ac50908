"""What an admin page reads from the queues: a filter, and one page of the matching messages."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from heapq import merge
from typing import Any, NamedTuple, get_args

from django.http import QueryDict
from django.utils.http import urlencode

from djutils.queue import command_pauses
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, counts_of
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable, QueueException
from djutils.queue.inspecting import Budget, Found, Sought, Walk, known_queues, read, with_owners
from djutils.queue.message import Snapshot, StateName
from djutils.queue.pausing import find as find_pause

logger = logging.getLogger("djutils.admin")

STATES: tuple[StateName, ...] = get_args(StateName)
PER_PAGE = 100
MOST = 10_000
"""How many messages to search for one page."""
SECONDS = 4.0
_LONGEST = 200
_MOST_OTHERS = 20
_TURN: tuple[StateName, ...] = ("leased", "ready", "waiting", "delayed", "dead")
_LATEST = datetime.max.replace(tzinfo=UTC)


class Filter(NamedTuple):
    """What the operator wants to see; an empty field matches everything."""

    queue: str = ""
    state: str = ""
    command: str = ""
    reason: str = ""
    id: str = ""
    order: str = ""
    """'oldest', or empty for the newest first."""

    @classmethod
    def of(cls, given: QueryDict) -> Filter:
        """Return the filter in ``given``; invalid values are ignored."""
        texts = {name: given.get(name, "").strip()[:_LONGEST] for name in cls._fields}
        texts["queue"] = given.get("queue", "")  # in a name each space counts
        if texts["state"] not in STATES:
            texts["state"] = ""
        if texts["order"] != "oldest":
            texts["order"] = ""
        return cls(**texts)

    @property
    def newest(self) -> bool:
        """Whether the newest messages come first."""
        return not self.order

    @property
    def sought(self) -> Sought:
        """The criteria for searching a queue."""
        return Sought(self.command, self.reason, self.id)

    def pairs(self) -> list[tuple[str, str]]:
        """Return names and values of the fields that are not empty."""
        return [(name, value) for name, value in self._asdict().items() if value]

    def query(self, **more: str) -> str:
        """Return the filter as the query string of a URL, with ``more`` replacing its values."""
        given = {**self._asdict(), **more}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    def in_words(self) -> str:
        """Return the filter as text; empty if it matches everything."""
        told = []
        if self.command:
            told.append(f"command {self.command}")
        if self.reason:
            told.append(f"reason contains “{self.reason}”")
        if self.id:
            told.append(f"id begins with {self.id}")
        return ", ".join(told)


class Cursor(NamedTuple):
    """Where a page ended: the part of the list, and the place in each of its queues."""

    part: int = 0
    places: Mapping[str, str] = {}

    def __str__(self) -> str:
        return json.dumps([self.part, dict(self.places)], separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Cursor:
        """Parse what ``str`` produced; return the beginning for anything else."""
        try:
            part, places = json.loads(text)
            return cls(int(part), {str(name): str(place) for name, place in dict(places).items()})
        except (ValueError, TypeError):
            return cls()


class Page(NamedTuple):
    """The messages that were found, and problems to report."""

    found: list[Found]
    after: str = ""
    """Where the next page begins; empty if there is none."""
    looked: int = 0
    """If a page ended before it was full: how many messages were searched."""
    problems: Sequence[str] = ()


class Told(NamedTuple):
    """What is known about a queue."""

    queue: str
    counts: Mapping[str, int | None] = {}
    """None: it cannot know."""
    oldest: Snapshot | None = None
    knows_oldest: bool = False
    remark: str = ""
    problem: str = ""
    is_down: bool = False
    """Whether its store cannot be reached."""
    is_other: bool = False
    """Whether it belongs to another project: no command of this project is sent to it."""


def chosen(name: str) -> tuple[list[BaseQueue], str]:
    """Return the queue ``name``, or all that the project's commands are sent to, and the problem, if any."""
    try:
        return known_queues(name or None), ""
    except Exception as error:  # noqa: BLE001  (a wrong setting, or a backend that cannot be made)
        return [], explain(name or "of this project", error)


def beside(known: Sequence[BaseQueue]) -> list[BaseQueue]:
    """Return the other queues in the store of ``known``, as far as it lists them: under other names, or of other projects."""
    names = {queue.name for queue in known}
    try:
        there = [name for queue in known[:1] for name in queue.neighbours() if name not in names]
        return [queues[name] for name in there[:_MOST_OTHERS]]
    except Exception:  # noqa: BLE001  (the error is reported where the known queues are read)
        return []


def told_of(known: Sequence[BaseQueue], others: Sequence[BaseQueue]) -> list[Told]:
    """Return what is known about each queue, or the problem with reading it; ``others`` are marked as such.

    They are in one store: if one cannot be reached the others are not tried.
    """
    told: list[Told] = []
    for queue in (*known, *others):
        if told and told[-1].is_down:
            told.append(told[-1]._replace(queue=queue.name, problem=""))
        else:
            told.append(_counted(queue)._replace(is_other=queue in others))
    return told


def _counted(queue: BaseQueue) -> Told:
    remark = ""
    if isinstance(queue, MemoryQueue):
        remark = "MemoryQueue: only the messages of this process of the site are seen."
    elif not queue.supports_peek:
        remark = f"{type(queue).__name__} cannot show waiting or running messages, only its dead letters."
    try:
        oldest = queue.oldest() if queue.supports_peek else None
        if pause := find_pause(queue):
            remark = f"{remark} It is {pause}: no consumer begins its messages until it is resumed.".strip()
        for name, pause in command_pauses.find(queue).items():
            remark = f"{remark} Its command {name} is {pause}.".strip()
        return Told(queue.name, counts_of(queue), oldest, queue.supports_peek, remark)
    except Exception as error:  # noqa: BLE001  (a backend may raise anything)
        is_down = isinstance(error, BackendUnavailable)
        return Told(queue.name, remark=remark, problem=explain(queue.name, error), is_down=is_down)


def look(chosen: Sequence[BaseQueue], states: Sequence[StateName], wanted: Filter, cursor: Cursor) -> Page:
    """Return the page, from ``cursor`` on, of the matching messages in one of ``states``."""
    if wanted.id:
        return _by_id(chosen, states, wanted)
    budget, problems = _Noting(MOST, SECONDS), list[str]()
    found: list[Found] = []
    for number, part in enumerate(_parts(chosen, states)):
        if number < cursor.part:
            continue
        places = cursor.places if number == cursor.part else {}
        walks = [
            Walk(
                queue,
                state,
                wanted.sought,
                budget,
                newest=wanted.newest,
                after=places.get(queue.name, ""),
                at_once=PER_PAGE + 1,
            )
            for queue, state in part
        ]
        # One more than fits, so that the last one shown is behind the place of its walk.
        for one in merge(*(_guarded(walk, problems) for walk in walks), key=_moment, reverse=wanted.newest):
            found.append(one)
            if len(found) > PER_PAGE:
                break
        after = str(Cursor(number, {walk.queue.name: walk.place for walk in walks if walk.place}))
        if len(found) > PER_PAGE:
            return Page(found[:PER_PAGE], after, problems=problems)
        if any(walk.gave_up for walk in walks):
            return Page(found, after, budget.spent, problems)
    return Page(found, problems=problems)


def whole(found: Sequence[Found]) -> list[Found]:
    """Return ``found`` with what is known about their owners, if the store can be read."""
    try:
        return with_owners(found)
    except Exception:  # noqa: BLE001  (optional: the messages are shown without it)
        return list(found)


def find(chosen: Iterable[BaseQueue], id: str, count: int, problems: list[str]) -> list[Found]:
    """Return up to ``count`` messages whose id is, or else begins with, ``id``; append problems to ``problems``."""
    found: list[Found] = []
    for queue in chosen:
        try:
            some = queue.find(id, count, data=True) or queue.find(id.lower(), count, data=True)
            found += [read(queue, snapshot) for snapshot in some]
        except Exception as error:  # noqa: BLE001  (a backend may raise anything)
            problems.append(explain(queue.name, error))
    return [one for one in found if one.snapshot.id == id] or found[:count]


def explain(name: str, error: Exception) -> str:
    """Return what happened to the queue ``name`` and what to do, for the page and the log."""
    logger.warning("The admin could not ask the queue %r.", name, exc_info=error)
    if isinstance(error, BackendUnavailable):
        return (
            f"The queue '{name}' cannot be asked. {type(error).__name__}: {error} Its messages stay where they are;"
            f" load this page again when the store can be reached."
        )
    if isinstance(error, QueueException):
        return f"The queue '{name}' cannot be asked. {type(error).__name__}: {error}"
    # An error that is not ours may repeat anything, such as an address with a password.
    return (
        f"The queue '{name}' cannot be asked: its backend raised {type(error).__name__}. The traceback is in the"
        f" site's log, from the logger {logger.name}."
    )


class _Noting(Budget):
    """Records how much of it was spent."""

    spent = 0

    def spend(self, messages: int) -> None:
        super().spend(messages)
        self.spent += messages


def _parts(
    chosen: Sequence[BaseQueue], states: Sequence[StateName]
) -> Iterator[list[tuple[BaseQueue, StateName]]]:
    """Return the parts of the list in order; the dead letters of all queues are one part, sorted by time."""
    for state in _TURN:
        if state == "dead" and state in states:
            yield [(queue, state) for queue in chosen]
        elif state in states:
            yield from ([(queue, state)] for queue in chosen if state in queue.states)


def _guarded(walk: Walk, problems: list[str]) -> Iterator[Found]:
    """Yield what ``walk`` finds; an error ends it, and is appended to ``problems``."""
    try:
        yield from walk
    except ValueError as error:  # caused by a changed URL, or by a row that another program wrote
        logger.warning("The admin lost its place in the queue %r.", walk.queue.name, exc_info=error)
        problems.append(
            f"The queue '{walk.queue.name}' cannot be read from here: start again at the first page."
        )
    except Exception as error:  # noqa: BLE001  (a backend may raise anything)
        problems.append(explain(walk.queue.name, error))


def _by_id(chosen: Sequence[BaseQueue], states: Sequence[StateName], wanted: Filter) -> Page:
    problems: list[str] = []
    found = find(chosen, wanted.id, PER_PAGE + 1, problems)
    cut = len(found) > PER_PAGE
    if cut:
        problems.append(f"More than {PER_PAGE} ids begin with {wanted.id}; give more characters.")
    fitting = [one for one in found if one.snapshot.state in states and wanted.sought.fits(one)]
    return Page(fitting[:PER_PAGE], problems=problems)


def _moment(one: Found) -> Any:
    return one.snapshot.died or _LATEST
