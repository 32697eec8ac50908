"""Metrics of real consumers, read with the parser of Prometheus's client."""

from __future__ import annotations

import pytest

from tests.project.app import commands
from tests.scraping import OPENMETRICS, Scrape
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)


def runs(site: Site, found: Scrape, function: str, end: str) -> float | None:
    command = f"{commands.__name__}.{function}"
    return found.value("djutils_command_runs_total", queue=site.queue.name, command=command, end=end)


def test_metrics_are_right_and_never_decrease_over_a_restart(site: Site) -> None:
    queue = site.queue.name
    for number in range(50):
        commands.append(site.file(), number)
    commands.refuse(site.file("refused"), "no such customer")
    waiting = Scrape()
    consumer = site.consumer(processes=2).ready()
    wait_until(lambda: runs(site, Scrape(), "append", "succeeded") == 50)
    working = Scrape()
    assert consumer.stop() == 0
    again = site.consumer().ready()
    for number in range(7):
        commands.append(site.file(), number)
    site.wait_until_empty()
    assert again.stop() == 0

    stopped = Scrape(OPENMETRICS)

    assert waiting.value("djutils_queue_messages", queue=queue, state="ready") == 51
    assert (waiting.value("djutils_queue_oldest_age_seconds", queue=queue) or 0) > 0
    assert waiting.value("djutils_queue_workers", queue=queue) == 0
    assert working.value("djutils_queue_workers", queue=queue) == 2
    assert runs(site, stopped, "append", "succeeded") == 57
    assert runs(site, stopped, "refuse", "died") == 1
    assert stopped.value("djutils_queue_messages", queue=queue, state="dead") == 1
    command = f"{commands.__name__}.append"
    for name in ("djutils_command_run_seconds_count", "djutils_command_wait_seconds_count"):
        assert stopped.value(name, queue=queue, command=command) == 57
    after = stopped.counters()
    assert working.counters()
    assert {key for key, value in working.counters().items() if after.get(key, -1) < value} == set()
