"""What a running consumer is doing, in words."""

from __future__ import annotations

import time
from datetime import timedelta

from djutils.queue.backends import queues
from djutils.queue.bin import preflight
from djutils.queue.bin.pidfile import Holder
from djutils.queue.exceptions import ConsumerError
from djutils.queue.workers.channel import LeasedChannel, PopChannel


def describe(holder: Holder) -> str:
    """Answer pid, uptime, workers, and how many messages of each queue wait or are in flight."""
    info = holder.info
    workers = ", ".join(str(pid) for pid in info.get("workers", [])) or "none at the moment"
    since = float(info.get("started", time.time()))
    uptime = timedelta(seconds=int(max(0.0, time.time() - since)))
    lines = [
        f"process {holder.pid}, up {uptime}",
        f"  workers  {workers} ({info.get('processes', '?')} processes x {info.get('threads', '?')} threads)",
    ]
    try:
        preflight.load_django()
    except ConsumerError as error:
        return "\n".join([*lines, f"  The queues cannot be asked. {error}"])
    return "\n".join([*lines, *(f"  queue    {_ask(name)}" for name in info.get("queues", []))])


def _ask(name: str) -> str:
    try:
        queue = queues[name]
        stats = queue.stats()
    except Exception as error:  # noqa: BLE001  (the consumer runs all the same)
        return f"{name}: cannot be asked: {type(error).__name__}: {error}"
    guarantee = (LeasedChannel if queue.supports_leases else PopChannel).guarantee
    return (
        f"{name}: {stats.ready + stats.delayed} waiting ({stats.delayed} of them not yet due), "
        f"{stats.leased} in flight, {stats.dead} dead letters\n"
        f"           {type(queue).__name__}, {guarantee}"
    )
