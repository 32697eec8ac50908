"""Faults for which commands have their own options: a time limit, and effects that count once."""

from __future__ import annotations

from collections import Counter

from djutils.queue.results import Result
from tests.project.app import commands
from tests.waiting import wait_until

from .catalogue import DATABASES, EVERYWHERE, fault
from .faults import kill, wait_for_workers
from .field import PATIENCE, Field


def wait_for_limit(field: Field, result: Result, reason: str, attempts: int) -> None:
    """Wait until it is a dead letter with that many failures and no crash."""
    letters = wait_until(lambda: field.queue.dead_letters([result.id]), PATIENCE, why=field.site.logs)
    assert reason in letters[0].reason, letters
    assert (letters[0].attempts, letters[0].crashes) == (attempts, 0), letters


@fault(EVERYWHERE, short=("postgres",), says="past its time limit")
def command_hangs(field: Field) -> None:
    """It cannot be interrupted: its process is killed and replaced, and commands beside it are not charged."""
    wait_for_workers(field.consumer)
    wait_for_limit(field, commands.hang(field.site.file("harm")), "its process was killed", attempts=2)


@fault(EVERYWHERE, says="TimeLimitExceeded")
def command_takes_too_long(field: Field) -> None:
    """It is interrupted, and its process lives on."""
    wait_for_workers(field.consumer)
    wait_for_limit(field, commands.dawdle(field.site.file("harm")), "TimeLimitExceeded", attempts=1)


@fault(DATABASES, short=("sqlite",))
def atomic_commands_killed(field: Field) -> None:
    """Kill workers, and then the whole consumer, during bookings: the ledger has each of them once."""
    mark, count = field.queue.name, 60
    for number in range(count):
        commands.book(mark, number, 0.01)
    for booked in (10, 20, 30):
        wait_until(lambda: len(field.site.notes(mark)) > booked, PATIENCE, 0.001, field.site.logs)  # noqa: B023
        kill(field.random.choice(wait_for_workers(field.consumer)))
    wait_until(lambda: len(field.site.notes(mark)) > 40, PATIENCE, 0.001, field.site.logs)
    field.consumer.kill_all()
    wait_for_workers(field.start_consumer())
    wait_until(field.is_done, PATIENCE, why=field.site.logs)
    letters = field.queue.dead_letters()
    assert [letter.crashes for letter in letters] == [3] * len(letters), letters
    field.queue.replay()  # what was by chance in three of the processes killed
    wait_until(field.is_done, PATIENCE, why=field.site.logs)
    assert Counter(field.site.notes(mark)) == Counter(f"{mark} {number}" for number in range(count))
