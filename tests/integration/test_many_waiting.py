"""A thousand commands that wait, in one process."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from djutils.queue.queue import invoker
from tests.project.app import commands, patience
from tests.sites import Site
from tests.waiting import wait_until

MANY = 1000
MEBIBYTES = 150


def said(site: Site, word: str) -> Counter[int]:
    """How often each number has said ``word``."""
    lines = (line.split() for line in commands.lines(site.file()))
    return Counter(int(number) for first, number, _ in lines if first == word)


def resident_mebibytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) // 1024


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_a_thousand_wait_at_once_in_one_small_process_and_a_kill_loses_none(site: Site) -> None:
    gate = site.file("gate")
    consumer = site.consumer("--coroutines", str(MANY)).ready()
    invoker.enqueue_many([patience.wait_for.command(site.file(), number, gate) for number in range(MANY)])
    wait_until(lambda: len(said(site, "began")) == MANY, why=consumer.log)
    (pid,) = consumer.workers()
    assert resident_mebibytes(pid) < MEBIBYTES
    patience.beside(site.file(), 1)
    wait_until(lambda: said(site, "beside") == Counter([1]), why=consumer.log)

    consumer.kill_worker()
    wait_until(lambda: said(site, "began") == Counter([*range(MANY)] * 2), why=consumer.log)
    Path(gate).touch()
    site.wait_until_empty()

    assert said(site, "ended") == Counter(range(MANY))
    assert site.queue.stats().dead == 0
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_coroutines_use_the_database_beside_each_other(site: Site) -> None:
    mine = site.queue.name
    consumer = site.consumer("--coroutines", "50").ready()
    invoker.enqueue_many([patience.note_between.command(f"{mine} {number}") for number in range(100)])
    site.wait_until_empty()
    assert Counter(site.notes(mine)) == Counter(
        f"{mine} {number} {word}" for number in range(100) for word in ("first", "second")
    )
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_one_that_blocks_the_loop_past_its_limit_ends_the_process_and_the_others_run_again_unblamed(
    site: Site,
) -> None:
    gate = site.file("gate")
    consumer = site.consumer("--coroutines", "20").ready()
    for number in range(10):
        patience.wait_for(site.file(), number, gate)
    wait_until(lambda: len(said(site, "began")) == 10, why=consumer.log)
    patience.block_the_loop(site.file())
    wait_until(lambda: site.queue.stats().dead, why=consumer.log)
    Path(gate).touch()
    site.wait_until_empty()
    assert said(site, "blocks") == Counter({0: 2})
    assert said(site, "ended") == Counter(range(10))
    (letter,) = site.queue.dead_letters()
    assert letter.error.startswith("djutils.queue.exceptions.TimeLimitExceeded")
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_one_that_kills_its_process_becomes_a_dead_letter_and_those_beside_it_do_not(site: Site) -> None:
    gate = site.file("gate")
    consumer = site.consumer("--coroutines", "20").ready()
    for number in range(10):
        patience.wait_for(site.file(), number, gate)
    wait_until(lambda: len(said(site, "began")) == 10, why=consumer.log)
    Path(gate).touch()
    patience.kill_its_process(site.file())
    wait_until(lambda: site.queue.stats().dead == 1, why=consumer.log)
    site.wait_until_empty()
    assert said(site, "kills") == Counter({0: 3})
    assert said(site, "ended").keys() == set(range(10))
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_a_stop_waits_for_coroutines_and_leaves_the_rest_to_others(site: Site) -> None:
    gate = site.file("gate")
    consumer = site.consumer("--coroutines", "10").ready()
    for number in range(15):
        patience.wait_for(site.file(), number, gate)
    wait_until(lambda: len(said(site, "began")) == 10, why=consumer.log)
    consumer.signal(signal.SIGTERM)
    wait_until(lambda: "Stopping" in consumer.log())
    Path(gate).touch()
    assert consumer.exit_code() == 0
    assert said(site, "ended") == said(site, "began")
    assert site.queue.stats()[:4] == (5, 0, 0, 0)


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_past_the_grace_period_they_are_cut_off_and_given_back_unblamed(site: Site) -> None:
    consumer = site.consumer("--coroutines", "10", "--grace", "0.5").ready()
    for number in range(10):
        patience.wait_for(site.file(), number, site.file("gate"))
    wait_until(lambda: len(said(site, "began")) == 10, why=consumer.log)
    consumer.signal(signal.SIGTERM)
    assert consumer.exit_code() == 1
    assert site.queue.stats()[:4] == (10, 0, 0, 0)
