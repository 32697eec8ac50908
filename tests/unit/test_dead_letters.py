"""Dead letters stay few: found by prefix, discarded by age, and every decision is logged."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from djutils.queue import dead_letters
from djutils.queue.backends.base import BaseQueue, new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import BackendUnavailable
from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter, Envelope, Rejection
from djutils.queue.workers.chore import Stores
from djutils.queue.workers.retention import Retention

from .helpers import ListQueue
from .times import Times


class ByIdOnly(MemoryQueue):
    """Has more dead letters than any caller should load."""

    def dead_letters(self, ids: Collection[str] | None = None, count: int = 100) -> list[DeadLetter]:
        assert ids is not None, "all were loaded"
        return super().dead_letters(ids, count)


def let_die(queue: LeasedQueue, count: int) -> list[str]:
    owner = new_owner()
    queue.enroll(owner)
    queue.send([Envelope(new_id(), b"data") for _ in range(count)])
    ids = [delivery.id for delivery in queue.receive(owner, count).deliveries]
    queue.reject(owner, [Rejection(id, "ValueError: no") for id in ids])
    queue.reap(owner)
    return ids


@pytest.mark.parametrize("action", ["show", "replay", "discard"])
def test_an_id_is_completed_without_loading_every_dead_letter(
    action: str, memory: MemoryQueue, settings: Settings
) -> None:
    settings.QUEUE_BACKEND = "tests.unit.test_dead_letters.ByIdOnly"
    letters = [Envelope(f"{digit:x}{'0' * 31}", b"x") for digit in range(16)]
    owner = new_owner()
    memory.enroll(owner)
    memory.send(letters)
    memory.reject(owner, [Rejection(one.id, "no") for one in memory.receive(owner, 16).deliveries])
    out = StringIO()
    call_command("queue_dead_letters", action, "7", "e0", stdout=out)
    assert "2 dead letters" in out.getvalue() or f"7{'0' * 31}" in out.getvalue()


def test_a_beginning_that_many_share_is_refused_by_naming_a_few(memory: MemoryQueue) -> None:
    ids = let_die(memory, 50)
    with pytest.raises(CommandError, match=f"'{ids[0][:3]}' could be more than 5 dead letters"):
        call_command("queue_dead_letters", "discard", ids[0][:3])
    assert memory.stats().dead == 50


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30d", 30 * 86400),
        ("2w", 14 * 86400),
        ("12H", 12 * 3600),
        (" 90m ", 5400),
        ("45s", 45),
        ("45", 45),
        (45, 45),
        (0.5, 0.5),
        ("0", 0),
        (timedelta(days=2), 2 * 86400),
    ],
)
def test_an_age_is_written_in_days_hours_minutes_or_seconds(value: Any, seconds: float) -> None:
    assert dead_letters.as_age(value).total_seconds() == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        "-1",
        "1y",
        "",
        "d",
        "1.5h",
        float("nan"),
        float("inf"),
        1e300,
        "99999999w",
        timedelta(-1),
        [1],
    ],
)
def test_what_is_no_age_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="write 30d, 12h, 90m, or a number of seconds"):
        dead_letters.as_age(value)


def test_a_replay_that_fails_is_logged_too(
    memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Far(ListQueue):
        def read(self) -> bytes | None:
            raise BackendUnavailable("read does not get through.")

    far = Far("unit.far")
    far.bury(DeadLetter(new_id(), b"x", "no", datetime.now(UTC), 1))
    for decide in (dead_letters.replay, dead_letters.discard):
        with pytest.raises(BackendUnavailable):
            decide(far, None, "alice")
    assert (
        "alice tried to replay dead letters of the queue 'unit.far' (all of them) and failed" in caplog.text
    )
    assert (
        "alice tried to discard dead letters of the queue 'unit.far' (all of them) and failed" in caplog.text
    )


# Retention


def only(queue: BaseQueue) -> Stores:
    stores = Stores(())
    stores.queues[queue.name] = queue
    return stores


def test_dead_letters_are_kept_unless_the_project_says_otherwise(memory: MemoryQueue) -> None:
    let_die(memory, 3)
    times = Times(datetime.now(UTC) + timedelta(days=1000))
    retention = Retention(only(memory), times.now, times.monotonic)
    times.elapse(3 * 3600)
    retention.do()
    assert memory.stats().dead == 3
    assert retention.due_in() == 3600


def test_those_older_than_the_setting_are_discarded_in_small_parts(
    memory: MemoryQueue, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.QUEUE_DEAD_LETTERS_KEPT = "30d"
    let_die(memory, 1200)
    times = Times(datetime.now(UTC) + timedelta(days=29))
    retention = Retention(only(memory), times.now, times.monotonic)
    assert retention.due_in() == 600, "the clock may be wrong just after the machine has started"
    times.elapse(600)
    assert times.rounds(retention) == 3
    assert memory.stats().dead == 1200

    times.elapse(2 * 86400)
    with caplog.at_level(logging.INFO, "djutils.queue.dead_letters"):
        retention.do()
        assert memory.stats().dead in {700, 1000}
        times.rounds(retention)
    assert memory.stats().dead == 0
    assert retention.due_in() > 3000
    assert "(QUEUE_DEAD_LETTERS_KEPT) discarded 500 dead letters of the queue" in caplog.text
    assert "those that died before" in caplog.text


def test_only_the_old_ones_are_discarded_from_a_backend_of_four_methods(
    four_methods: ListQueue, settings: Settings
) -> None:
    settings.QUEUE_DEAD_LETTERS_KEPT = timedelta(days=7)
    now = datetime.now(UTC)
    for days in (1, 6, 8, 90):
        four_methods.bury(DeadLetter(new_id(), b"x", "no", now - timedelta(days=days), 1))
    times = Times(now)
    retention = Retention(only(four_methods), times.now, times.monotonic)
    times.elapse(600)
    retention.do()
    assert sorted((now - letter.died).days for letter in four_methods.dead_letters()) == [1, 6]


def test_an_outage_in_the_middle_of_a_round_is_waited_out(memory: MemoryQueue, settings: Settings) -> None:
    settings.QUEUE_DEAD_LETTERS_KEPT = 1
    let_die(memory, 600)
    times = Times(datetime.now(UTC) + timedelta(days=1))

    class Flaky(MemoryQueue):
        fails = 1

        def discard(self, ids: Collection[str] | None = None, *, before: datetime | None = None) -> int:
            if self.fails:
                self.fails -= 1
                raise OSError("The disk is full.")
            return super().discard(ids, before=before)

    queue: BaseQueue = Flaky(memory.name)
    retention = Retention(only(queue), times.now, times.monotonic)
    times.elapse(600)
    with pytest.raises(BackendUnavailable, match="The disk is full"):
        retention.do()
    assert retention.due_in() <= 0
    times.rounds(retention)
    assert memory.stats().dead == 0
