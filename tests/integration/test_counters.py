"""Counters of real consumers: every run is counted, at the latest when the consumer stops."""

from __future__ import annotations

import time

import pytest

from djutils.queue import counters
from djutils.queue.counters import Figures
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)


def known(site: Site) -> dict[str, Figures]:
    """Return the figures of the last two hours, by the name of the function."""
    now = time.time()
    periods = counters.read(site.queue, now - 7200, now, counters.HOUR) or {}
    return {name.rpartition(".")[2]: figures for name, figures in counters.sums(periods.values()).items()}


def test_runs_are_counted_with_how_long_they_took_and_waited(site: Site) -> None:
    for number in range(300):
        commands.append(site.file(), number)
    commands.refuse(site.file(), "not here")
    consumer = site.consumer(processes=2, threads=2)
    site.wait_until_empty()
    assert consumer.stop() == 0

    figures = known(site)
    assert (figures["append"].succeeded, figures["append"].failed) == (300, 0)
    assert (figures["refuse"].succeeded, figures["refuse"].died) == (0, 1)
    assert figures["append"].run_time.timed == figures["append"].waiting_time.timed == 300
    assert 0 < (figures["append"].run_time.mean or 0) < 1
    assert (figures["append"].waiting_time.mean or 0) > 0


def test_what_is_told_within_seconds_outlives_the_death_of_a_worker(site: Site) -> None:
    consumer = site.consumer(processes=1).ready()
    commands.append(site.file(), 1)
    wait_until(lambda: "append" in known(site))
    commands.be_killed(site.file("killed"))
    wait_until(lambda: site.queue.stats().dead)
    commands.append(site.file(), 2)
    site.wait_until_empty()
    assert consumer.stop() == 0

    assert known(site)["append"].succeeded == 2
