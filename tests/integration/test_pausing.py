"""Queues that are paused and resumed while consumers run, die, restart and start."""

from __future__ import annotations

import json
import os
import signal
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from djutils.queue.exceptions import ResultTimeout
from djutils.queue.queue import invoker
from djutils.queue.results import Result
from tests.calls import begun
from tests.consumers import Consumer, is_alive
from tests.project.app import commands, outcomes
from tests.project.app.files import lines
from tests.sites import Site
from tests.waiting import wait_until

EACH = pytest.mark.parametrize("site", ["sqlite", "postgres", "redis"], indirect=True)
EVERY_PLACE = pytest.mark.parametrize(
    ("site", "numbers", "options"),
    [
        ("sqlite", {"processes": 4}, ()),
        ("postgres", {"threads": 4}, ()),
        ("postgres", {"threads": 1}, ("--coroutines", "3")),
        ("redis", {"processes": 2, "threads": 2}, ()),
    ],
    indirect=["site"],
)
LATE = 2.0
"""Seconds after which a pause takes effect on a machine that does other things as well; on an idle one it is below 1."""


def append(site: Site, count: int, pause: float = 0.0) -> None:
    invoker.enqueue_many([commands.append.command(site.file("ran"), n, pause) for n in range(count)])


def moments(site: Site) -> list[float]:
    """When each of the short commands began."""
    return [float(line.split()[2]) for line in lines(site.file("ran"))]


def blocked(site: Site, count: int = 4) -> list[Result]:
    return [outcomes.wait_for(site.file("held"), site.file("gate")) for _ in range(count)]


def says_paused(consumer: Consumer) -> None:
    wait_until(lambda: "is paused since" in consumer.log(), why=consumer.log)


@EVERY_PLACE
def test_a_pause_gives_back_what_waits_lets_run_what_runs_and_loses_nothing(
    site: Site, numbers: dict[str, int], options: tuple[str, ...]
) -> None:
    held = blocked(site, 1 if options else 4)
    consumer = site.consumer(*options, **numbers).ready()
    begun(site.file("held"), consumer, len(held))
    append(site, 1000)

    invoker.pause(reason="the mail server moves", by="ada")

    says_paused(consumer)
    wait_until(lambda: site.queue.stats()[:3] == (1000, 0, len(held)), why=consumer.log)
    commands.append(site.file("ran"), 1000)
    Path(site.file("gate")).touch()
    assert [result.wait(30) for result in held] == ["through"] * len(held)
    wait_until(lambda: site.queue.stats() == (1001, 0, 0, 0, 0), why=consumer.log)
    time.sleep(1.5)
    assert lines(site.file("ran")) == []
    assert all(
        (one.attempts, one.crashes, one.redeliveries) == (0, 0, 0)
        for one in site.queue.peek("ready", count=1001)
    )

    assert invoker.resume()
    site.wait_until_empty()
    numbers_run = sorted(int(line.split()[0]) for line in lines(site.file("ran")))
    assert numbers_run == [*range(1001)]
    assert " by ada (the mail server moves): commands that run go on" in consumer.log()
    wait_until(lambda: "is resumed" in consumer.log())


@EVERY_PLACE
def test_short_commands_stop_within_a_second_and_go_on_within_one(
    site: Site, numbers: dict[str, int], options: tuple[str, ...]
) -> None:
    append(site, 3000, 0.01)
    consumer = site.consumer(*options, **numbers).ready()
    wait_until(lambda: len(lines(site.file("ran"))) > 50, why=consumer.log)

    invoker.pause()
    paused_at = time.time()

    wait_until(lambda: site.queue.stats().leased == 0, every=0.1, why=consumer.log)
    says_paused(consumer)
    time.sleep(1.0)
    assert max(moments(site)) - paused_at < LATE
    ran = len(lines(site.file("ran")))
    assert site.queue.stats() == (3000 - ran, 0, 0, 0, 0)

    invoker.resume()
    resumed_at = time.time()
    wait_until(lambda: len(lines(site.file("ran"))) > ran, why=consumer.log)
    assert moments(site)[ran] - resumed_at < LATE


@EACH
def test_what_a_killed_worker_ran_waits_until_the_queue_is_resumed(site: Site) -> None:
    held = blocked(site)
    consumer = site.consumer(processes=4).ready()
    pids = begun(site.file("held"), consumer, 4)
    append(site, 20)
    invoker.pause()
    says_paused(consumer)

    os.kill(pids[0], signal.SIGKILL)

    wait_until(lambda: not is_alive(pids[0]))
    wait_until(lambda: site.queue.stats()[:3] == (21, 0, 3), why=consumer.log)
    wait_until(lambda: len(consumer.workers()) == 4, why=consumer.log)
    Path(site.file("gate")).touch()
    wait_until(lambda: site.queue.stats() == (21, 0, 0, 0, 0), why=consumer.log)
    assert len(lines(site.file("held"))) == 4
    assert lines(site.file("ran")) == []

    invoker.resume()
    assert [result.wait(30) for result in held] == ["through"] * 4
    site.wait_until_empty()
    assert len(lines(site.file("ran"))) == 20


@EACH
def test_a_pause_outlives_the_consumer_and_holds_for_the_next_from_its_first_moment(site: Site) -> None:
    append(site, 100)
    invoker.pause(reason="night")
    killed = site.consumer(processes=2, log="first.log").ready()
    says_paused(killed)
    killed.kill_all()
    stopped = site.consumer(processes=2, log="second.log").ready()
    says_paused(stopped)
    assert stopped.stop() == 0

    consumer = site.consumer(processes=2, log="third.log").ready()
    says_paused(consumer)
    time.sleep(0.5)
    assert lines(site.file("ran")) == []
    assert site.queue.stats()[:3] == (100, 0, 0)

    invoker.resume()
    site.wait_until_empty()
    assert len(lines(site.file("ran"))) == 100


@EACH
def test_every_consumer_hears_of_a_pause_and_of_its_end(site: Site) -> None:
    append(site, 2000, 0.01)
    consumers = [site.consumer(threads=2, log=f"{name}.log").ready() for name in "ab"]
    wait_until(lambda: len(lines(site.file("ran"))) > 20, why=site.logs)

    invoker.pause()
    paused_at = time.time()

    for consumer in consumers:
        says_paused(consumer)
    wait_until(lambda: site.queue.stats().leased == 0, why=site.logs)
    assert max(moments(site)) - paused_at < LATE
    ran = len(lines(site.file("ran")))

    invoker.resume()
    for consumer in consumers:
        wait_until(lambda: "is resumed" in consumer.log(), why=consumer.log)  # noqa: B023  (called at once)
    wait_until(lambda: len(lines(site.file("ran"))) > ran, why=site.logs)
    assert {line.split()[1] for line in lines(site.file("ran"))[ran:]} <= {
        str(pid) for consumer in consumers for pid in consumer.workers()
    }


@EACH
def test_a_maintainer_that_was_replaced_knows_of_the_pause(site: Site) -> None:
    append(site, 10)
    invoker.pause()
    consumer = site.consumer().ready()
    says_paused(consumer)
    maintainer = wait_until(consumer.maintainer)

    os.kill(maintainer, signal.SIGKILL)

    wait_until(lambda: consumer.maintainer() not in {0, maintainer}, why=consumer.log)
    time.sleep(1.0)
    assert lines(site.file("ran")) == []
    invoker.resume()
    site.wait_until_empty()


@EACH
def test_other_queues_of_the_consumer_go_on(site: Site) -> None:
    paused, other = site.queue.name, f"{site.queue.name}-other"
    append(site, 100)
    invoker.pause()
    consumer = site.consumer("-q", paused, "-q", other).ready()
    says_paused(consumer)

    for number in range(3):
        commands.append.using(queue_name=other)(site.file("others"), number)
        wait_until(lambda: len(lines(site.file("others"))) > number, 10, why=consumer.log)  # noqa: B023

    assert lines(site.file("ran")) == []
    invoker.resume()
    site.wait_until_empty()


@EACH
def test_waiting_for_a_result_goes_on_over_the_pause(site: Site) -> None:
    invoker.pause()
    consumer = site.consumer().ready()
    says_paused(consumer)
    result = outcomes.triple(5)
    with pytest.raises(ResultTimeout):
        result.wait(0.5)

    invoker.resume()

    assert result.wait(30) == 15


# The command line


def command(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().strip()


def as_json(*words: str) -> Any:
    return json.loads(command(*words, "--format", "json"))


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_the_command_line_pauses_a_queue_and_resumes_it(site: Site) -> None:
    name = site.queue.name
    append(site, 3)

    said = command("queue_pause", name, "--reason", "the mail server moves")

    assert said.startswith(f"The queue '{name}' is paused since ")
    assert "(the mail server moves). Within a second no consumer begins any of its commands" in said
    assert "3 messages wait, 0 are with workers. No worker process is registered for it" in said
    assert command("queue_pause").startswith(f"The queue '{name}' is paused since ")
    assert command("queue_resume", name).startswith(f"The queue '{name}' is resumed. 3 messages wait")
    assert "was not paused; nothing was changed" in command("queue_resume", name)
    assert command("queue_pause").startswith("None of the queues that the project knows is paused: ")


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
def test_the_command_line_says_the_same_to_programs(site: Site) -> None:
    name = site.queue.name

    told = as_json("queue_pause", name, "--reason", "why")

    (pause,) = invoker.paused().values()
    assert told == {
        "queue": name,
        "counts": {"ready": 0, "delayed": 0, "leased": 0, "dead": 0, "waiting": 0},
        "workers": 0,
        "paused": pause.as_json(),
    }
    assert as_json("queue_pause")["paused"] == {name: pause.as_json()}
    assert as_json("queue_messages", "list")["paused"] == {name: pause.as_json()}
    resumed = as_json("queue_resume", name)
    assert (resumed["was_paused"], resumed["paused"]) == (True, None)
    assert as_json("queue_pause")["paused"] == {}
    assert as_json("queue_messages", "list")["paused"] == {}


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_what_waits_says_that_its_queue_is_paused(site: Site) -> None:
    result = commands.note("x")
    invoker.pause(reason="why")

    assert " is paused since " not in command("queue_messages", "show", result.id)
    assert f"{site.queue.name}, paused since " in command("queue_messages", "show", result.id)
    assert command("queue_messages", "list", "-q", site.queue.name).endswith("(why).")


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_queue_that_cannot_be_paused_is_an_error_and_so_is_a_reason_without_a_queue(
    site: Site, settings: Settings
) -> None:
    with pytest.raises(CommandError, match="Name the queue to pause; nothing was changed"):
        command("queue_pause", "--reason", "why")
    settings.QUEUE_BACKEND = "tests.contract.four_methods.FolderQueue"
    settings.QUEUE_CONNECTION = str(site.folder)
    for word in ("queue_pause", "queue_resume"):
        with pytest.raises(CommandError, match="FolderQueue has no store"):
            command(word, "mail")
