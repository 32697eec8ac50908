"""``retry_on`` and ``discard_on`` in a real consumer: retried, dead at the first failure, or done."""

from __future__ import annotations

from collections import Counter

import pytest

from djutils.queue.exceptions import Cancelled
from djutils.queue.record import ResultStatus
from tests.project.app import commands, policies
from tests.sites import Site


@pytest.mark.parametrize("threads", [1, 3])
def test_the_exception_decides_what_becomes_of_a_call(site: Site, threads: int) -> None:
    errors = [ConnectionResetError("reset"), KeyError("order 7"), ValueError("no such account")]
    reset, gone, wrong = [policies.fetch(site.file(), error) for error in errors]
    well = policies.fetch(site.file(), None)

    consumer = site.consumer(threads=threads)
    site.wait_until_empty()

    assert Counter(commands.lines(site.file())) == {
        "ConnectionResetError": 3,
        "KeyError": 1,
        "ValueError": 1,
        "NoneType": 1,
    }
    assert {one.id: (one.attempts, one.reason) for one in site.queue.dead_letters()} == {
        reset.id: (3, "ConnectionResetError: reset"),
        wrong.id: (1, "ValueError: no such account"),
    }
    assert well.wait(10) == "fetched"
    with pytest.raises(ConnectionResetError, match="reset"):
        reset.wait(10)
    with pytest.raises(ValueError, match="no such account"):
        wrong.wait(10)
    with pytest.raises(Cancelled, match="order 7"):
        gone.wait(10)
    assert gone.status == ResultStatus.CANCELLED
    assert f"{gone.id} {gone.command} dropped: KeyError: 'order 7'" in consumer.log()
    assert consumer.stop() == 0
