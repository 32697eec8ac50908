"""A worker process that will be replaced: its running commands finish first, and are not charged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from djutils.queue.workers.process import resident_mebibytes
from tests.consumers import Consumer
from tests.project.app import commands, world
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
GRACE = ("--grace", "0.5")


def grow(site: Site, consumer: Consumer) -> None:
    commands.eat(site.file("reason"), 300)


def lose_a_thread(site: Site, consumer: Consumer) -> None:
    world.doom_its_thread(site.file("reason"))
    wait_until(lambda: commands.lines(site.file("reason")), why=consumer.log)

    def wake_it() -> bool:
        commands.append(site.file("before"), 1)
        return "has died" in consumer.log()

    wait_until(wake_it, every=0.1, why=consumer.log)


def ended_by_itself(site: Site, consumer: Consumer, what: str) -> None:
    """Check that the worker logs why it ends, and that the neighbour runs on beyond the grace period, and only once."""
    (worker,) = consumer.workers()
    wait_until(lambda: what in consumer.log(), why=consumer.log)
    for number in range(20):  # what comes meanwhile waits for the next worker
        commands.append(site.file("after"), number)
    with pytest.raises(AssertionError):
        wait_until(lambda: consumer.workers() != [worker], timeout=2)
    assert commands.lines(site.file()) == ["began"]

    commands.write(site.file("gate"), "open")
    site.wait_until_empty()

    assert commands.lines(site.file()) == ["began", "ended"]
    assert worker not in consumer.workers()
    assert site.queue.stats().dead == 0
    assert str(worker) not in {line.split()[1] for line in commands.lines(site.file("after"))}
    assert "were running" not in consumer.log() or "0 of them were running" in consumer.log()
    assert consumer.stop() == 0


@pytest.mark.parametrize(
    ("option", "reason", "what"),
    [
        (("--max-memory", "200"), grow, "--max-memory is 200"),
        ((), lose_a_thread, "one of its threads has died"),
    ],
    ids=["memory", "thread"],
)
def test_a_neighbour_of_the_reason_ends_in_its_own_time(
    site: Site, option: tuple[str, ...], reason: Callable[[Site, Consumer], None], what: str
) -> None:
    consumer = site.consumer(*GRACE, *option, threads=2).ready()
    commands.hold(site.file(), site.file("gate"))
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)
    reason(site, consumer)
    ended_by_itself(site, consumer, what)


def test_a_command_that_itself_grew_too_large_ends_in_its_own_time(site: Site) -> None:
    consumer = site.consumer(*GRACE, "--max-memory", "200").ready()
    (worker,) = consumer.workers()
    world.eat_and_hold(site.file(), site.file("gate"), 300)
    ended_by_itself(site, consumer, "--max-memory is 200")
    assert worker not in consumer.workers()


def test_after_the_most_commands_the_neighbours_end_in_their_own_time(site: Site) -> None:
    for _ in range(2):
        commands.hold(site.file(), site.file("gate"))
    for number in range(10):
        commands.append(site.file("after"), number)
    consumer = site.consumer(*GRACE, "--max-commands", "2", threads=2).ready()
    wait_until(lambda: commands.lines(site.file()) == ["began"] * 2, why=consumer.log)
    with pytest.raises(AssertionError):
        wait_until(lambda: commands.lines(site.file("after")), timeout=2)

    commands.write(site.file("gate"), "open")
    site.wait_until_empty()

    assert commands.lines(site.file()) == ["began"] * 2 + ["ended"] * 2
    assert site.queue.stats().dead == 0


def test_a_limit_below_what_the_project_needs_is_logged_once_and_replaces_no_worker(site: Site) -> None:
    assert resident_mebibytes() > 20
    consumer = site.consumer("--max-memory", "20", processes=2).ready()
    workers = consumer.workers()
    for number in range(10):
        commands.append(site.file(), number, 0.8)
    site.wait_until_empty()

    assert consumer.workers() == workers
    (line,) = [line for line in consumer.log().splitlines() if "--max-memory" in line]
    assert "WARNING" in line
    assert "is 20 MiB, but the project needs " in line
