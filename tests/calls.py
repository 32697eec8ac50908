"""Waiting for calls that other processes run."""

from __future__ import annotations

from djutils.queue.results import Result
from tests.consumers import Consumer
from tests.project.app.files import lines
from tests.waiting import wait_until


def begun(path: str, consumer: Consumer, count: int = 1) -> list[int]:
    """Wait until ``count`` commands have left their process id, and return these."""
    wait_until(lambda: len(lines(path)) >= count, why=consumer.log)
    return [int(line) for line in lines(path)]


def running(result: Result, consumer: Consumer) -> None:
    """Wait until it is seen that the call runs."""
    wait_until(lambda: result.refresh() or result.status == "RUNNING", why=consumer.log)
