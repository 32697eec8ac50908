"""A thousand commands that wait, in one process."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from djutils.queue.queue import invoker
from tests.consumers import Consumer
from tests.daemons import Terminal
from tests.project.app import commands, patience
from tests.sites import Site
from tests.waiting import wait_until

MANY = 1000
MEBIBYTES = 150


def said(site: Site, word: str) -> Counter[int]:
    """How often each number has said ``word``."""
    lines = (line.split() for line in commands.lines(site.file()))
    return Counter(int(number) for first, number, _ in lines if first == word)


def begin_ten(site: Site, consumer: Consumer, gate: str) -> None:
    """Have ten commands begin that wait until ``gate`` is there."""
    for number in range(10):
        patience.wait_for(site.file(), number, gate)
    wait_until(lambda: len(said(site, "began")) == 10, why=consumer.log)


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
    begin_ten(site, consumer, gate)
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
def test_a_child_that_a_coroutine_forks_does_not_go_on_with_the_work_of_others(site: Site) -> None:
    gate = site.file("gate")
    consumer = site.consumer("--coroutines", "20").ready()
    begin_ten(site, consumer, gate)
    before = consumer.members()
    patience.fork_and_go_on(site.file())
    wait_until(lambda: said(site, "forked"), why=consumer.log)
    Path(gate).touch()
    site.wait_until_empty()
    wait_until(lambda: consumer.members() == before, why=consumer.log)
    assert said(site, "ended") == Counter(range(10))
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_what_waits_behind_a_coroutine_that_holds_the_interpreter_is_run_by_others(site: Site) -> None:
    gate, go_on = site.file("gate"), site.file("go on")
    Path(gate).touch()
    os.mkfifo(go_on)
    consumer = site.consumer("--coroutines", "5", processes=2).ready()
    for number in range(300):  # so that they are known to be quick, and many are received at a time
        patience.wait_for(site.file("warm"), number, gate)
    site.wait_until_empty()
    quick = [patience.wait_for.command(site.file(), number, gate) for number in range(300)]
    invoker.enqueue_many([patience.hold_the_interpreter.command(site.file("held"), go_on), *quick])
    # What had begun beside it stays with it.
    wait_until(lambda: len(said(site, "ended")) > 300 - 5, why=consumer.log)
    assert commands.lines(site.file("held")) == ["began"]
    Path(go_on).write_text("go on")
    site.wait_until_empty()
    assert said(site, "ended") == Counter(range(300))
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_one_that_kills_its_process_becomes_a_dead_letter_and_those_beside_it_do_not(site: Site) -> None:
    gate = site.file("gate")
    consumer = site.consumer("--coroutines", "20").ready()
    begin_ten(site, consumer, gate)
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
    begin_ten(site, consumer, site.file("gate"))
    consumer.signal(signal.SIGTERM)
    assert consumer.exit_code() == 1
    assert site.queue.stats()[:4] == (10, 0, 0, 0)


@pytest.mark.parametrize("site", ["sqlite", "postgres"], indirect=True)
def test_a_transaction_that_a_coroutine_left_open_is_rolled_back_and_hurts_no_other(site: Site) -> None:
    mine = site.queue.name
    consumer = site.consumer("--coroutines", "10").ready()
    for number in range(3):
        patience.leave_uncommitted(f"{mine} uncommitted")
        site.wait_until_empty()
        patience.note_between(f"{mine} {number}")
        site.wait_until_empty()
    assert site.notes(mine) == [f"{mine} {n} {word}" for n in range(3) for word in ("first", "second")]
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_an_atomic_coroutine_runs_outside_the_loop_of_the_others(site: Site) -> None:
    mine = site.queue.name
    consumer = site.consumer("--coroutines", "10").ready()
    patience.note_in_a_transaction(mine)
    wait_until(lambda: site.notes(mine), why=consumer.log)
    assert "coroutines" not in site.notes(mine)[0]
    site.wait_until_empty()
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["postgres"], indirect=True)
def test_coroutines_go_on_after_their_connection_was_cut(site: Site) -> None:
    mine = site.queue.name
    consumer = site.consumer("--coroutines", "10").ready()
    patience.note_between(f"{mine} 1")
    site.wait_until_empty()
    with connections[site.alias].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    patience.note_between(f"{mine} 2")
    wait_until(lambda: f"{mine} 2 second" in site.notes(mine), why=consumer.log)
    site.wait_until_empty()
    assert consumer.stop() == 0


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_a_daemon_says_and_keeps_how_many_and_labels_what_each_logs(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start", "--coroutines", "7")
    assert "(1 processes x 1 threads and 7 coroutines)" in terminal.consumer("status").stdout
    terminal.consumer("restart")
    status = json.loads(terminal.consumer("status", "--format", "json").stdout)
    assert (status["threads"], status["coroutines"]) == (1, 7)

    results = [patience.log_between(number) for number in range(5)]
    site.wait_until_empty()
    terminal.consumer("stop")
    log = terminal.log_file.read_text()
    for number, result in enumerate(results):
        for word in ("before", "after"):
            assert re.search(rf"{result.id} .*log_between .*{word} {number}\b", log), log
