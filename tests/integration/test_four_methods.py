"""A user's own backend with four methods supports everything, except surviving a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until


@pytest.fixture
def site(settings: Settings, tmp_path: Path, sqlite_alias: str) -> Iterator[Site]:
    backend = "tests.contract.four_methods.FolderQueue"
    with ExitStack() as stack:
        yield Site(
            settings, tmp_path, stack, sqlite_alias, backend=backend, connection=str(tmp_path / "queue")
        )


def test_every_command_runs_once(site: Site) -> None:
    for number in range(100):
        commands.append(site.file(), number)
    consumer = site.consumer(processes=2, threads=2)

    wait_until(lambda: len(commands.lines(site.file())) == 100, why=consumer.log)

    assert consumer.stop() == 0
    assert Counter(int(line.split()[0]) for line in commands.lines(site.file())) == Counter(range(100))
    assert len(site.queue) == 0


def test_failures_are_retried_and_end_as_dead_letters(site: Site) -> None:
    failing = commands.stumble(site.file())
    commands.stumble(site.file("better"), 3)
    commands.come_back(site.file("later"), 0.3)
    commands.refuse(site.file("refused"), "no such customer")
    consumer = site.consumer(threads=2)

    wait_until(lambda: len(commands.lines(site.file("better"))) == 3, why=consumer.log)
    wait_until(lambda: len(commands.lines(site.file("later"))) == 2, why=consumer.log)
    wait_until(lambda: site.queue.stats().dead == 2, why=consumer.log)
    assert consumer.stop() == 0

    letters = {letter.id: letter for letter in site.queue.dead_letters()}
    assert letters[failing.id].reason == "LookupError: there was something in the way"
    assert letters[failing.id].attempts == 3
    assert "Traceback" in letters[failing.id].error
    assert len(commands.lines(site.file())) == 3
    assert commands.lines(site.file("refused")) == ["ran"]


def test_a_dead_letter_is_replayed(site: Site) -> None:
    commands.stumble(site.file(), 5)
    consumer = site.consumer()
    wait_until(lambda: site.queue.stats().dead, why=consumer.log)

    site.queue.replay()

    wait_until(lambda: len(commands.lines(site.file())) == 5, why=consumer.log)
    assert consumer.stop() == 0
    assert site.queue.stats() == (0, 0, 0, 0, 0)


def test_sigterm_lets_the_running_command_end_and_leaves_the_others(site: Site) -> None:
    gate = site.file("gate")
    commands.hold(site.file(), gate)
    for number in range(10):
        commands.append(site.file("others"), number)
    consumer = site.consumer().ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)
    commands.write(gate, "open")

    assert consumer.stop() == 0

    assert commands.lines(site.file()) == ["began", "ended"]
    assert len(site.queue) + len(commands.lines(site.file("others"))) == 10
