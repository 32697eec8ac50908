"""Periodic commands: once in each minute that is due, however many consumers there are."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from django.utils import timezone

from tests.consumers import Consumer
from tests.project import clock
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

EVERYWHERE = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)


def watch_the_clock(site: Site, log: str) -> Consumer:
    site.environment[commands.TICKS] = site.file("ticks")
    return site.consumer(log=log, periodic=True)


def minute() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


def far_from_the_edge_of_a_minute() -> None:
    wait_until(lambda: timezone.now().second < 45, timeout=20)


@EVERYWHERE
def test_however_many_consumers_enqueue_a_periodic_command_once_in_a_minute(site: Site) -> None:
    far_from_the_edge_of_a_minute()
    consumers = [watch_the_clock(site, f"{number}.log") for number in range(3)]
    for consumer in consumers:
        consumer.ready()
    wait_until(lambda: commands.lines(site.file("ticks")), why=site.logs)
    for consumer in consumers:
        assert consumer.stop() == 0
    watch_the_clock(site, "late.log").ready().stop()

    assert site.logs().count("enqueued by the clock") == 1
    assert len(commands.lines(site.file("ticks"))) == 1


@EVERYWHERE
def test_when_the_clock_of_its_machine_is_set_a_consumer_goes_on_in_the_new_time(site: Site) -> None:
    ahead = Path(site.file("ahead"))
    site.environment[clock.CLOCK] = str(ahead)

    def ticks() -> int:
        return len(commands.lines(site.file("ticks")))

    def put(seconds: str) -> None:
        # In one step: a process that reads its clock meanwhile must not find an empty file.
        fresh = ahead.with_suffix(".fresh")
        fresh.write_text(seconds)
        fresh.replace(ahead)

    put("120")
    watch_the_clock(site, "log").ready()
    wait_until(ticks, why=site.logs)
    # Back to minutes that have not occurred yet, then to one that has.
    for seconds, jump in (("0", "jumped back by 120 s"), ("120", "jumped forward by 120 s")):
        before = ticks()
        put(seconds)
        wait_until(lambda jump=jump: jump in site.logs(), why=site.logs)
        wait_until(lambda before=before: ticks() > before, why=site.logs)

    assert site.logs().count("The clock of this machine jumped") == 2


def test_a_consumer_told_to_leave_them_out_enqueues_no_periodic_commands(site: Site) -> None:
    site.environment[commands.TICKS] = site.file("ticks")
    commands.append(site.file(), 1)
    consumer = site.consumer().ready()
    site.wait_until_empty()
    consumer.stop()

    assert "enqueued by the clock" not in consumer.log()
    assert commands.lines(site.file("ticks")) == []


@pytest.mark.slow
@pytest.mark.parametrize("site", ["postgres"], indirect=True)
def test_the_next_minute_is_enqueued_once_and_in_time(site: Site) -> None:
    for number in range(2):
        watch_the_clock(site, f"{number}.log").ready()
    before = minute()
    wait_until(lambda: minute() > before, timeout=61)
    turned = time.monotonic()
    wait_until(lambda: f"{timezone.localtime():%H:%M}" in commands.lines(site.file("ticks")))
    assert time.monotonic() - turned < 3

    assert set(Counter(commands.lines(site.file("ticks"))).values()) == {1}
