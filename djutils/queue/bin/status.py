"""What a consumer is doing, and what the store knows about its queues: as values for JSON, and as text."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from djutils.queue import command_pauses, schedules
from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, counts_of
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.bin import preflight
from djutils.queue.bin.pidfile import Holder
from djutils.queue.exceptions import ConsumerError
from djutils.queue.pausing import Pause, find
from djutils.queue.schedule import number_of
from djutils.queue.wording import plain
from djutils.queue.workers.options import ConsumerOptions

WATCHED = ConsumerOptions(()).beat_every + 1.0
"""Seconds in which every living consumer beats, unless it has a longer lease."""
_PAUSE = 0.2
_MOST_NAMES = 8

Report = dict[str, Any]


def name(holder: Holder) -> str:
    """Return the consumer as text for a message."""
    return f"process {holder.pid}" if holder.pid else "a consumer"


def report(holder: Holder | None, path: Path, names: Sequence[str], watch: float | None) -> Report:
    """Return what ``holder``, from the pidfile at ``path``, and the store know; unknown values are None.

    Without a state file the queues are ``names``, or the project's default queue if there are none.
    ``watch`` is for how many seconds to watch which counters advance; None: do not watch if the consumer is
    known to be running.
    """
    alive = bool(holder and holder.alive)
    info = holder.info if holder else {}
    told: Report = {
        "state": "running" if alive else "dead" if holder else "not running",
        "pidfile": str(path),
        "pid": (holder and holder.pid) or None,
        "uptime": _uptime(info) if alive else None,
        "workers": info.get("workers") if alive else None,
        "processes": info.get("processes"),
        "threads": info.get("threads"),
        "coroutines": info.get("coroutines"),
    }
    if watch is None:
        watch = 0.0 if alive else WATCHED
    try:
        names = list((alive and info.get("queues")) or names) or [preflight.default_queue()]
        preflight.load_django()
    except ConsumerError as error:
        return told | {"queues": None, "problem": f"The queues cannot be queried. {error}"}
    described = [_describe(name) for name in names]
    _watch(described, watch)
    return told | {"queues": described, "problem": None}


def _uptime(info: Mapping[str, Any]) -> float | None:
    started = info.get("started")
    return max(0.0, time.time() - started) if isinstance(started, int | float) else None


def _describe(name: str) -> Report:
    """Return what the store knows about a queue, or the problem if it cannot be queried."""
    told: Report = {"name": name, "problem": None}
    try:
        queue = queues[name]
        if isinstance(queue, MemoryQueue):
            return told | {"problem": "MemoryQueue, which only the process that made it can see"}
        counts = counts_of(queue)
        oldest = queue.oldest() if queue.supports_peek else None
        pause = find(queue)
        return told | {
            "backend": type(queue).__name__,
            "guarantee": queue.guarantee,
            **counts,
            "knows_oldest": queue.supports_peek,
            "oldest": oldest and oldest.id,
            "oldest_age": _age(oldest.sent) if oldest else None,
            "workers": _workers(queue),
            "paused": pause and pause.as_json(),
            "paused_commands": command_pauses.as_json(command_pauses.find(queue)),
            "overdue": _overdue(name),
        }
    except Exception as error:  # noqa: BLE001  (the consumer is running even if its store cannot be queried)
        return told | {"problem": f"cannot be queried: {type(error).__name__}: {error}"}


def _overdue(name: str) -> list[Report]:
    """Return the schedules that have not run for longer than ``QUEUE_SCHEDULE_GRACE`` after their moment."""
    return [
        {
            "name": one.name,
            "due_at": moment.isoformat(),
            "enqueued": number_of(moment) <= (one.settled or 0),
        }
        for one, moment in schedules.overdue(name)
    ]


def is_overdue(told: Report) -> bool:
    """Return whether a schedule is overdue, according to a report."""
    return any(queue.get("overdue") for queue in told["queues"] or ())


def _age(sent: datetime | None) -> float | None:
    return max(0.0, (datetime.now(UTC) - sent).total_seconds()) if sent else None


def _workers(queue: BaseQueue) -> list[Report] | None:
    """Return the registered worker processes; None if the backend does not register them."""
    if not queue.supports_leases:
        return None
    return [
        {"owner": f"{owner:x}", "beats": beats, "beating": None}
        for owner, beats in sorted(queue.owners().items())
    ]


def _watch(described: Sequence[Report], seconds: float) -> None:
    """Watch for up to ``seconds`` which of the registered workers beat; end early when all have."""
    watched = {one["name"]: one["workers"] for one in described if one.get("workers")}
    deadline = time.monotonic() + seconds
    while seconds > 0 and watched:
        left = deadline - time.monotonic()
        time.sleep(max(0.0, min(_PAUSE, left)))
        for name, workers in [*watched.items()]:
            if not _look_again(name, workers):
                return
            if all(worker["beating"] for worker in workers):
                del watched[name]
        if left <= 0:
            return


def _look_again(name: str, workers: list[Report]) -> bool:
    """Note which workers have beaten or were removed since; return whether the store could be queried."""
    try:
        now = queues[name].owners()
    except Exception:  # noqa: BLE001  (what was seen so far is reported)
        return False
    workers[:] = [worker for worker in workers if int(worker["owner"], 16) in now]
    for worker in workers:
        worker["beating"] = bool(worker["beating"]) or now[int(worker["owner"], 16)] != worker["beats"]
    return True


# As text


def in_words(told: Report) -> str:
    """Return a report as text for people."""
    lines = [_of_consumer(told)]
    if told["problem"]:
        lines.append(f"  {told['problem']}")
    for queue in told["queues"] or ():
        lines += _of_queue(queue)
    return "\n".join(lines)


def _of_consumer(told: Report) -> str:
    who = f"process {told['pid']}" if told["pid"] else "a consumer"
    if told["state"] != "running":
        reason = f"there is no pidfile {told['pidfile']}"
        if told["state"] == "dead":
            reason = f"{who} died and left the pidfile {told['pidfile']}"
        return (
            f"Not running: {reason}.\n"
            f"  A consumer without a pidfile, in the foreground, in a container or on another machine, is known to "
            f"the store only:"
        )
    if told["workers"] is None:
        return f"Running: process {told['pid']}. Its state file is missing, or only its user may read it."
    workers = ", ".join(map(str, told["workers"])) or "none at the moment"
    places = [told[what] if told[what] is not None else "?" for what in ("processes", "threads")]
    beside = f" and {told['coroutines']} coroutines" if told["coroutines"] else ""
    return (
        f"Running: process {told['pid']}, up {_duration(told['uptime'])}\n"
        f"  workers  {workers} ({places[0]} processes x {places[1]} threads{beside})"
    )


def _of_queue(told: Report) -> list[str]:
    if told["problem"]:
        return [f"  queue    {told['name']}: {told['problem']}"]
    waiting, delayed, in_lanes = told["ready"], told["delayed"], told["waiting"]
    parts = [f"{waiting} waiting (how many of them are not yet due is unknown)"]
    if delayed is not None:
        held_back = f", {in_lanes} in lanes" if in_lanes else ""
        parts = [f"{waiting + delayed + in_lanes} waiting ({delayed} of them not yet due{held_back})"]
    parts.append("unknown in flight" if told["leased"] is None else f"{told['leased']} in flight")
    parts.append(f"{told['dead']} dead letters")
    lines = [
        ", ".join(parts),
        _of_pause(told["paused"]),
        *(f"{plain(name)}: {_of_pause(one)}" for name, one in told["paused_commands"].items()),
        _of_oldest(told),
        _of_workers(told["workers"], told["paused"]),
        *map(_of_overdue, told["overdue"]),
    ]
    lines.append(f"{told['backend']}, {told['guarantee']}")
    head, *rest = [line for line in lines if line]
    return [f"  queue    {told['name']}: {head}", *(f"           {line}" for line in rest)]


def _of_pause(told: Report | None) -> str:
    return f"{Pause.of(told)}: no consumer begins these messages until it is resumed" if told else ""


def _of_oldest(told: Report) -> str:
    if not told["knows_oldest"]:
        return "this backend does not know how old the oldest message is"
    if told["oldest"] is None:
        return ""
    age = told["oldest_age"]
    return f"the oldest that is due was sent {'at an unknown moment' if age is None else f'{_duration(age)} ago'}"


def _of_overdue(told: Report) -> str:
    then = "it waits on this queue" if told["enqueued"] else "queue_schedules run or disable it"
    return f"OVERDUE: {plain(told['name'])} was due at {told['due_at']} and has not run; {then}"


def _of_workers(workers: list[Report] | None, paused: Report | None) -> str:
    if workers is None:
        return "this backend does not register its workers"
    if not workers:
        return "no worker is registered" + ("" if paused else ": no consumer takes these messages")
    text = f"{len(workers)} worker process{'es' if len(workers) > 1 else ''} registered, on all machines"
    if any(worker["beating"] is None for worker in workers):
        return f"{text}; --watch {WATCHED:g} shows which of them beat"
    silent = [worker["owner"] for worker in workers if not worker["beating"]]
    if not silent:
        return f"{text}, and all of them beat"
    more = ", ..." if len(silent) > _MOST_NAMES else ""
    return (
        f"{text}: {len(workers) - len(silent)} beat, and of {len(silent)} no beat was seen "
        f"({', '.join(silent[:_MOST_NAMES])}{more}): dead, or with a longer lease than the time watched"
    )


def _duration(seconds: float | None) -> str:
    return "for an unknown time" if seconds is None else str(timedelta(seconds=int(seconds)))
