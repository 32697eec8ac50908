"""Faults while commands keep their results: each call has the result of a run that finished, and none is lost."""

from __future__ import annotations

from djutils.queue import invoker
from djutils.queue.results import Result
from tests.project.app import trials
from tests.project.app.files import lines
from tests.waiting import wait_until

from .catalogue import EVERYWHERE, FULL, fault
from .faults import kill, wait_for_workers
from .field import Field

CALLS = 10_000 if FULL else 500
KILLS = 40 if FULL else 5
_AT_ONCE = CALLS // KILLS
_EVERY = 250 if FULL else 100
"""One in so many commands kills its process when it has finished, around the moment of its acknowledgement."""
_LONG = 240.0


def send(ledger: str, numbers: range) -> list[Result]:
    """Call with each of ``numbers``, in one round trip."""
    return invoker.enqueue_many(
        trials.vouch.command(ledger, number, dies=number % _EVERY == 0) for number in numbers
    )


@fault(
    EVERYWHERE,
    short=EVERYWHERE,
    count=100,
    says="was killed by SIGKILL",
    settings={"QUEUE_MAX_CRASHES": "1000"},
)
def workers_killed_while_results_are_kept(field: Field) -> None:
    """Kill workers at random and between the end of a command and its acknowledgement, and once the whole consumer."""
    ledger = field.site.file("ledger")
    results: list[Result] = []
    for number in range(KILLS):
        results += send(ledger, range(number * _AT_ONCE, (number + 1) * _AT_ONCE))
        field.pause(0.0, 0.3)
        if workers := field.consumer.workers():
            kill(field.random.choice(workers))
        if number == KILLS // 2:
            field.consumer.kill_all()
            wait_for_workers(field.start_consumer())
    wait_until(field.is_done, _LONG, why=lambda: f"{field.queue.stats()}\n{field.site.logs()[-6000:]}")
    wait_for_workers(field.consumer)
    finished = set(lines(ledger))
    for number, result in enumerate(results):
        result.refresh()
        assert result.status == "SUCCESSFUL", (number, result.status, result.errors)
        assert result.return_value in finished, (number, result.return_value)
        assert result.return_value.startswith(f"{number} "), (number, result.return_value)
    # They would still be there when everything has ended, as is right.
    store = field.queue.results
    assert store is not None
    assert store.delete([result.id for result in results]) == CALLS
