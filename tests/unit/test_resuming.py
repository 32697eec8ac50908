"""A long command goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from djutils.queue import resume, resuming
from djutils.queue.backends.base import BaseQueue
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import ConfigurationError
from djutils.queue.queue import invoker
from djutils.queue.resuming import giving_way
from djutils.testing import drain
from tests.project.app.models import Note

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
