"""``manage.py queue_workers``: which consumers work on which queues, with what each of their processes runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from djutils.management.showing import TakesIds
from djutils.queue.exceptions import QueueException
from djutils.queue.inspecting import known_queues
from djutils.queue.presence import Presence, workers_of
from djutils.queue.wording import duration, plain, seconds_since, when

_HEADINGS = ("QUEUE", "HOST", "CONSUMER", "PROCESS", "SINCE", "MIB", "RUNS")
NO_WORKER = 4
"""The exit code if a queue has no worker process."""


class _Told(NamedTuple):
    queue: str
    workers: list[Presence] | None

    @property
    def is_alone(self) -> bool:
        return self.workers is not None and not any(one.is_present for one in self.workers)


class Command(TakesIds):
    """Shows who works on the queues."""

    help = "Show which consumers work on the queues, and what they run. Exit code 4: a queue has no worker process."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("-q", "--queue", help="only those of this queue")
        add("--format", choices=("text", "json"), default="text", help="for people or for programs (text)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = [_Told(queue.name, workers_of(queue)) for queue in known_queues(options["queue"])]
        except (QueueException, DatabaseError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error
        if options["format"] == "json":
            self.write_json({"queues": {one.queue: _as_json(one) for one in found}})
        else:
            self._write(found)
        if alone := [one.queue for one in found if one.is_alone]:
            names = ", ".join(f"'{plain(name)}'" for name in alone)
            raise CommandError(f"No worker process works on {names}.", returncode=NO_WORKER)

    def _write(self, found: list[_Told]) -> None:
        rows = [_row(one.queue, worker) for one in found for worker in one.workers or ()]
        if rows:
            self.write_table([_HEADINGS, *rows])
        for one in found:
            if one.workers is None:
                text = (
                    f"unknown: the backend of the queue '{plain(one.queue)}' registers no worker processes."
                )
                self.stdout.write(text)
        versions = {worker.version for one in found for worker in one.workers or () if worker.version}
        if len(versions) > 1:
            self.stdout.write(f"Their versions differ: {'; '.join(map(plain, sorted(versions)))}.")


def _row(queue: str, one: Presence) -> tuple[str, ...]:
    if not one.is_present:
        return (
            plain(queue),
            "unknown",
            "-",
            "-",
            "-",
            "-",
            f"nothing was heard of {one.owner:x} for its lease",
        )
    runs = [f"{run.id} for {duration(seconds_since(run.since))}" for run in one.running]
    since = when(one.since) if one.since else "unknown"
    memory = "unknown" if one.memory is None else str(one.memory)
    return (
        plain(queue),
        plain(one.host),
        str(one.consumer),
        str(one.pid),
        since,
        memory,
        ", ".join(runs) or "-",
    )


def _as_json(told: _Told) -> list[dict[str, Any]] | None:
    return None if told.workers is None else [_worker_as_json(one) for one in told.workers]


def _worker_as_json(one: Presence) -> dict[str, Any]:
    facts = one._asdict() | {"owner": f"{one.owner:x}", "since": _iso(one.since), "queues": list(one.queues)}
    return facts | {"running": [{"id": run.id, "since": _iso(run.since)} for run in one.running]}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
