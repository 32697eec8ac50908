"""Several processes and threads, and the effect on the others when one of them dies or is slow."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest

from tests.consumers import is_alive
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until


def numbers(path: str) -> list[int]:
    return [int(line.split()[0]) for line in commands.lines(path)]


def test_a_killed_worker_is_replaced_and_what_it_held_runs_again_at_once(site: Site) -> None:
    gate = site.file("gate")
    commands.hold(site.file(), gate)
    consumer = site.consumer().ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)
    (worker,) = consumer.workers()
    for number in range(30):
        commands.append(site.file("others"), number)

    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: commands.lines(site.file()) == ["began"] * 2, why=consumer.log)

    assert time.monotonic() - killed < 2
    commands.write(gate, "open")
    site.wait_until_empty()
    assert Counter(numbers(site.file("others"))) == Counter(range(30))
    assert site.queue.stats().dead == 0
    assert consumer.stop() == 0


def test_workers_killed_in_a_loop_lose_nothing(site: Site) -> None:
    for number in range(200):
        commands.append(site.file(), number, 0.005)
    consumer = site.consumer(processes=2).ready()

    for _ in range(4):
        seen = len(numbers(site.file()))
        wait_until(lambda seen=seen: len(numbers(site.file())) > seen + 10, why=consumer.log)
        consumer.kill_worker()
    site.wait_until_empty()
    site.queue.replay()  # what was by chance in three of the processes killed
    site.wait_until_empty()

    counted = Counter(numbers(site.file()))
    assert counted.keys() == set(range(200))
    assert counted.total() <= 200 + 4, "only what was running may run again"


def test_a_slow_command_does_not_hold_fast_ones_hostage(site: Site) -> None:
    gate = site.file("gate")
    for number in range(100):
        commands.append(site.file("warm"), number)
    site.consumer(processes=2).ready()
    site.wait_until_empty()

    begun = time.monotonic()
    commands.hold(site.file(), gate)
    for number in range(60):
        commands.append(site.file("fast"), number)
    sent = time.monotonic()
    wait_until(lambda: len(numbers(site.file("fast"))) == 60, why=site.logs)

    assert time.monotonic() - sent < 1.5, f"sending took {sent - begun:.2f} s"
    assert commands.lines(site.file()) == ["began"]
    commands.write(gate, "open")
    site.wait_until_empty()
    assert Counter(numbers(site.file("fast"))) == Counter(range(60))


def test_threads_run_commands_side_by_side(site: Site) -> None:
    gate = site.file("gate")
    for _ in range(4):
        commands.hold(site.file(), gate)
    site.consumer(processes=2, threads=2)

    wait_until(lambda: commands.lines(site.file()) == ["began"] * 4, why=site.logs)
    commands.write(gate, "open")

    site.wait_until_empty()
    assert Counter(commands.lines(site.file())) == {"began": 4, "ended": 4}


def test_workers_whose_supervisor_is_killed_end_by_themselves(site: Site) -> None:
    gate = site.file("gate")
    commands.hold(site.file(), gate)
    consumer = site.consumer("--lease", "2", processes=2).ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    os.kill(consumer.pid, signal.SIGKILL)
    commands.write(gate, "open")
    consumer.exit_code()

    site.wait_until_empty()
    assert commands.lines(site.file()) == ["began", "ended"]


def test_what_a_killed_consumer_held_runs_in_another_one_when_its_lease_is_over(site: Site) -> None:
    gate = site.file("gate")
    commands.hold(site.file(), gate)
    consumer = site.consumer("--lease", "2").ready()
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    consumer.kill_all()
    commands.write(gate, "open")
    site.consumer("--lease", "2", log="second.log")

    site.wait_until_empty()
    assert commands.lines(site.file()) == ["began", "began", "ended"]


def test_two_consumers_share_the_work(site: Site) -> None:
    first = site.consumer("--lease", "2").ready()
    second = site.consumer("--lease", "2", log="second.log").ready()
    for number in range(200):
        commands.append(site.file(), number, 0.002)

    site.wait_until_empty()

    assert Counter(numbers(site.file())) == Counter(range(200))
    pids = {int(line.split()[1]) for line in commands.lines(site.file())}
    assert pids == {*first.workers(), *second.workers()}


def test_a_killed_maintainer_is_replaced_and_costs_nothing(site: Site) -> None:
    consumer = site.consumer("--lease", "2").ready()
    (maintainer,) = consumer.members() - {consumer.pid, *consumer.workers()}
    gate = site.file("gate")
    commands.hold(site.file(), gate)
    wait_until(lambda: commands.lines(site.file()), why=consumer.log)

    os.kill(maintainer, signal.SIGKILL)
    wait_until(lambda: not is_alive(maintainer) and len(consumer.members()) == 3, why=consumer.log)
    died = time.monotonic()
    wait_until(lambda: time.monotonic() - died > 3, why=consumer.log)  # longer than the lease
    commands.write(gate, "open")

    site.wait_until_empty()
    assert commands.lines(site.file()) == ["began", "ended"]
    assert "The maintainer was killed by SIGKILL" in consumer.log()
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_maintainer_that_always_dies_is_replaced_once_a_second(site: Site) -> None:
    consumer = site.consumer().ready()
    family = {consumer.pid, *consumer.workers()}
    began = time.monotonic()

    for _ in range(4):
        wait_until(lambda: consumer.members() - family, why=consumer.log)
        (maintainer,) = consumer.members() - family
        os.kill(maintainer, signal.SIGKILL)
        wait_until(lambda it=maintainer: not is_alive(it), why=consumer.log)

    assert time.monotonic() - began > 2
    assert consumer.stop() == 0


@pytest.mark.parametrize("signals", [2, 20])
def test_a_storm_of_hangups_changes_nothing(site: Site, signals: int) -> None:
    for number in range(100):
        commands.append(site.file(), number, 0.002)
    consumer = site.consumer(processes=2).ready()
    for _ in range(signals):
        consumer.signal(signal.SIGHUP)

    site.wait_until_empty()

    assert Counter(numbers(site.file())) == Counter(range(100))
    assert consumer.stop() == 0
