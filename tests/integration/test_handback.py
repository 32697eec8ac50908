"""Messages that wait in a blocked process go to another one."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from django.db import connections

from djutils.queue.queue import invoker
from tests.project.app import commands, harm
from tests.sites import Site
from tests.waiting import wait_until


def numbers(path: str) -> list[int]:
    return [int(line.split()[0]) for line in commands.lines(path)]


@pytest.mark.parametrize("threads", [1, 3])
def test_what_waits_behind_a_command_that_holds_the_interpreter_is_run_by_others(
    site: Site, threads: int
) -> None:
    if threads > 1 and connections[site.alias].vendor == "sqlite" and site.queue.transaction_alias:
        pytest.skip("a thread that cannot go on in the middle of a transaction holds SQLite's file for all")
    consumer = site.consumer(processes=2, threads=threads).ready()
    for number in range(300):  # so that they are known to be quick, and many are received at a time
        commands.append(site.file("warm"), number)
    site.wait_until_empty()

    gate = site.file("gate")
    os.mkfifo(gate)
    quick = [commands.append.command(site.file("quick"), number) for number in range(300)]
    invoker.enqueue_many([harm.hold_the_interpreter.command(site.file(), gate), *quick])
    # What its other threads had begun stays with it.
    wait_until(lambda: len(numbers(site.file("quick"))) > 300 - threads, why=consumer.log)

    assert commands.lines(site.file()) == ["began"]
    Path(gate).write_text("go on")
    site.wait_until_empty()
    assert Counter(numbers(site.file("quick"))) == Counter(range(300))
    assert site.queue.stats().dead == 0
    assert consumer.stop() == 0


def test_what_waits_in_a_frozen_process_is_run_by_others_and_not_by_it_when_it_wakes(site: Site) -> None:
    consumer = site.consumer(processes=2).ready()
    for number in range(300):
        commands.append(site.file("warm"), number)
    site.wait_until_empty()

    quick = [commands.append.command(site.file("quick"), number) for number in range(300)]
    invoker.enqueue_many([commands.append.command(site.file("first"), 0, 1.0), *quick])
    wait_until(lambda: commands.lines(site.file("first")), every=0.001)
    (line,) = commands.lines(site.file("first"))
    frozen = int(line.split()[1])
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_until(lambda: len(numbers(site.file("quick"))) == 300, why=consumer.log)
    finally:
        os.kill(frozen, signal.SIGCONT)

    site.wait_until_empty()
    assert Counter(numbers(site.file("quick"))) == Counter(range(300))
    assert consumer.stop() == 0
