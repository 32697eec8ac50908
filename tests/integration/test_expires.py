"""``expires`` in a real consumer: what is not begun in time is dropped, and its neighbours run."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from djutils.queue.exceptions import Cancelled
from djutils.queue.record import ResultStatus
from tests.project.app import commands, policies
from tests.sites import Site
from tests.waiting import wait_until


@pytest.mark.parametrize("threads", [1, 3])
def test_what_waited_for_too_long_is_dropped_with_the_reason(site: Site, threads: int) -> None:
    result = policies.write_soon(site.file(), "late")
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    by_call = commands.append.using(expires=soon)(site.file(), 1)
    wait_until(lambda: datetime.now(UTC) > soon + timedelta(seconds=0.1))
    policies.write_soon.using(expires=timedelta(minutes=5))(site.file(), "in time")

    consumer = site.consumer(threads=threads)
    site.wait_until_empty()

    assert commands.lines(site.file()) == ["in time"]
    assert site.queue.stats() == (0, 0, 0, 0, 0)
    with pytest.raises(Cancelled, match=r"It expired at \d{4}-"):
        result.wait(10)
    assert result.status == ResultStatus.CANCELLED
    assert f"{by_call.id} {by_call.command} dropped: It expired at" in consumer.log()
    assert consumer.stop() == 0


def test_a_call_that_is_due_later_expires_later(site: Site) -> None:
    due = time.time() + 1.5
    policies.write_soon.using(run_after=timedelta(seconds=1.5), expires=timedelta(minutes=1))(
        site.file(), f"{due}"
    )
    site.consumer()

    site.wait_until_empty()

    assert commands.lines(site.file()) == [f"{due}"]


def test_a_retry_that_comes_too_late_is_dropped(site: Site) -> None:
    consumer = site.consumer().ready()

    # Its second run is due two seconds after the first one at the earliest.
    call = policies.fail_and_be_late.using(expires=timedelta(seconds=1.9))(site.file())
    site.wait_until_empty()

    assert commands.lines(site.file()) == ["ran"]
    assert f"{call.id} {call.command} dropped: It expired at" in consumer.log()
    assert site.queue.stats().dead == 0
