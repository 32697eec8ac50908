"""Why a message is not running: what holds it back, the most important first, and when it will probably begin."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from . import command_pauses, counters, pausing
from .backends.base import BaseQueue
from .backends.lanes import told_name
from .counters import MINUTE
from .inspecting import Found
from .message import LaneSnapshot, Snapshot
from .presence import Presence, workers_of
from .registry import registry
from .wording import duration, first_line, plain, seconds_since, until, when

Code = Literal[
    "dead",
    "paused",
    "no_consumer",
    "worker_gone",
    "running",
    "lent",
    "not_due",
    "lane_full",
    "lane_paced",
    "behind_in_lane",
    "unknown_command",
    "workers_busy",
    "behind",
    "next",
    "unknown",
]
_PAGE = 500
_MOST = 5000
"""How many messages to look through for the place of this one."""
_PACE_OVER = 10 * MINUTE


class Obstacle(NamedTuple):
    """One thing that holds a message back."""

    code: Code
    text: str
    """A sentence for people."""


def why(found: Found) -> list[Obstacle]:
    """Return why ``found`` is not running, the most important reason first; at least one.

    It looks at what there is now: with each state it changes. What this backend cannot tell is said as ``unknown``, and not left
    out. Raises ``BackendError``.
    """
    return [*_reasons(found)]


def _reasons(found: Found) -> Iterator[Obstacle]:
    one, queue = found.snapshot, found.queue
    if one.state == "dead":
        last = f": {first_line(one.error)}" if one.error else ""
        yield Obstacle("dead", f"It is a dead letter{last}. It runs again only if it is replayed.")
        return
    workers = workers_of(queue)
    if one.state == "leased":
        yield _lent_to(one, workers)
        return
    yield from _held_back_for_all(queue, workers)
    if found.message and registry.known(found.message.command) is None:
        name = plain(found.message.command)
        yield Obstacle("unknown_command", f"This project, as it is here, does not know the command {name}.")
    if pause := command_pauses.find(queue).get(found.command):
        yield Obstacle("paused", f"Its command is {pause}: it does not begin until that is resumed.")
    if one.due and one.due > datetime.now(UTC):
        yield Obstacle("not_due", f"It is due at {when(one.due)} ({until(one.due)}).")
    elif one.state == "waiting":
        yield from _in_its_lane(found)
    else:
        yield from _in_line(found, workers)


def _held_back_for_all(queue: BaseQueue, workers: Sequence[Presence] | None) -> Iterator[Obstacle]:
    """Yield what holds back every message of the queue."""
    if pause := pausing.find(queue):
        yield Obstacle("paused", f"Its queue is {pause}: nothing of it begins until it is resumed.")
    if workers is None:
        yield Obstacle(
            "unknown", f"Whether a consumer works on '{queue.name}' is unknown: this backend registers none."
        )
    elif not any(one.is_present for one in workers):
        yield Obstacle("no_consumer", f"No consumer works on the queue '{queue.name}'. Start one.")


def _lent_to(one: Snapshot, workers: Sequence[Presence] | None) -> Obstacle:
    worker = next((worker for worker in workers or () if worker.owner == one.owner), None)
    if worker is None or not worker.is_present:
        text = "It is lent to a worker process of which nothing was heard for its lease."
        return Obstacle("worker_gone", f"{text} A living consumer hands it on; if there is none, start one.")
    place = f"process {worker.pid} on {plain(worker.host)}"
    for run in worker.running:
        if run.id == one.id:
            return Obstacle(
                "running", f"It is running, for {duration(seconds_since(run.since))}, in {place}."
            )
    if worker.running:
        longest = max(worker.running, key=lambda run: seconds_since(run.since))
        ran = duration(seconds_since(longest.since))
        text = f"It is lent to {place}, which has been running {plain(longest.id)} for {ran}."
        return Obstacle("lent", f"{text} If that goes on, the message is given to another process.")
    return Obstacle("lent", f"It is lent to {place}: it has just begun, or begins next.")


def _in_its_lane(found: Found) -> Iterator[Obstacle]:
    lane = found.snapshot.lane or (
        told_name(found.message.lane.name) if found.message and found.message.lane else ""
    )
    before = _before(found, lane)
    told = _lane(found.queue, lane)
    name = plain(lane)
    if told is None:
        yield Obstacle(
            "next",
            f"It waits in the lane {name}, in which there is room: it is admitted within a second or two.",
        )
        return
    if told.opens:
        rate = f"one starts every {duration(told.pace)}"
        yield Obstacle(
            "lane_paced",
            f"The lane {name} has a rate ({rate}): it opens at {when(told.opens)} ({until(told.opens)}).",
        )
    elif told.admitted >= told.width:
        holders = ", ".join(map(plain, told.holders[:3])) + (", ..." if told.admitted > 3 else "")
        places = "its only place is" if told.width == 1 else f"its {told.width} places are"
        yield Obstacle("lane_full", f"The lane {name} is full: {places} held by {holders}.")
    if before:
        yield Obstacle("behind_in_lane", f"{_count(before)} in the lane before it.")
    elif not told.opens and told.admitted < told.width:
        yield Obstacle("next", f"The lane {name} has room: it is admitted within a second or two.")


def _in_line(found: Found, workers: Sequence[Presence] | None) -> Iterator[Obstacle]:
    before = _before(found, "")
    present = [one for one in workers or () if one.is_present]
    if present and all(len(one.running) >= one.threads + one.coroutines for one in present):
        shortest = min(seconds_since(run.since) for one in present for run in one.running)
        text = "Every worker process is busy with commands that have been running"
        yield Obstacle("workers_busy", f"{text} for {duration(shortest)} or longer.")
    if before:
        yield Obstacle("behind", f"{_count(before)} before it{_at_this_pace(found.queue, before)}.")
    elif present:
        yield Obstacle("next", "It is the next one: a worker process that is free takes it at once.")


def _before(found: Found, lane: str) -> int:
    """Return how many messages come before this one in its lane, or in the queue; ``_MOST`` stands for that many and more."""
    queue, one = found.queue, found.snapshot
    count, after = 0, ""
    while count < _MOST:
        page = (
            queue.peek("waiting", lane=lane, after=after, count=_PAGE)
            if lane
            else queue.peek("ready", after=after, count=_PAGE)
        )
        for other in page:
            if other.id == one.id:
                return count
            count += 1
        if len(page) < _PAGE or not page[-1].place:
            return 0  # it is not there any more
        after = page[-1].place
    return _MOST


def _lane(queue: BaseQueue, name: str) -> LaneSnapshot | None:
    """Return the lane ``name``; None if nothing is in it."""
    # The page that follows the text before it: names are in order, and no name ends with this character.
    before = name[:-1] + chr(ord(name[-1]) - 1) + "~" if name else ""
    for lane in queue.lanes(after=before, count=_PAGE):
        if lane.name >= name:
            return lane if lane.name == name else None
    return None


def _count(before: int) -> str:
    if before >= _MOST:
        return f"At least {_MOST:,} messages are"
    return "1 message is" if before == 1 else f"{before:,} messages are"


def _at_this_pace(queue: BaseQueue, before: int) -> str:
    """Return, as text, how long the messages before it take at the pace of the last minutes; empty if that is not known."""
    now = time.time()
    periods = counters.read(queue, now - _PACE_OVER, now) or {}
    ended = sum(one.runs + one.dropped for period in periods.values() for one in period.values())
    if not ended or before >= _MOST:
        return ""
    return f"; at the pace of the last {_PACE_OVER // MINUTE} minutes that takes about {duration(before * _PACE_OVER / ended)}"
