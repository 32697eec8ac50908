"""A thousand commands, and something breaks: each runs at least once, or is a dead letter with a reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import SEED, FieldMaker
from .driver import Field, Row, run
from .faults import server_killed, whole_consumer_killed, worker_killed

pytestmark = pytest.mark.chaos

EVERYWHERE = ("sqlite", "postgres", "redis")
CASES = [
    *[(whole_consumer_killed, backend, 4) for backend in EVERYWHERE],
    *[(worker_killed, backend, 10) for backend in EVERYWHERE],
    *[(server_killed, backend, 3) for backend in ("postgres", "redis")],
]


@pytest.mark.parametrize(
    ("fault", "backend", "times"), CASES, ids=[f"{fault.__name__}-{backend}" for fault, backend, _ in CASES]
)
def test_nothing_is_lost(
    fault: Callable[[Field], None],
    backend: str,
    times: int,
    make_field: FieldMaker,
    note_row: Callable[[Row], None],
) -> None:
    field = make_field(backend)
    row = run(fault, times, field, backend)
    note_row(row)

    verdict = row.verdict
    story = f"DJUTILS_CHAOS_SEED={SEED}\n{field.site.logs()[-6000:]}"
    assert verdict.sent == 1000
    assert not verdict.lost, story
    assert not verdict.unexpected, story
    assert not verdict.unexplained, story
    assert field.site.queue.stats()[:3] == (0, 0, 0), story
    if fault is worker_killed:
        # A worker's board outlives it: only what was running in its two threads may run again.
        assert verdict.doubled <= 2 * times, story
