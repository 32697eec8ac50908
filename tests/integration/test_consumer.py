"""What a consumer does with commands, seen from outside its process."""

from __future__ import annotations

import re
import signal
from collections import Counter

import pytest

from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.message import Delivery
from djutils.queue.queue import QueueCommand, invoker
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

with_mariadb = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)


def numbers(path: str) -> list[int]:
    return [int(line.split()[0]) for line in commands.lines(path)]


@with_mariadb
def test_every_command_runs_once(site: Site) -> None:
    for number in range(300):
        commands.append(site.file(), number)
    consumer = site.consumer(processes=2, threads=2).ready()
    for number in range(300, 400):
        commands.append(site.file(), number)

    site.wait_until_empty()

    assert Counter(numbers(site.file())) == Counter(range(400))
    assert consumer.stop() == 0
    assert site.queue.stats() == (0, 0, 0, 0, 0)


def test_one_thread_runs_commands_in_the_order_they_were_sent(site: Site) -> None:
    for number in range(50):
        commands.append(site.file(), number)
    site.consumer()

    site.wait_until_empty()

    assert numbers(site.file()) == list(range(50))


def test_a_larger_priority_runs_sooner_but_for_one_in_ten(site: Site) -> None:
    for number in range(30):
        commands.append.using(priority=number % 3)(site.file(), number)
    site.consumer()

    site.wait_until_empty()

    priorities = [number % 3 for number in numbers(site.file())]
    # Of each ten that are lent one is the oldest, whatever its priority.
    assert priorities[:10].count(2) >= 9
    assert priorities[-8:].count(0) >= 7


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_an_async_command_runs(site: Site) -> None:
    for number in range(20):
        commands.breathe(site.file(), number)
    site.consumer(threads=2)

    site.wait_until_empty()

    assert sorted(numbers(site.file())) == list(range(20))


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_log_line_tells_id_name_duration_and_outcome_but_never_the_arguments(site: Site) -> None:
    secret = site.file("a-very-secret-place")
    good = commands.append(secret, 4711)
    refused = commands.refuse(secret, "did not like it")
    retried = commands.stumble(site.file("stumbled"), 2)
    consumer = site.consumer().ready()
    site.wait_until_empty()
    consumer.stop()
    log = consumer.log()

    assert re.search(rf"INFO .*{good.id} tests.project.app.commands.append succeeded in \d+\.\d+ s", log)
    assert re.search(
        rf"ERROR .*{refused.id} tests.project.app.commands.refuse rejected.*did not like it", log
    )
    assert re.search(
        rf"WARNING .*{retried.id} tests.project.app.commands.stumble retried in .*LookupError", log
    )
    assert "Traceback" in log
    assert "a-very-secret-place" not in log
    assert "4711" not in log


def test_sigterm_lets_the_running_command_end_and_gives_the_others_back(site: Site) -> None:
    gate = site.file("gate")
    commands.hold(site.file(), gate)
    for number in range(20):
        commands.append(site.file("others"), number)
    consumer = site.consumer().ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    consumer.signal(signal.SIGTERM)
    wait_until(lambda: len(site.queue) == 20, why=lambda: f"{site.queue.stats()}{consumer.log()}")
    commands.write(gate, "open")

    assert consumer.exit_code() == 0
    assert commands.lines(site.file()) == ["began", "ended"]
    assert commands.lines(site.file("others")) == []
    assert {counters(delivery) for delivery in look(site)} == {(0, 0, 0)}
    assert site.queue.stats() == (20, 0, 0, 0, 0)


def test_a_second_sigterm_ends_at_once_and_hands_back_what_was_running(site: Site) -> None:
    commands.hold(site.file(), site.file("never"))
    consumer = site.consumer().ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    consumer.insist()

    assert consumer.exit_code(5) == 1
    assert commands.lines(site.file()) == ["began"]
    assert [counters(delivery) for delivery in look(site)] == [(0, 0, 0)]


def test_the_signals_of_one_stop_are_one_request(site: Site) -> None:
    commands.hold(site.file(), site.file("gate"))
    consumer = site.consumer().ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    # Ctrl-C through an init wrapper: the terminal signals the group, the wrapper what it started.
    consumer.signal(signal.SIGINT)
    wait_until(lambda: "Stopping" in consumer.log(), why=consumer.log)
    for number in (signal.SIGTERM, signal.SIGINT):
        consumer.signal(number)
    commands.write(site.file("gate"), "open")

    assert consumer.exit_code() == 0
    assert commands.lines(site.file()) == ["began", "ended"]


def test_what_outlasts_the_grace_period_is_killed_and_handed_back_without_blame(site: Site) -> None:
    commands.hold(site.file(), site.file("never"))
    consumer = site.consumer("--grace", "0.5").ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    assert consumer.stop() == 1
    assert [counters(delivery) for delivery in look(site)] == [(0, 0, 0)]


def test_workers_are_replaced_after_so_many_commands_and_nothing_is_lost(site: Site) -> None:
    for number in range(100):
        commands.append(site.file(), number)
    consumer = site.consumer("--max-commands", "20", processes=2).ready()

    site.wait_until_empty()

    assert Counter(numbers(site.file())) == Counter(range(100))
    pids = Counter(line.split()[1] for line in commands.lines(site.file()))
    assert len(pids) >= 5
    assert max(pids.values()) <= 20
    assert consumer.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("site", ["postgres", "redis"], indirect=True)
def test_a_worker_that_grew_too_large_is_replaced_and_nothing_is_lost(site: Site) -> None:
    commands.eat(site.file(), 300)
    consumer = site.consumer("--max-memory", "200").ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)
    (eater,) = map(int, commands.lines(site.file()))

    wait_until(lambda: len(consumer.workers()) == 1 and eater not in consumer.workers(), why=consumer.log)
    for number in range(20):
        commands.append(site.file("after"), number)
    site.wait_until_empty()

    assert Counter(numbers(site.file("after"))) == Counter(range(20))
    assert "MiB" in consumer.log()


def test_a_class_and_an_argument_of_any_kind_travel(site: Site) -> None:
    invoker.enqueue(commands.Keep({"file": site.file(), "kept": {1, 2.5, ("three", None)}}))
    site.consumer()

    site.wait_until_empty()

    assert commands.lines(site.file()) == [repr([("three", None), 1, 2.5])]
    assert issubclass(commands.Keep, QueueCommand)


def look(site: Site) -> list[Delivery]:
    """Return the waiting messages, by borrowing them for a moment."""
    queue = site.queue
    assert isinstance(queue, LeasedQueue)
    queue.enroll(1)
    lent = queue.receive(1, 100).deliveries
    queue.release(1, [delivery.id for delivery in lent])
    queue.reap(1, running={})
    return lent


def counters(delivery: Delivery) -> tuple[int, int, int]:
    return delivery.attempts, delivery.crashes, delivery.redeliveries
