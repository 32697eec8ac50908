"""What a consumer is doing, and what waits on its queues, in words."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from djutils.queue.backends import queues
from djutils.queue.backends.base import BaseQueue, LeasedQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.bin import preflight
from djutils.queue.bin.pidfile import Holder
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.channel import LeasedChannel, PopChannel


def explain_absence(holder: Holder | None, path: Path) -> str:
    """Return why the consumer does not run, as far as the pidfile at ``path`` can tell."""
    reason = f"there is no pidfile {path}"
    if holder:
        reason = f"{name(holder)} died and left the pidfile {path}"
    return (
        f"Not running: {reason}.\n"
        f"  A consumer without a pidfile, in the foreground or on another machine, is known to the store only:"
    )


def name(holder: Holder) -> str:
    """Return the consumer in words."""
    return f"process {holder.pid}" if holder.pid else "a consumer"


def describe(holder: Holder) -> str:
    """Return pid, uptime, workers, and how many messages of each queue wait or are in flight."""
    info = holder.info
    if not info:
        return f"process {holder.pid}. Its state file is missing, or only its user may read it."
    workers = ", ".join(str(pid) for pid in info.get("workers", [])) or "none at the moment"
    since = float(info.get("started", time.time()))
    uptime = timedelta(seconds=int(max(0.0, time.time() - since)))
    lines = [
        f"process {holder.pid}, up {uptime}",
        f"  workers  {workers} ({info.get('processes', '?')} processes x {info.get('threads', '?')} threads)",
    ]
    return "\n".join([*lines, *describe_queues(info.get("queues", []))])


def describe_queues(names: Iterable[str]) -> list[str]:
    """Return what the store says of each queue: what waits, and how many workers are registered with it.

    Without names it is the project's default queue. What cannot be asked says so.
    """
    try:
        names = list(names) or [preflight.default_queue()]
        preflight.load_django()
    except ConsumerError as error:
        return [f"  The queues cannot be asked. {error}"]
    return [f"  queue    {_ask(name)}" for name in names]


def _ask(name: str) -> str:
    try:
        queue = queues[name]
        if isinstance(queue, MemoryQueue):
            return f"{name}: MemoryQueue, which only the process that made it can see"
        stats = queue.stats()
        workers = _workers(queue)
    except Exception as error:  # noqa: BLE001  (the consumer runs all the same)
        return f"{name}: cannot be asked: {type(error).__name__}: {error}"
    guarantee = (LeasedChannel if queue.supports_leases else PopChannel).guarantee
    return (
        f"{name}: {stats.ready + stats.delayed} waiting ({stats.delayed} of them not yet due), "
        f"{stats.leased} in flight, {stats.dead} dead letters\n"
        f"           {workers}\n"
        f"           {type(queue).__name__}, {guarantee}"
    )


def _workers(queue: BaseQueue) -> str:
    if not isinstance(queue, LeasedQueue):
        return "this backend does not know who takes its messages"
    count = len(queue.owners())
    if not count:
        return "no worker is registered: nobody takes these messages"
    return f"{count} worker processes registered, on all machines (one that died stays until its lease ends)"
