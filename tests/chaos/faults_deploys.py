"""Faults of time and of releases: wrong clocks, and code that is older or newer than its messages."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.db import DatabaseError
from django.utils import timezone

from djutils.models import QueueMessage, State
from djutils.queue.backends.redis_backend import RedisQueue
from tests.project.app import releases, trials
from tests.project.app.files import lines
from tests.project.clock import CLOCK
from tests.waiting import wait_until

from .catalogue import EVERYWHERE, fault
from .faults import wait_for_workers
from .field import PATIENCE, Field

HOUR = 3600
LATE = 12.0


def hurry(field: Field) -> None:
    """Make delayed messages due at once: ten minutes are too long for a test."""
    if isinstance(field.queue, RedisQueue):
        delayed = f"{{djq:{field.queue.name}}}:delayed"
        for id in field.queue.server.call("ZRANGE", delayed, 0, -1):
            field.queue.server.call("ZADD", delayed, "XX", 0, id)
        return
    rows = QueueMessage.objects.using(field.site.alias).filter(queue=field.queue.name, state=State.DELAYED)
    with suppress(DatabaseError):  # a consumer may have to go first: next time
        rows.update(due=0)


def hurry_until_done(field: Field) -> None:
    """Offer repeatedly what a consumer did not know."""

    def is_done() -> bool:
        hurry(field)
        return field.is_done()

    wait_until(is_done, PATIENCE, every=0.05, why=field.site.logs)


@fault(EVERYWHERE, short=("postgres",), says="UnknownCommand")
def two_releases_side_by_side(field: Field) -> None:
    """Half of the consumers are newer: commands unknown to one wait for the other; then only the new one is left."""
    assert field.consumer.stop() == 0, field.consumer.log()
    field.start_consumer(environment={releases.RELEASE: "old"})
    newer = field.start_another(environment={releases.RELEASE: "new"})
    wait_for_workers(newer)
    path = field.site.file("lines")
    for number in range(10):
        releases.greet(path, f"greet {number}")
        releases.welcome(path, f"welcome {number}")
    hurry_until_done(field)
    ran = set(lines(path))
    assert len(ran) + field.queue.stats().dead == 20

    assert field.consumer.stop() == 0, field.consumer.log()
    field.queue.discard()
    left = [releases.leave(path, "left"), releases.count(path, "counted")]
    hurry_until_done(field)
    letters = {letter.id: letter.reason for letter in field.queue.dead_letters()}
    assert "UnknownCommand" in letters[left[0].id]
    assert "TypeError" in letters[left[1].id]
    assert set(lines(path)) == ran


def set_clock(field: Field, ahead: int) -> None:
    """Set the clock of the consumers that use it, at once while they work; ``ahead`` in seconds."""
    draft = Path(field.site.file("draft"))
    draft.write_text(f"{ahead}\n")
    draft.replace(field.site.file("clock"))


def restart_with_clock(field: Field, ahead: int) -> None:
    """Replace the consumer by one whose clock is wrong."""
    set_clock(field, ahead)
    assert field.consumer.stop() == 0, field.consumer.log()
    field.start_consumer(environment={CLOCK: field.site.file("clock")})
    wait_for_workers(field.consumer)


def send_for_later(field: Field, seconds: float) -> None:
    """Send commands that are due soon by the right clock, and wait until they have run."""
    first = len(field.pauses)
    field.pauses += [0.001] * 10
    due = timezone.now() + timedelta(seconds=seconds)
    for number in range(first, first + 10):
        trials.record.using(run_after=due)(field.history.folder, number, 0, 0.001)
        field.history.sent.add(number)
    numbers = set(range(first, first + 10))
    wait_until(lambda: numbers <= field.history.executed().keys(), LATE, why=field.site.logs)
    assert timezone.now() >= due


@fault(EVERYWHERE)
def clock_an_hour_ahead(field: Field) -> None:
    """A consumer's clock is an hour ahead: nothing runs early, no worker is considered dead."""
    restart_with_clock(field, HOUR)
    send_for_later(field, 1.0)


@fault(EVERYWHERE)
def clock_an_hour_behind(field: Field) -> None:
    """A consumer's clock is an hour behind: nothing runs late, no worker is considered dead."""
    restart_with_clock(field, -HOUR)
    send_for_later(field, 1.0)


@fault(EVERYWHERE, short=("redis",))
def clock_stepped(field: Field) -> None:
    """A consumer's clock jumps by an hour, forward and back, while it works."""
    restart_with_clock(field, 0)
    field.send_more(20, 0.05)
    for ahead in (HOUR, -HOUR, HOUR, 0):
        set_clock(field, ahead)
        field.pause(0.2, 0.5)
