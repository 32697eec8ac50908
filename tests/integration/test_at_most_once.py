"""``at_most_once`` in a real consumer: one run, whatever it raises and whatever is killed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from django.db import transaction

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.database import DatabaseQueue
from djutils.queue.current import Lease
from djutils.queue.exceptions import CommandFailed
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.queue import invoker
from djutils.queue.record import ResultStatus
from tests.project.app import commands, policies
from tests.sites import Site
from tests.unit.helpers import make_envelope
from tests.waiting import wait_until


@pytest.mark.parametrize("threads", [1, 3])
def test_it_runs_once_whatever_it_raises(site: Site, threads: int) -> None:
    well = policies.fire_once(site.file())
    failed = policies.fire_once(site.file(), ValueError("no"))
    policies.fire_later(site.file())

    consumer = site.consumer(threads=threads)
    site.wait_until_empty()

    assert well.wait(20) == "fired"
    with pytest.raises(ValueError, match="no"):
        failed.wait(20)
    assert (failed.status, failed.attempts) == (ResultStatus.FAILED, 1)
    wait_until(lambda: len(commands.lines(site.file())) == 3, why=consumer.log)
    assert consumer.stop() == 0
    assert commands.lines(site.file()) == ["ran"] * 3
    assert site.queue.stats() == (0, 0, 0, 0, 0)
    assert f"{failed.id} {failed.command} failed in its only run (at_most_once)" in consumer.log()


def test_its_message_is_gone_and_its_result_is_running_while_it_runs(site: Site) -> None:
    result = policies.fire_and_wait(site.file(), site.file("gate"))
    site.consumer()
    wait_until(lambda: commands.lines(site.file()), why=site.logs)

    assert site.queue.stats() == (0, 0, 0, 0, 0)
    assert invoker.result(result.id).status == ResultStatus.RUNNING

    Path(site.file("gate")).touch()
    assert result.wait(20) == "fired"


def test_when_its_process_dies_it_is_lost_and_its_neighbours_are_not(site: Site) -> None:
    lost = policies.fire_once(site.file(), SystemError("die"))
    for number in range(20):
        commands.append(site.file("others"), number)

    consumer = site.consumer(threads=2)
    with pytest.raises(CommandFailed, match="Its process died while it ran, and it does not run again"):
        lost.wait(30)
    site.wait_until_empty()

    assert commands.lines(site.file()) == ["ran"]
    assert {int(line.split()[0]) for line in commands.lines(site.file("others"))} == {*range(20)}
    assert site.queue.stats() == (0, 0, 0, 0, 0)
    assert f"{lost.id} {lost.command} was lost: Its process died" in consumer.log()
    assert consumer.stop() == 0


def test_under_kills_nothing_runs_twice(site: Site) -> None:
    paths = [site.file(f"once-{number}") for number in range(60)]
    for path in paths:
        policies.fire_once(path)

    consumer = site.consumer(processes=2).ready()
    for _ in range(3):
        consumer.kill_worker()
    site.wait_until_empty()

    assert consumer.stop() == 0
    assert max(Counter(len(commands.lines(path)) for path in paths)) <= 1
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_with_autocommit_off_its_ack_is_committed_before_it_begins(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    alias = request.getfixturevalue(f"{kind}_alias")
    queue = DatabaseQueue(f"q-{new_id()}", alias)
    queue.enroll(owner := new_owner())
    queue.send(
        [make_envelope(policies.fire_once, str(tmp_path / "lines"), ValueError("no"), queue=queue.name)]
    )
    (delivery,) = queue.receive(owner, 1).deliveries
    transaction.set_autocommit(False, using=alias)
    try:
        Executor(queue.name, lease=Lease(queue, owner)).execute(delivery)
        transaction.rollback(using=alias)
    finally:
        transaction.set_autocommit(True, using=alias)

    assert commands.lines(tmp_path / "lines") == ["ran"]
    assert queue.stats() == (0, 0, 0, 0, 0)
    queue.reap(owner)
