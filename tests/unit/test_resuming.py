"""A long command goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from djutils.queue import resume, resuming
from djutils.queue.backends.base import BaseQueue
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.current import Lease
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import ConfigurationError, TimeLimitExceeded
from djutils.queue.executor import Executor
from djutils.queue.message import Action, Delivery
from djutils.queue.queue import invoker
from djutils.queue.resuming import giving_way
from djutils.testing import drain
from tests.project.app.models import Note

from .helpers import make_delivery

pytestmark = pytest.mark.django_db

seen: list[str] = []


@queue_command(max_attempts=2, backoff=1)
def see_all(stop_after: int = 0, fail_after: int = 0) -> None:
    for note in resume(Note.objects.filter(text__startswith="n"), batch=10):
        seen.append(note.text)
        if len(seen) == stop_after:
            giving_way.set()
        if len(seen) == fail_after:
            raise LookupError(note.text)


@queue_command(unique="until_started", on_duplicate="replace", key="all", max_attempts=2, backoff=1)
def see_what_begins_with(text: str, fail_after: int = 0) -> None:
    for note in resume(Note.objects.filter(text__startswith=text), batch=10):
        seen.append(note.text)
        if len(seen) == fail_after:
            raise LookupError(note.text)


@queue_command(time_limit=60)
def see_until_it_is_too_late(since: int) -> None:
    for note in resume(Note.objects.filter(text__startswith="n"), batch=10):
        seen.append(note.text)
        if len(seen) == since:
            raise TimeLimitExceeded("too late")


@queue_command(atomic=True)
def see_atomically() -> None:
    list(resume(Note.objects.all()))


@queue_command(time_limit=60)
def see_slowly() -> None:
    seen.extend(note.text for note in resume(Note.objects.order_by("-text"), batch=30))


@pytest.fixture(autouse=True)
def notes() -> Iterator[list[str]]:
    seen.clear()
    texts = [f"n{number}" for number in range(45)]
    Note.objects.bulk_create(Note(text=text) for text in texts)
    yield texts
    giving_way.clear()


def left() -> int:
    queue: BaseQueue = invoker.queue
    return queue.stats().delayed


def test_without_an_interruption_everything_is_seen_once(notes: list[str]) -> None:
    see_all()
    drain()
    assert seen == notes


def test_outside_a_worker_as_well(notes: list[str]) -> None:
    see_all.call()
    assert seen == notes


def test_when_the_worker_is_to_end_it_gives_way_after_the_batch_and_goes_on(notes: list[str]) -> None:
    see_all(stop_after=13)
    drain()
    assert (seen, left()) == (notes[:20], 1)
    giving_way.clear()

    calls = drain(until=timedelta(minutes=1))

    assert seen == notes
    assert [call.attempt for call in calls] == [1]


def test_after_an_error_it_goes_on_after_the_last_whole_batch(notes: list[str]) -> None:
    see_all(fail_after=25)
    with pytest.raises(LookupError):
        drain()
    drain(retries=True)
    assert seen == notes[:25] + notes[20:]


def test_a_finished_call_that_is_sent_again_begins_at_the_beginning(notes: list[str]) -> None:
    see_all()
    drain()
    see_all()
    drain()
    assert seen == notes * 2


def test_a_call_whose_arguments_are_replaced_begins_at_the_beginning(notes: list[str]) -> None:
    see_what_begins_with("n", fail_after=45)
    with pytest.raises(LookupError):
        drain()
    assert see_what_begins_with("n1").duplicate
    seen.clear()

    drain(retries=True)

    assert seen == [text for text in notes if text.startswith("n1")]


def test_it_gives_way_before_its_time_limit(notes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "_SHARE", 0.0)
    see_slowly()
    drain()
    assert (seen, left()) == (notes[:30], 1)
    drain(until=timedelta(minutes=1))
    assert seen == notes


def test_an_atomic_command_is_refused() -> None:
    see_atomically()
    with pytest.raises(ConfigurationError, match="is atomic"):
        drain()


def test_a_slice_is_refused() -> None:
    with pytest.raises(ValueError, match="not sliced"):
        next(resume(Note.objects.all()[:5]))


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue("unit", "")


def run(queue: MemoryQueue, delivery: Delivery, owner: int = 1) -> Action:
    return Executor("unit", lease=Lease(queue, owner)).execute(delivery).action


def came_to_25(queue: MemoryQueue, **counters: int) -> Delivery:
    """Return the delivery of a call whose run with these counters ended within its third batch."""
    delivery = make_delivery(see_all, kwargs={"fail_after": 25})._replace(**counters)
    assert run(queue, delivery) is Action.RETRY
    return delivery


@pytest.mark.parametrize(("counter", "most"), [("crashes", 3), ("redeliveries", 20)])
def test_what_was_counted_before_the_last_batch_is_excused(
    queue: MemoryQueue, notes: list[str], counter: str, most: int
) -> None:
    delivery = came_to_25(queue, **{counter: most - 1})

    assert run(queue, delivery._replace(**{counter: 2 * most - 2})) is Action.ACK

    assert seen == notes[:25] + notes[20:]


@pytest.mark.parametrize(("counter", "most"), [("crashes", 3), ("redeliveries", 20)])
def test_what_dies_always_in_the_same_batch_becomes_a_dead_letter(
    queue: MemoryQueue, counter: str, most: int
) -> None:
    delivery = came_to_25(queue, **{counter: most - 1})

    outcome = Executor("unit", lease=Lease(queue, 1)).execute(delivery._replace(**{counter: 2 * most - 1}))

    assert outcome.action is Action.REJECT
    assert "That was since it last kept how far it is." in outcome.error
    assert len(seen) == 25


def test_what_was_excused_stays_excused_when_all_is_seen(queue: MemoryQueue, notes: list[str]) -> None:
    delivery = make_delivery(see_all, crashes=2)
    assert run(queue, delivery) is Action.ACK

    # It died before it was acknowledged.
    assert run(queue, delivery._replace(crashes=4)) is Action.ACK
    assert run(queue, delivery._replace(crashes=5)) is Action.REJECT
    assert seen == notes


def test_a_replayed_call_is_not_excused_from_what_was_counted_before(queue: MemoryQueue) -> None:
    delivery = came_to_25(queue, crashes=2)
    seen[:] = ["before"] * 20
    assert run(queue, delivery._replace(crashes=0)) is Action.RETRY, "again within its third batch"

    assert run(queue, delivery._replace(crashes=3)) is Action.REJECT


def test_a_time_limit_is_no_attempt_if_a_batch_was_completed(queue: MemoryQueue) -> None:
    delivery = make_delivery(see_until_it_is_too_late, 15)
    assert run(queue, delivery) is Action.RELEASE


def test_a_time_limit_is_an_attempt_if_none_was(queue: MemoryQueue) -> None:
    delivery = make_delivery(see_until_it_is_too_late, 15)
    run(queue, delivery)
    seen[:] = ["before"] * 10

    assert run(queue, delivery) is Action.RETRY, "its milestone is of the run before"


def killed(queue: MemoryQueue, delivery: Delivery, owner: int) -> Action:
    return Executor("unit", lease=Lease(queue, owner)).overrun(delivery, TimeLimitExceeded("too late")).action


def test_a_process_killed_for_its_time_limit_spends_an_attempt_unless_it_has_completed_a_batch(
    queue: MemoryQueue,
) -> None:
    delivery = make_delivery(see_all, kwargs={"fail_after": 5})
    run(queue, delivery, owner=7)
    assert killed(queue, delivery, 7) is Action.RETRY

    seen.clear()
    delivery = came_to_25(queue)
    assert [killed(queue, delivery, owner) for owner in (1, 8)] == [Action.RELEASE, Action.RETRY]
