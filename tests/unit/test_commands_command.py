"""``manage.py queue_commands``."""

from __future__ import annotations

import json
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from djutils.queue import counters
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.counters import RAN, RUNS, WIDTH, End
from djutils.queue.wording import duration

from .conftest import Declare


def run(*words: str) -> str:
    """Return what the command prints."""
    out = StringIO()
    call_command("queue_commands", *words, stdout=out)
    return out.getvalue()


def count(queue: MemoryQueue, command: str, runs: int) -> None:
    """Tell of runs of 10 ms."""
    numbers = [0] * WIDTH
    numbers[End.SUCCEEDED] = numbers[RUNS + counters.bucket_of(10_000)] = runs
    numbers[RAN] = runs * 10_000
    counters.add(queue.store, {command: numbers}, time.time())


def test_it_shows_what_ran_and_what_never_did(memory: MemoryQueue, declare: Declare) -> None:
    declare("@queue_command\ndef idle(): pass")
    count(memory, "shop.gone", 3)
    heading, *rows = run().splitlines()
    assert heading.split()[:5] == ["COMMAND", "QUEUE", "RUNS", "FAILED", "DEAD"]
    found = {row.split()[0]: row.split()[1:] for row in rows}
    assert found["shop.gone"] == [memory.name, "3", "0", "0", "10", "ms", "16", "ms", "16", "ms", "-", "-"]
    assert found["made_up.idle"] == [memory.name, "0", "0", "0", "-", "-", "-", "-", "-"]


def test_it_tells_programs_seconds_and_null_for_what_was_not_timed(memory: MemoryQueue) -> None:
    count(memory, "shop.gone", 3)
    told = json.loads(run("--span", "24h", "--format", "json"))
    found = {one["command"]: one for one in told["queues"][memory.name]}["shop.gone"]
    assert (found["succeeded"], found["died"], found["run_time"]["mean"]) == (3, 0, 0.01)
    assert found["waiting_time"] == {"mean": None, "p50": None, "p95": None, "longest": None}
    assert (sum(found["runs_by_period"]), len(found["runs_by_period"])) == (3, 24)


def test_an_unknown_span_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        run("--span", "2h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (0.00031, "0.31 ms"),
        (0.025, "25 ms"),
        (1.42, "1.4 s"),
        (9.96, "10 s"),
        (95.0, "95 s"),
        (150.0, "2.5 min"),
        (86400.0, "24 h"),
    ],
)
def test_a_duration_has_two_digits_or_more(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
