"""While a thousand commands run, something breaks: each runs at least once, or is a dead letter with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from . import (
    faults,
    faults_commands,
    faults_deploys,
    faults_field,
    faults_hearing,
    faults_lanes,
    faults_limits,
    faults_messages,
    faults_network,
    faults_redis,
    faults_results,
    faults_servers,
    faults_storage,
)
from .catalogue import FAULTS, FULL, Fault
from .conftest import SEED, FieldMaker
from .driver import Row, run
from .field import THREADS

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

UNFORESEEN = re.compile(r"A process of the consumer failed|This worker process failed|giving up")
"""What a process logs when it ends for an unexpected reason."""
DEATH = re.compile(r"Worker process \d+ (?:was killed by|exited with)")
"""What the supervisor logs when a worker has died: only what its threads ran may be charged."""
LOADED = (
    faults,
    faults_network,
    faults_servers,
    faults_commands,
    faults_limits,
    faults_messages,
    faults_deploys,
    faults_storage,
    faults_field,
    faults_hearing,
    faults_redis,
    faults_results,
    faults_lanes,
)
"""The modules that fill the catalogue."""


def cases() -> Iterator[pytest.param]:
    """Every fault on every backend; in the short form only the most important ones."""
    for fault in FAULTS:
        for backend in fault.on if FULL else fault.short:
            marks = []
            if backend in fault.breaks:
                marks = [pytest.mark.xfail(strict=True, reason=fault.breaks[backend])]
            yield pytest.param(fault, backend, id=f"{fault.name}-{backend}", marks=marks)


@pytest.mark.parametrize(("fault", "backend"), list(cases()))
def test_nothing_is_lost(
    fault: Fault, backend: str, make_field: FieldMaker, note_row: Callable[[Row], None]
) -> None:
    field = make_field(backend, fault)
    row = run(fault, field, backend)
    note_row(row)

    verdict, logs = row.verdict, field.site.logs()
    story = f"DJUTILS_CHAOS_SEED={SEED}\n{verdict}\n{logs[-6000:]}"
    assert set(verdict.lost) <= field.history.at_risk, story
    assert not verdict.unexpected, story
    assert not verdict.unexplained, story
    assert verdict.crashed * fault.crashes <= THREADS * len(DEATH.findall(logs)), (
        f"bystanders blamed: {story}"
    )
    assert not verdict.doubled_within_lease, story
    assert fault.repeats or not verdict.doubled, story
    assert field.queue.stats()[:3] == (0, 0, 0), story
    assert not field.leftovers(), story
    assert not UNFORESEEN.findall(logs), story
    assert re.search(fault.says, logs), f"no log line matches {fault.says!r}\n{story}"
