"""The backend with leases of the how-to: it supports everything, and surviving a kill as well."""

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
    backend = "docs.examples.lending_backend.LendingFileQueue"
    with ExitStack() as stack:
        yield Site(
            settings,
            tmp_path,
            stack,
            sqlite_alias,
            backend=backend,
            connection=str(tmp_path / "queue.sqlite3"),
        )


def test_a_killed_worker_loses_nothing(site: Site) -> None:
    gate = site.file("gate")
    for number in range(100):
        commands.append(site.file(), number)
    commands.hold(site.file("held"), gate)
    consumer = site.consumer(processes=1)
    wait_until(lambda: commands.lines(site.file("held")), why=consumer.log)

    consumer.kill_worker()
    commands.write(gate, "open")
    for number in range(100, 200):
        commands.append(site.file(), number)

    wait_until(lambda: not any(site.queue.stats()), why=consumer.log)
    assert consumer.stop() == 0
    ran = Counter(int(line.split()[0]) for line in commands.lines(site.file()))
    assert ran.keys() == set(range(200))
    assert commands.lines(site.file("held")) == ["began", "began", "ended"]
    assert site.queue.owners() == {}


def test_a_consumer_that_died_as_a_whole_is_replaced_by_another(site: Site) -> None:
    gate = site.file("gate")
    commands.hold(site.file("held"), gate)
    first = site.consumer("--lease", "2")
    wait_until(lambda: commands.lines(site.file("held")), why=first.log)
    first.kill_all()
    commands.write(gate, "open")

    second = site.consumer("--lease", "2", log="second")

    wait_until(lambda: commands.lines(site.file("held")) == ["began", "began", "ended"], why=second.log)
    assert second.stop() == 0


def test_a_failure_is_retried_and_becomes_a_dead_letter_that_can_be_replayed(site: Site) -> None:
    failing = commands.stumble(site.file(), 5)
    consumer = site.consumer(processes=2, threads=2)
    wait_until(lambda: site.queue.stats().dead, why=consumer.log)
    (letter,) = site.queue.dead_letters()
    assert (letter.id, letter.attempts) == (failing.id, 3)

    site.queue.replay()

    wait_until(lambda: len(commands.lines(site.file())) == 5, why=consumer.log)
    wait_until(lambda: not any(site.queue.stats()), why=consumer.log)
    assert consumer.stop() == 0
