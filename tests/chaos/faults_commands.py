"""Faults of the commands themselves: what they do to their process and its connections."""

from __future__ import annotations

from djutils.queue.results import Result
from tests.project.app import commands, harm
from tests.waiting import wait_until

from .catalogue import DATABASES, EVERYWHERE, SIMPLE, fault
from .faults import wait_for_workers
from .field import PATIENCE, Field

CRASHED = "It was running in 3 processes that died"


def wait_for_death(field: Field, result: Result, reason: str) -> None:
    """Wait until the message is a dead letter, which must record why."""
    letters = wait_until(
        lambda: field.queue.dead_letters(None if field.simple else [result.id]), PATIENCE, why=field.site.logs
    )
    assert any(reason in letter.error for letter in letters), letters


def wait_for_line(field: Field, name: str) -> None:
    """Wait until a command has left a line."""
    wait_until(lambda: commands.lines(field.site.file(name)), PATIENCE, why=field.site.logs)


@fault(EVERYWHERE, short=("redis",), says="killed by SIGSEGV")
def command_segfaults(field: Field) -> None:
    """Its process dies three times; then it is not run again."""
    wait_for_death(field, commands.segfault(field.site.file("harm")), CRASHED)


@fault(EVERYWHERE)
def command_segfaults_beside_another(field: Field) -> None:
    """Commands in the same process are charged as well, but must not meet it again and again."""
    field.finish_sending()
    wait_until(field.is_done, PATIENCE, why=field.site.logs)
    assert field.consumer.stop() == 0, field.consumer.log()
    wait_for_workers(field.start_consumer(processes=1))
    begun = len(field.history.runs())
    number = len(field.pauses)
    field.send_more(1, 1.0)
    wait_until(lambda: len(field.history.runs()) > begun, PATIENCE, every=0.005)
    wait_for_death(field, commands.segfault(field.site.file("harm")), CRASHED)
    wait_until(field.is_done, PATIENCE, why=field.site.logs)
    assert number in field.history.executed(), field.queue.dead_letters()


@fault(EVERYWHERE, says="exited with code 9")
def command_exits(field: Field) -> None:
    """os._exit: no cleanup and no last log lines."""
    wait_for_death(field, commands.leave(field.site.file("harm")), CRASHED)


@fault((*EVERYWHERE, SIMPLE), says="MemoryError")
def command_exhausts_memory(field: Field) -> None:
    """Allocate more memory than its process may have."""
    wait_for_death(field, harm.exhaust(), "MemoryError")


@fault((*EVERYWHERE, SIMPLE), short=("sqlite",))
def command_raises_what_it_should_not(field: Field) -> None:
    """Raise SystemExit and the like, and exceptions that can be neither pickled nor shown."""
    for name in harm.RAISED:
        result = harm.throw(name)
        if not field.simple:
            wait_for_death(field, result, name)


@fault(EVERYWHERE, times=3)
def command_forks(field: Field) -> None:
    """Its child ends at once."""
    harm.fork(field.site.file("harm"))
    wait_for_line(field, "harm")


@fault(EVERYWHERE)
def command_forks_and_the_child_returns(field: Field) -> None:
    """A second process continues in the worker's code, with its memory and its connections."""
    harm.fork_and_return(field.site.file("harm"))
    wait_for_line(field, "harm")


@fault(EVERYWHERE, times=3)
def command_changes_directory(field: Field) -> None:
    """Change to a directory that is gone."""
    harm.wander(field.site.file("harm"))
    wait_for_line(field, "harm")


@fault(("postgres", "mariadb", "redis"), times=3)
def command_closes_files(field: Field) -> None:
    """Close the worker's files, including its connections."""
    harm.close_files(field.site.file("harm"))
    wait_for_line(field, "harm")


@fault(DATABASES, times=5, says="left a transaction open")
def command_leaves_transaction_open(field: Field) -> None:
    """Leave a transaction open on the queue's own database: its writes are dropped, the next command finds a clean connection."""
    commands.leave_block_open("never to be seen")
    commands.leave_autocommit_off("nor this")
    commands.break_transaction("nor this")


@fault(EVERYWHERE)
def command_alters_signals(field: Field) -> None:
    """Make the worker ignore SIGTERM: it is killed when the grace period is over."""
    consumer = field.consumer
    assert consumer.stop() == 0, consumer.log()
    consumer = field.start_consumer("--grace", "3")
    wait_for_workers(consumer)
    harm.deafen(field.site.file("harm"))
    harm.block_signals(field.site.file("blocked"))
    wait_for_line(field, "harm")
    wait_for_line(field, "blocked")
    assert consumer.stop() in {0, 1}, consumer.log()
    field.start_consumer()
