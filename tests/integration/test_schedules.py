"""Schedules, with real consumers: a kill at the tick, and the nights in which clocks are changed."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from djutils.queue import every, schedules
from djutils.queue.exceptions import ScheduleExists
from tests.consumers import Consumer
from tests.project import clock
from tests.project.app import commands, nightly
from tests.sites import Site
from tests.waiting import wait_until

EVERYWHERE = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)
EACH_MINUTE = "tests.project.app.nightly.each_minute"
BERLIN = ZoneInfo("Europe/Berlin")


def start(site: Site, log: str) -> Consumer:
    site.environment[nightly.FILE] = site.file("runs")
    return site.consumer(log=log, periodic=True)


def runs(site: Site) -> list[str]:
    return commands.lines(site.file("runs"))


@EVERYWHERE
def test_a_consumer_killed_at_the_tick_neither_doubles_nor_loses_a_run(site: Site) -> None:
    fatal = Path(site.file("fatal"))
    fatal.touch()
    site.environment[nightly.FATAL_TICK] = str(fatal)
    wait_until(lambda: timezone.now().second < 40, timeout=25)
    consumers = [start(site, f"{number}.log") for number in range(2)]

    wait_until(lambda: not fatal.exists(), why=site.logs)
    wait_until(lambda: runs(site), why=site.logs)
    late = start(site, "late.log").ready()
    wait_until(lambda: "The maintainer was killed by SIGKILL; it is replaced" in site.logs(), why=site.logs)
    for consumer in (*consumers, late):
        consumer.stop()

    assert set(Counter(runs(site)).values()) == {1}, site.logs()


@EVERYWHERE
def test_what_is_made_and_switched_is_kept_in_every_store(site: Site) -> None:
    added = schedules.add("mine", commands.append, "0 3 * * *", args=(site.file(), 1), misfire="once")
    schedules.disable("mine")
    schedules.disable(EACH_MINUTE)
    with pytest.raises(ScheduleExists):
        schedules.add("mine", commands.append, "0 4 * * *", args=(site.file(), 1))

    found = {one.name: one for one in schedules.all(site.queue.name)}
    assert found["mine"] == added._replace(enabled=False)
    assert not found[EACH_MINUTE].enabled
    schedules.enable("mine")
    result = schedules.run_now("mine")
    assert schedules.get("mine").last_result == result
    site.consumer().ready()
    site.wait_until_empty()
    assert len(commands.lines(site.file())) == 1
    schedules.remove("mine")
    assert {one.name for one in schedules.all()} == found.keys() - {"mine"}


@pytest.mark.slow
@pytest.mark.parametrize("site", ["postgres", "redis"], indirect=True)
def test_consumers_follow_within_a_minute(site: Site) -> None:
    site.environment[nightly.FILE] = site.file("runs")
    for number in range(2):
        site.consumer(log=f"{number}.log", periodic=True).ready()
    schedules.disable(EACH_MINUTE)
    schedules.add("mine", commands.append, every(minutes=1), args=(site.file(), 1))
    wait_until(lambda: commands.lines(site.file()), timeout=130, why=site.logs)
    site.wait_until_empty()
    assert len(commands.lines(site.file())) == 1
    assert len({*runs(site)}) <= 1, "the minute in which it was switched off"


NIGHTS = {
    "spring": (
        [
            "2024-03-31T01:59+01:00",
            "2024-03-31T03:00+02:00",
            "2024-03-31T03:01+02:00",
            "2024-03-31T03:30+02:00",
        ],
        "03:00+0200",
    ),
    "autumn": (
        [
            "2024-10-27T02:29+02:00",
            "2024-10-27T02:30+02:00",
            "2024-10-27T02:31+02:00",
            "2024-10-27T02:30+01:00",
        ],
        "02:30+0200",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_half_past_two_in_berlin_comes_once_in_a_night_in_which_clocks_are_changed(
    site: Site, night: str
) -> None:
    ahead = Path(site.file("ahead"))
    site.environment[clock.CLOCK] = str(ahead)
    moments, once = NIGHTS[night]
    for moment in map(datetime.fromisoformat, moments):
        # In one step: a process that reads its clock meanwhile must not find an empty file.
        fresh = ahead.with_suffix(".fresh")
        fresh.write_text(f"{moment.timestamp() - time.time():.0f}")
        fresh.replace(ahead)
        if moment.isoformat(timespec="minutes") == moments[0]:
            for number in range(2):
                start(site, f"{number}.log").ready()
        shown = f"{moment.astimezone(BERLIN):%H:%M%z}"
        expected = {f"{shown} each minute", *([f"{once} half past two"] if shown == once else [])}
        wait_until(lambda expected=expected: expected <= {*runs(site)}, why=site.logs)
    site.wait_until_empty()

    assert [one for one in runs(site) if "half" in one] == [f"{once} half past two"]
