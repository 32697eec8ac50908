"""One run: numbered commands are sent and run while something breaks, then everything is counted."""

from __future__ import annotations

import time
from typing import NamedTuple

from tests.waiting import wait_until

from .catalogue import Fault
from .field import PATIENCE, Field
from .history import Verdict


class Row(NamedTuple):
    """The result of one run."""

    fault: str
    backend: str
    tried: int
    """How often the fault happened."""
    verdict: Verdict
    recovery: float
    """Seconds from the end of the last fault until every sent command had run."""
    took: float


def run(fault: Fault, field: Field, backend: str) -> Row:
    """Have ``fault`` happen at random moments of the work, wait for the end, and count.

    Raises ``AssertionError`` if it does not end, or a consumer does not end as it should.
    """
    begun = time.monotonic()
    field.send_all(fault.count)
    for number in range(fault.times):
        share = 0.05 + 0.75 * (number + field.random.random()) / fault.times
        field.wait_for(round(share * fault.count))
        field.pause(0.0, 0.05)
        fault.inject(field)
    broken = time.monotonic()
    field.finish_sending()
    wait_until(field.is_done, PATIENCE, why=lambda: f"{field.queue.stats()}\n{field.site.logs()[-6000:]}")
    recovery = time.monotonic() - broken
    wait_until(field.knows_only_the_living, why=field.site.logs)
    for consumer in field.living():
        assert consumer.stop() == field.exit_code, consumer.log()[-6000:]
    verdict = field.history.verdict(field.queue)
    name = fault.name.replace("_", " ")
    return Row(name, backend, fault.times, verdict, recovery, time.monotonic() - begun)
