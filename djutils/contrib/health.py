"""A view for probes: 200 if every queue is in order, 503 if not."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import NamedTuple

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from djutils.queue import schedules
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, age_of_oldest
from djutils.queue.inspecting import known_names
from djutils.queue.pausing import find as find_pause
from djutils.queue.presence import workers_of
from djutils.queue.wording import plain

OLDEST = 300.0
LONGEST = 8.0
_MOST_NAMES = 5


class _Found(NamedTuple):
    """What is wrong with a queue, and what cannot be known, in words."""

    problems: list[str]
    unknown: list[str]


@non_atomic_requests
@never_cache
@require_safe
def health(
    request: HttpRequest,
    *,
    names: Collection[str] | None = None,
    oldest: float = OLDEST,
    details: bool | None = None,
) -> JsonResponse:
    """Return 200 and ``{"status": "ok"}``, or 503 and ``{"status": "failing"}`` if anything is wrong with a queue.

    Wrong is: its store is away; its oldest message that is due was sent more than ``oldest`` seconds ago; no consumer works on
    it, or nothing was heard of any for its lease; a schedule is overdue. Of a queue that is paused only the store and the
    schedules are judged. What cannot be known is no reason to fail.

    ``names`` are the queues, by default the default queue, and those that commands or ``QUEUES`` name. With ``details``, by default
    for users who are staff, ``queues`` has for each of them the ``problems`` and what is ``unknown``, in words. No messages
    are counted. Queues are asked for up to 8 seconds; one whose turn does not come by then is a problem.
    """
    end = time.monotonic() + LONGEST
    found = {name: _found(name, oldest, end) for name in (known_names() if names is None else names)}
    is_failing = any(one.problems for one in found.values())
    told: dict[str, object] = {"status": "failing" if is_failing else "ok"}
    if _is_staff(request) if details is None else details:
        told["queues"] = {name: one._asdict() for name, one in found.items()}
    return JsonResponse(told, status=503 if is_failing else 200)


def _found(name: str, oldest: float, end: float) -> _Found:
    if time.monotonic() >= end:
        return _Found([f"it was not asked: the queues before it took longer than {LONGEST:g} s"], [])
    found = _Found([], [])
    try:
        queue = queues[name]
        if queue.store is not None:
            found.problems.extend(_overdue(name))
        if pause := find_pause(queue):
            found.unknown.append(f"whether it would be in order if it were not {pause}")
        else:
            _judge_oldest(queue, oldest, found)
            _judge_consumers(queue, found)
    except Exception as error:  # noqa: BLE001  (a backend may raise anything, and the other queues can be asked)
        return _Found([f"it cannot be asked: {type(error).__name__}: {error}"], [])
    return found


def _overdue(name: str) -> Iterator[str]:
    overdue = schedules.overdue(name)
    for one, moment in overdue[:_MOST_NAMES]:
        yield f"the schedule '{plain(one.name)}' was due at {moment.isoformat()} and did not run"
    if len(overdue) > _MOST_NAMES:
        yield f"{len(overdue) - _MOST_NAMES} more schedules did not run"


def _judge_oldest(queue: BaseQueue, limit: float, found: _Found) -> None:
    age = age_of_oldest(queue)
    if age is None:
        found.unknown.append("how old the oldest message is")
    elif age > limit:
        ago = timedelta(seconds=int(age))
        found.problems.append(
            f"the oldest message that is due was sent {ago} ago: too few consumers, or none"
        )


def _judge_consumers(queue: BaseQueue, found: _Found) -> None:
    workers = workers_of(queue)
    if workers is None:
        found.unknown.append(f"whether a consumer lives: {type(queue).__name__} registers no workers")
    elif not workers:
        found.problems.append("no consumer works on it")
    elif not any(one.is_present for one in workers):
        found.problems.append("no consumer works on it: nothing was heard for its lease of those that did")


def _is_staff(request: HttpRequest) -> bool:
    try:
        return bool(request.user.is_staff)
    except Exception:  # noqa: BLE001  (no middleware for users; or the sessions are in the store that is away)
        return False
