"""Commands that are paused and resumed while consumers run, die and start, and those that pause themselves."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from djutils.queue.queue import invoker
from djutils.queue.record import ResultStatus
from tests.consumers import Consumer
from tests.project.app import commands, fuses
from tests.project.app.files import lines
from tests.sites import Site
from tests.waiting import wait_until

EACH = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
EVERY_RUNNER = pytest.mark.parametrize(
    ("site", "numbers", "options"),
    [
        ("sqlite", {"processes": 2}, ()),
        ("redis", {"threads": 3}, ()),
        ("redis", {"threads": 2}, ("--coroutines", "4")),
    ],
    indirect=["site"],
)
LATE = 2.0
"""Seconds after which a pause takes effect on a machine that does other things as well; on an idle one it is below 1."""


def says(consumer: Consumer, text: str) -> None:
    wait_until(lambda: text in consumer.log(), why=consumer.log)


def ran(site: Site, name: str = "mails") -> list[int]:
    return sorted(int(line) for line in lines(site.file(name)))


def send_mails(site: Site, count: int) -> None:
    half = count // 2
    calls = [fuses.mail.command(site.file("mails"), n) for n in range(half)]
    calls += [fuses.mail_later.command(site.file("mails"), n) for n in range(half, count)]
    invoker.enqueue_many(calls)


def pause_mails() -> None:
    for command in (fuses.mail, fuses.mail_later):
        invoker.pause(command=command, reason="the mail server moves", by="ada")


def resume_mails() -> None:
    for command in (fuses.mail, fuses.mail_later):
        assert invoker.resume(command=command)


@EVERY_RUNNER
def test_others_go_on_past_thousands_that_are_paused_and_on_resume_each_runs_once(
    site: Site, numbers: dict[str, int], options: tuple[str, ...]
) -> None:
    pause_mails()
    send_mails(site, 4000)
    last = fuses.mail(site.file("mails"), 4000)
    commands.append(site.file("others"), 1)
    consumer = site.consumer(*options, **numbers).ready()

    wait_until(lambda: lines(site.file("others")), 60, why=consumer.log)
    wait_until(lambda: site.queue.stats() == (0, 4001, 0, 0, 0), 60, why=consumer.log)

    assert ran(site) == []
    assert last.status is ResultStatus.READY
    for one in site.queue.peek("delayed", count=4001):
        assert (one.attempts, one.crashes, one.redeliveries, one.offers) == (0, 0, 0, 0)
        assert "because the command" in one.error
    resume_mails()
    resumed_at = time.monotonic()
    wait_until(lambda: lines(site.file("mails")), every=0.05, why=consumer.log)
    assert time.monotonic() - resumed_at < LATE
    site.wait_until_empty(60)
    assert ran(site) == [*range(4001)]
    assert last.wait(10) == 4000


@EACH
def test_a_pause_takes_effect_within_a_second_while_calls_run(site: Site) -> None:
    invoker.enqueue_many([commands.append.command(site.file("ran"), n, 0.01) for n in range(2000)])
    consumer = site.consumer(processes=2).ready()
    wait_until(lambda: len(lines(site.file("ran"))) > 20, why=consumer.log)

    invoker.pause(command=commands.append)
    paused_at = time.time()

    wait_until(
        lambda: site.queue.stats().delayed == 2000 - len(lines(site.file("ran"))), 30, why=consumer.log
    )
    assert max(float(line.split()[2]) for line in lines(site.file("ran"))) - paused_at < LATE
    fuses.mail(site.file("mails"), 1)
    wait_until(lambda: ran(site) == [1], 5, why=consumer.log)
    invoker.resume(command=commands.append)
    site.wait_until_empty(60)
    assert sorted(int(line.split()[0]) for line in lines(site.file("ran"))) == [*range(2000)]


@EACH
def test_a_pause_outlives_a_killed_consumer_and_so_does_a_resume_while_none_runs(site: Site) -> None:
    pause_mails()
    send_mails(site, 200)
    consumer = site.consumer(processes=2).ready()
    wait_until(lambda: site.queue.stats().delayed == 200, why=consumer.log)

    consumer.kill_all()

    after = site.consumer(log="after").ready()
    says(
        after,
        f"The command '{fuses.mail.command_class.name}' of the queue '{site.queue.name}' is paused since",
    )
    send_mails(site, 2)
    wait_until(lambda: site.queue.stats().delayed == 202, why=after.log)
    after.kill_all()
    assert ran(site) == []
    resume_mails()
    last = site.consumer(log="last").ready()
    wait_until(lambda: len(ran(site)) == 202, 20, why=last.log)
    site.wait_until_empty()


@EACH
def test_a_worker_that_is_killed_while_others_are_put_aside_loses_nothing(site: Site) -> None:
    pause_mails()
    send_mails(site, 1000)
    consumer = site.consumer(processes=2).ready()
    wait_until(lambda: site.queue.stats().delayed > 0, every=0.01, why=consumer.log)

    os.kill(next(iter(consumer.workers())), signal.SIGKILL)

    wait_until(lambda: site.queue.stats() == (0, 1000, 0, 0, 0), 30, why=consumer.log)
    resume_mails()
    site.wait_until_empty(60)
    assert ran(site) == [*range(1000)]


@EACH
def test_calls_in_an_ordered_lane_keep_their_order_and_other_lanes_are_let_in(site: Site) -> None:
    invoker.pause(command=fuses.mail_in_order)
    invoker.enqueue_many([fuses.mail_in_order.command(site.file("mails"), f"t{n % 3}", n) for n in range(30)])
    consumer = site.consumer(threads=4).ready()
    wait_until(lambda: site.queue.stats()[1:] == (3, 0, 0, 27), why=consumer.log)

    invoker.resume(command=fuses.mail_in_order)

    site.wait_until_empty()
    for tenant in range(3):
        told = [int(line.split()[1]) for line in lines(site.file("mails")) if line.startswith(f"t{tenant} ")]
        assert told == [*range(tenant, 30, 3)]


@EACH
def test_a_call_that_was_put_aside_can_be_cancelled(site: Site) -> None:
    invoker.pause(command=fuses.mail)
    calls = [fuses.mail(site.file("mails"), n) for n in range(2)]
    consumer = site.consumer().ready()
    wait_until(lambda: site.queue.stats().delayed == 2, why=consumer.log)

    calls[0].cancel()

    calls[0].refresh()
    assert calls[0].status is ResultStatus.CANCELLED
    invoker.resume(command=fuses.mail)
    assert calls[1].wait(10) == 1
    assert ran(site) == [1]


@EACH
def test_a_fuse_trips_once_for_all_processes_and_nothing_is_lost(site: Site) -> None:
    broken = Path(site.file("broken"))
    broken.touch()
    invoker.enqueue_many([fuses.call_service.command(site.file("calls"), str(broken), n) for n in range(300)])
    consumer = site.consumer(processes=2).ready()
    name = fuses.call_service.command_class.name

    wait_until(invoker.paused_commands, 30, why=consumer.log)
    says(consumer, f"The fuse of the command '{name}' has tripped")
    fuses.mail(site.file("mails"), 1)
    wait_until(lambda: ran(site) == [1], 20, why=consumer.log)

    (pause,) = invoker.paused_commands()[site.queue.name].values()
    assert pause.by == "its fuse"
    assert "runs failed within 1 min; the last: ConnectionError: the service is down" in pause.reason
    assert consumer.log().count("has tripped") == 1
    assert lines(site.file("calls")) == []
    wait_until(lambda: site.queue.stats() == (0, 300, 0, 0, 0), why=consumer.log)
    broken.unlink()
    invoker.resume(command=fuses.call_service)
    site.wait_until_empty(60)
    assert ran(site, "calls") == [*range(300)]
    assert consumer.log().count("has tripped") == 1
