"""Commands that take too long, commands that take effect once, and what a crash leaves in a dead letter."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

DATABASES = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_a_command_that_hangs_is_ended_with_its_process_and_counted_as_a_failed_attempt(
    site: Site, threads: int
) -> None:
    commands.hang(site.file())
    consumer = site.consumer("--grace", "5", threads=threads).ready()

    wait_until(lambda: site.queue.stats().dead == 1, why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert (letter.attempts, letter.crashes, letter.redeliveries) == (2, 0, 0)
    assert letter.reason.endswith("It did not end within its time limit, and its process was killed.")
    assert len(set(commands.lines(site.file()))) == 2, "each attempt in its own process"
    commands.append(site.file("after"), 1)
    site.wait_until_empty()
    assert consumer.stop() == 0


def test_while_the_consumer_stops_a_command_that_hangs_is_ended_at_its_own_limit(site: Site) -> None:
    """The grace period is for commands that may still end; this one would take all of it."""
    commands.hang(site.file())
    consumer = site.consumer("--grace", "600").ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    assert consumer.stop() == 0

    assert "past its time limit: it is ended" in consumer.log()
    assert site.queue.stats().leased == 0


@pytest.mark.slow
def test_bystanders_of_a_hanging_command_end_well(site: Site) -> None:
    consumer = site.consumer(threads=3).ready()
    commands.hang(site.file())
    for number in range(2):
        commands.append(site.file("bystanders"), number, 2.0)

    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    assert sorted(line.split()[0] for line in commands.lines(site.file("bystanders"))) == ["0", "1"]


def test_past_its_soft_limit_a_command_hears_of_it_and_its_process_lives_on(site: Site) -> None:
    commands.dawdle(site.file())
    consumer = site.consumer().ready()
    workers = consumer.workers()

    wait_until(lambda: site.queue.stats().dead == 1, why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert "TimeLimitExceeded: It ran for longer than its time limit of 0.3 s." in letter.reason
    assert consumer.workers() == workers


def test_a_dead_letter_tells_how_its_processes_died_and_what_they_said_last(site: Site) -> None:
    commands.complain_and_be_killed(site.file())
    consumer = site.consumer()

    wait_until(lambda: site.queue.stats().dead == 1, why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert letter.crashes == len(commands.lines(site.file())) == 3
    assert letter.reason == "It was running in 3 processes that died."
    assert "Its process was killed by SIGKILL; at its peak it had" in letter.error
    assert "app: the roof is on fire" in letter.error


@DATABASES
def test_an_atomic_command_never_takes_effect_twice_whatever_is_killed(site: Site) -> None:
    count, mark = 120, site.environment["DJUTILS_TEST_QUEUE_NAME"]
    for number in range(count):
        commands.book(mark, number, 0.005)
    consumer = site.consumer("--lease", "2", processes=2, threads=2).ready()

    for kills in range(6):
        wait_until(lambda kills=kills: len(site.notes(mark)) > 15 * (kills + 1), why=consumer.log)
        if kills == 3:
            consumer.kill_all()
            consumer = site.consumer("--lease", "2", processes=2, threads=2, log="second.log").ready()
        else:
            consumer.kill_worker()
    site.wait_until_empty()
    site.queue.replay()  # what was by chance in three of the processes killed
    site.wait_until_empty()

    assert Counter(site.notes(mark)) == Counter(f"{mark} {number}" for number in range(count))
    assert site.queue.stats() == (0, 0, 0, 0, 0)


def test_a_bystander_of_a_killer_does_not_become_a_dead_letter(site: Site) -> None:
    consumer = site.consumer(threads=3)
    commands.be_killed(site.file())
    for number in range(4):
        commands.append(site.file("innocent"), number, 0.2)

    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=consumer.log)

    (letter,) = site.queue.dead_letters()
    assert (letter.crashes, len(commands.lines(site.file()))) == (3, 3)
    assert {line.split()[0] for line in commands.lines(site.file("innocent"))} == set("0123")
