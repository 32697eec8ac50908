"""Cancelling calls that wait, and calls that run in a consumer."""

from __future__ import annotations

from pathlib import Path

import pytest

from djutils.queue.cancelling import Cancellation
from djutils.queue.decorators import CommandFunction
from djutils.queue.exceptions import Cancelled
from tests.calls import begun, running
from tests.consumers import Consumer, is_alive
from tests.project.app import outcomes
from tests.project.app.files import lines
from tests.sites import Site
from tests.waiting import wait_until

EACH = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)
EACH_WITH_THREADS = pytest.mark.parametrize(
    ("site", "threads"), [("sqlite", 3), ("postgres", 1), ("mariadb", 3), ("redis", 1)], indirect=["site"]
)


@EACH_WITH_THREADS
def test_a_command_that_asks_learns_that_it_is_cancelled_and_is_not_retried(site: Site, threads: int) -> None:
    result = outcomes.give_way(site.file())
    consumer = site.consumer(threads=threads).ready()
    begun(site.file(), consumer)

    assert result.cancel() == Cancellation.ASKED

    with pytest.raises(Cancelled):
        result.wait(30)
    site.wait_until_empty()
    assert len(lines(site.file())) == 1
    assert result.errors[-1].message == "It was cancelled while it ran, and ended with LookupError."
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("site", "command"),
    [(store, outcomes.fail_at_gate) for store in ("sqlite", "postgres", "mariadb", "redis")]
    + [(store, outcomes.fail_at_gate_later) for store in ("sqlite", "redis")],
    indirect=["site"],
)
def test_what_fails_before_it_can_be_told_that_it_was_cancelled_is_not_tried_again(
    site: Site, command: CommandFunction[[str, str], None]
) -> None:
    result = command(site.file(), site.file("gate"))
    consumer = site.consumer("--coroutines", "2").ready()
    begun(site.file(), consumer)

    assert result.cancel() is Cancellation.ASKED
    Path(site.file("gate")).touch()

    with pytest.raises(Cancelled):
        result.wait(30)
    assert len(lines(site.file())) == result.attempts == 1


@EACH
def test_a_coroutine_is_cancelled_and_its_neighbours_go_on(site: Site) -> None:
    consumer = site.consumer("--coroutines", "5").ready()

    _cancel_one_of_two(site, consumer, outcomes.sleep_long)


@pytest.mark.parametrize("site", ["redis"], indirect=True)
@pytest.mark.parametrize("numbers", [{"threads": 2}, {"processes": 2}])
@pytest.mark.parametrize("command", [outcomes.sleep_long, outcomes.sleep_long_in_time])
def test_what_a_thread_awaits_is_cancelled_as_well(
    site: Site, numbers: dict[str, int], command: CommandFunction[[str], None]
) -> None:
    _cancel_one_of_two(site, site.consumer(**numbers).ready(), command)


def _cancel_one_of_two(site: Site, consumer: Consumer, command: CommandFunction[[str], None]) -> None:
    result, neighbour = command(site.file()), command(site.file())
    begun(site.file(), consumer, 2)

    result.cancel()

    with pytest.raises(Cancelled):
        result.wait(30)
    running(neighbour, consumer)
    assert len(lines(site.file("lines.cancelled"))) == 1
    neighbour.cancel()
    with pytest.raises(Cancelled):
        neighbour.wait(30)
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@EACH_WITH_THREADS
def test_a_command_with_a_time_limit_is_interrupted_and_its_process_lives_on(
    site: Site, threads: int
) -> None:
    result = outcomes.spin(site.file())
    consumer = site.consumer(threads=threads).ready()
    workers = consumer.workers()
    begun(site.file(), consumer)

    result.cancel()

    with pytest.raises(Cancelled):
        result.wait(30)
    assert outcomes.triple(5).wait(30) == 15
    assert consumer.workers() == workers
    assert len(lines(site.file())) == 1


@pytest.mark.parametrize(
    ("site", "options"),
    [("sqlite", {}), ("postgres", {"threads": 2}), ("mariadb", {}), ("redis", {"threads": 2})],
    indirect=["site"],
)
def test_killing_one_ends_its_process_and_no_other_and_charges_no_neighbour(
    site: Site, options: dict[str, int]
) -> None:
    result = outcomes.wait_for(site.file("victim"), site.file("never"))
    others = [outcomes.wait_for(site.file("others"), site.file("gate")) for _ in range(3)]
    consumer = site.consumer(processes=4 // options.get("threads", 1), **options).ready()
    workers = consumer.workers()
    (victim,) = begun(site.file("victim"), consumer)
    begun(site.file("others"), consumer, 3)

    assert result.cancel(kill=True) == Cancellation.KILLING

    with pytest.raises(Cancelled):
        result.wait(30)
    wait_until(lambda: not is_alive(victim), why=consumer.log)
    wait_until(lambda: len(consumer.workers()) == len(workers), why=consumer.log)
    assert set(workers) - set(consumer.workers()) == {victim}
    for other in others:
        running(other, consumer)
        (message,) = site.queue.find(other.id, 1)
        assert (message.attempts, message.crashes, message.redeliveries) == (0, 0, 0)
    Path(site.file("gate")).touch()
    assert [other.wait(30) for other in others] == ["through"] * 3
    assert len(lines(site.file("victim"))) == 1
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@EACH
def test_what_is_cancelled_while_it_waits_never_runs(site: Site) -> None:
    result = outcomes.wait_for(site.file(), site.file("gate"))

    assert result.cancel() == Cancellation.REMOVED

    site.consumer().ready()
    assert outcomes.triple(1).wait(30) == 3
    with pytest.raises(Cancelled):
        result.wait(5)
    assert lines(site.file()) == []
