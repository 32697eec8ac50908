"""``manage.py queue_commands``: what became of the runs of each command, how long they took, and how long their calls waited."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from djutils.management.showing import TakesIds
from djutils.queue.command_figures import SPANS, CommandFigures, figures_of
from djutils.queue.counters import Figures, Times
from djutils.queue.exceptions import QueueException
from djutils.queue.inspecting import known_queues
from djutils.queue.wording import duration, plain

_HEADINGS = ("COMMAND", "QUEUE", "RUNS", "FAILED", "DEAD", "MEAN", "95 %", "LONGEST", "WAITED", "95 %")


class Command(TakesIds):
    """Shows the counters."""

    help = "Show how many runs of each command succeeded and failed, how long they took, and how long their calls waited."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("-q", "--queue", help="only what ran on this queue")
        add("--span", choices=tuple(SPANS), default="1h", help="how far back (1h)")
        add("--format", choices=("text", "json"), default="text", help="for people or for programs (text)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = {
                queue.name: figures_of(queue, SPANS[options["span"]])
                for queue in known_queues(options["queue"])
            }
        except (QueueException, DatabaseError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error
        if options["format"] == "json":
            queues = {name: None if rows is None else [*map(_as_json, rows)] for name, rows in found.items()}
            self.write_json({"span": options["span"], "queues": queues})
            return
        rows = [_row(one) for told in found.values() for one in told or ()]
        if rows:
            self.write_table([_HEADINGS, *rows])
        for name, told in found.items():
            if told is None:
                self.stdout.write(f"unknown: the backend of the queue '{plain(name)}' has no store.")


def _row(one: CommandFigures) -> tuple[str, ...]:
    whole = one.whole
    runs, waits = whole.run_time, whole.waiting_time
    times = (runs.mean, runs.percentile(0.95), runs.longest, waits.mean, waits.percentile(0.95))
    numbers = (f"{whole.runs}", f"{whole.failed}", f"{whole.died}")
    return (plain(one.command), plain(one.queue), *numbers, *map(duration, times))


def _as_json(one: CommandFigures) -> dict[str, Any]:
    return {
        "command": one.command,
        **_numbers(one.whole),
        "run_time": _times(one.whole.run_time),
        "waiting_time": _times(one.whole.waiting_time),
        "runs_by_period": [period.runs for period in one.periods],
        "failed_by_period": [period.failed for period in one.periods],
    }


def _numbers(figures: Figures) -> dict[str, int]:
    names = ("succeeded", "retried", "died", "dropped", "postponed")
    return {name: getattr(figures, name) for name in names}


def _times(times: Times) -> dict[str, float | None]:
    """Return seconds; null where none was timed."""
    return {
        "mean": times.mean,
        "p50": times.percentile(0.5),
        "p95": times.percentile(0.95),
        "longest": times.longest,
    }
