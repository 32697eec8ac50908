"""Replaying and discarding from the admin: the selected dead letters, or everything that matches, in parts.

A request works for some seconds. The rest is done by the next one, which continues where this one stopped and
has the same bound: messages that were dead when the operator pressed the button, not those that die later.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, NamedTuple

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType

from djutils.models import QueueDeadLetter
from djutils.queue import dead_letters
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue
from djutils.queue.inspecting import Budget, Found, Sought, Walk

from .asking import Filter, explain
from .showing import letters, named, parts_of

Verb = Literal["replay", "discard"]
DONE: dict[str, str] = {"replay": "Replayed", "discard": "Discarded"}
SECONDS = 4.0
"""How long one request may work."""
_PART = 500
_DECIDE: dict[Verb, Callable[[BaseQueue, Collection[str], str], int]] = {
    "replay": dead_letters.replay,
    "discard": dead_letters.discard,
}
_ENDLESS = 1 << 62


class Going(NamedTuple):
    """How far an action has come. It is sent in the page's form, and checked when it comes back."""

    until: datetime
    """Only messages that were dead at this moment are affected."""
    queues: tuple[str, ...]
    """The queues that are not done yet; the first one is in progress."""
    after: str = ""
    """The place in the first queue to continue after."""
    done: int = 0

    def __str__(self) -> str:
        return json.dumps([self.until.isoformat(), self.queues, self.after, self.done], separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Going:
        """Parse what ``str`` produced; raise ``ValueError`` for anything else."""
        try:
            until, names, after, done = json.loads(text)
            progress = cls(datetime.fromisoformat(until), tuple(map(str, names)), str(after), int(done))
        except TypeError as error:
            raise ValueError(str(error)) from error
        if progress.until.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return progress

    @classmethod
    def begin(cls, chosen: Sequence[BaseQueue]) -> Going:
        """Return the beginning of an action on everything that is dead now, by the clock of the store."""
        newest = [snapshot for queue in chosen for snapshot in queue.peek("dead", newest=True, count=1)]
        died = [snapshot.died or datetime.now(UTC) for snapshot in newest]
        return cls(max(died, default=datetime.now(UTC)), tuple(queue.name for queue in chosen))


class Done(NamedTuple):
    """The result of a request."""

    number: int
    progress: Going
    """What is left; its queues are empty if nothing is."""
    problem: str = ""


class Selected(NamedTuple):
    """The result for the selected dead letters."""

    number: int
    queues: Sequence[str]
    problems: Sequence[str]


class Estimate(NamedTuple):
    """How many dead letters match."""

    number: int
    is_exact: bool


def carry_out(verb: Verb, progress: Going, sought: Sought, by: str) -> Done:
    """Replay or discard what matches for some seconds; return how many were done, and what is left."""
    budget, now = Budget(_ENDLESS, SECONDS), progress
    try:
        for step in _steps(verb, progress, sought, by, budget):
            now = step
            if budget.is_spent:
                break
    except Exception as error:  # noqa: BLE001  (a backend may raise anything)
        return Done(now.done - progress.done, now, explain(now.queues[0], error))
    return Done(now.done - progress.done, now)


def decide(verb: Verb, keys: Sequence[str], by: str) -> Selected:
    """Replay or discard the dead letters of ``keys``; ignore those that are no longer dead."""
    by_queue: defaultdict[str, list[str]] = defaultdict(list)
    for name, id in map(parts_of, keys):
        by_queue[name].append(id)
    count, problems = 0, []
    for name, ids in by_queue.items():
        try:
            count += _DECIDE[verb](queues[name], ids, by)
        except Exception as error:  # noqa: BLE001  (a backend may raise anything)
            problems.append(explain(name, error))
    return Selected(count, tuple(by_queue), problems)


def estimate(chosen: Sequence[BaseQueue], wanted: Filter, most: int) -> Estimate:
    """Return how many dead letters match, counting for some seconds and searching at most ``most``."""
    if not any(wanted.sought):
        return Estimate(sum(queue.stats().dead for queue in chosen), is_exact=True)
    budget, count = Budget(most, SECONDS), 0
    for queue in chosen:
        walk = Walk(queue, "dead", wanted.sought, budget, newest=True, data=False)
        count += sum(1 for _ in walk)
        if walk.gave_up:
            return Estimate(count, is_exact=False)
    return Estimate(count, is_exact=True)


def record(user: Any, verb: Verb, what: str, keys: Sequence[str] = (), key: str = "") -> None:
    """Make an entry in Django's own log of actions; with ``key``, one that leads to the message's page."""
    LogEntry.objects.create(
        user_id=user.pk,
        content_type_id=ContentType.objects.get_for_model(QueueDeadLetter, for_concrete_model=False).pk,
        object_id=key or None,
        object_repr=what[:200],
        action_flag=CHANGE if verb == "replay" else DELETION,
        change_message=f"{DONE[verb]}: {what}" + (f": {', '.join(keys)}" if keys else "") + ".",
    )


def described(done: Done, began: Going, wanted: Filter) -> str:
    """Return what was done, for the log of actions: how many, where, by which filter, with which bound."""
    words = wanted.in_words()
    which = f", {words}" if words else ""
    return f"{letters(done.number)} of {named(began.queues)}{which}, died up to {began.until:%Y-%m-%d %H:%M:%S %Z}"


def repr_of(found: Found) -> str:
    """Return a message as the log of actions names it."""
    return f"{found.command} {found.snapshot.id}"


def _steps(verb: Verb, progress: Going, sought: Sought, by: str, budget: Budget) -> Iterator[Going]:
    """Continue from ``progress``, queue by queue; yield the progress after each step."""
    while progress.queues:
        for step in _by_parts(queues[progress.queues[0]], verb, progress, sought, by, budget):
            progress = step
            yield progress
        progress = progress._replace(queues=progress.queues[1:], after="")
        yield progress


def _by_parts(
    queue: BaseQueue, verb: Verb, progress: Going, sought: Sought, by: str, budget: Budget
) -> Iterator[Going]:
    """Replay or discard part by part; yield the progress after each."""
    # What is replayed last is lent first where messages are leased, and runs last where they are only read.
    newest = queue.supports_leases
    walk = Walk(queue, "dead", sought, budget, newest=newest, after=progress.after, data=False)
    found = iter(walk)
    while part := list(islice(found, _PART)):
        ids = [one.snapshot.id for one in part if _is_old(one, progress.until)]
        count = _DECIDE[verb](queue, ids, by) if ids else 0
        after = part[-1].snapshot.place if len(part) == _PART else walk.place
        progress = progress._replace(after=after or progress.after, done=progress.done + count)
        yield progress
    if walk.gave_up:
        yield progress._replace(after=walk.place)


def _is_old(one: Found, until: datetime) -> bool:
    return one.snapshot.died is None or one.snapshot.died <= until
