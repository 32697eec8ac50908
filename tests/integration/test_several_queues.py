"""One consumer of several queues: it is woken by each of them, and ``-q`` takes weights and patterns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial

import pytest
from pytest_django import Settings

from djutils.queue.backends import queues
from djutils.queue.bin.pidfile import read
from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

NEVER_POLLED = ("--delay", "60", "--max-delay", "60", "--lease", "600", "--grace", "0")


@pytest.fixture
def terminal(site: Site, settings: Settings) -> Iterator[Terminal]:
    settings.QUEUES = {f"{name}-{site.queue.name}": {} for name in ("mail", "thumbs", "mail.slow")}
    given = {"DJUTILS_TEST_QUEUES": json.dumps(settings.QUEUES)}
    terminal = Terminal(site.folder, site.environment | given)
    yield terminal
    terminal.close()


def start(terminal: Terminal, *words: str) -> None:
    started = terminal.run(*BY_PATH, "start", "-p", "pid", "-l", "log", "-n", *words)
    assert started.returncode == 0, started.stderr


@pytest.mark.parametrize("site", ["sqlite", "postgres", "redis"], indirect=True)
@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_message_on_any_of_its_queues_wakes_an_idle_consumer(
    site: Site, terminal: Terminal, threads: str
) -> None:
    names = [f"{letter}-{site.queue.name}" for letter in "abc"]
    start(terminal, *(word for name in names for word in ("-q", name)), "-t", threads, *NEVER_POLLED)

    for number, name in enumerate(names * 3):
        commands.append.using(queue_name=name)(site.file(), number)
        wait_until(partial(is_there, site, number), timeout=15, why=terminal.log_file.read_text)
    assert terminal.consumer("stop").returncode == 0


def is_there(site: Site, number: int) -> bool:
    return len(commands.lines(site.file())) > number


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_by_weights_each_queue_gets_its_share(site: Site, terminal: Terminal) -> None:
    often, seldom = (f"{name}-{site.queue.name}" for name in ("often", "seldom"))
    for number in range(400):
        # Each takes its time, so that a batch is small: the shares hold from batch to batch.
        commands.append.using(queue_name=(often, seldom)[number % 2])(site.file(), number, 0.005)

    start(terminal, "-q", f"{often}:3", "-q", seldom)
    wait_until(lambda: len(commands.lines(site.file())) == 400, why=terminal.log_file.read_text)

    first = [int(line.split()[0]) for line in commands.lines(site.file())][:160]
    assert 95 < sum(number % 2 == 0 for number in first) < 160
    assert f"{often} (weight 3), {seldom} (weight 1)" in terminal.log_file.read_text()


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_pattern_stands_for_the_queues_that_the_project_knows(site: Site, terminal: Terminal) -> None:
    own = site.queue.name
    start(terminal, "-q", f"mail*{own}:2")
    matching = [f"mail-{own}", f"mail.slow-{own}"]
    holder = read(terminal.pidfile)
    assert holder is not None
    assert sorted(holder.info["queues"]) == sorted(matching)
    for name in (f"thumbs-{own}", *matching):
        commands.append.using(queue_name=name)(site.file(), 1)
    wait_until(lambda: len(commands.lines(site.file())) == 2)
    assert len(queues[f"thumbs-{own}"]) == 1
    assert f"queue    {matching[1]}: 0 waiting" in terminal.consumer("status").stdout

    again = terminal.consumer("restart")
    assert again.returncode == 0, again.stderr
    assert f"--queue=mail*{own}" in again.stdout.replace("'", "")
    assert terminal.consumer("stop").returncode == 0


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_pattern_that_matches_no_queue_starts_nothing(site: Site, terminal: Terminal) -> None:
    refused = terminal.run(*BY_PATH, "start", "-p", "pid", "-l", "log", "-q", "mial*")

    assert refused.returncode == os.EX_CONFIG
    assert (
        f"No queue matches 'mial*'. The project's commands, QUEUE_NAME and QUEUES name: {site.queue.name},"
        in (refused.stderr)
    )
