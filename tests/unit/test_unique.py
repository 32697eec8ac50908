"""Calls with a key: of several, one is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import Duplicate, EnqueueError, InvalidCommand, UnsupportedOption
from djutils.queue.queue import invoker
from djutils.queue.results import Result
from djutils.testing import drain, enqueued
from tests.project.app.models import Note

from .commands_for_tests import record
from .commands_unique import (
    Report,
    bill,
    call_again,
    charge,
    fail_once,
    greet,
    index,
    look_at,
    publish,
    remind,
)
from .helpers import ListQueue


def module_level(a: int) -> None: ...


def ids(*results: Result) -> int:
    """Return how many calls the handles belong to."""
    return len({result.id for result in results})


def test_a_second_call_with_the_same_arguments_returns_the_handle_of_the_first(memory: MemoryQueue) -> None:
    first, second = index(1), index(1)

    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.id == second.id == memory.find("")[0].id
    assert first == second
    assert len(memory) == 1


def test_calls_with_other_arguments_are_other_calls(memory: MemoryQueue) -> None:
    assert ids(index(1), index(2), index("1"), index(1, deep=True)) == 4


@pytest.mark.parametrize(
    "again",
    [
        lambda: index(page={"b": [1, (2, 3)], "a": {"x", "y"}}, deep=False),
        lambda: index({"a": {"y", "x"}, "b": [1, (2, 3)]}),
        lambda: index(deep=False, page={"a": set("xy"), "b": [1, (2, 3)]}),
    ],
    ids=["by name", "in another order", "defaults given"],
)
def test_it_does_not_matter_how_arguments_are_passed(
    memory: MemoryQueue, again: Callable[[], Result]
) -> None:
    first = index({"a": {"x", "y"}, "b": [1, (2, 3)]})

    assert again().id == first.id


def test_further_keywords_are_compared_in_any_order(memory: MemoryQueue) -> None:
    assert ids(index(1, a=1, b=2), index(1, b=2, a=1)) == 1
    assert ids(index(1, a=2, b=1), index(1, a=1, b=2)) == 2


def test_a_key_says_what_is_compared(memory: MemoryQueue) -> None:
    assert ids(bill({"id": 1}, "monthly"), bill(why="yearly", account={"id": 1})) == 1
    assert ids(bill({"id": 1}, "monthly"), bill({"id": 2}, "monthly")) == 2
    assert ids(greet("Ada", 1), greet("ADA", 2)) == 1


def test_a_call_can_have_a_key_of_its_own(memory: MemoryQueue) -> None:
    by_hand = index.using(key="{not a format}")

    assert ids(by_hand(1), by_hand(2)) == 1
    assert ids(by_hand(1), index(1)) == 2


@pytest.mark.django_db
def test_fresh_instances_are_compared_by_their_rows(memory: MemoryQueue) -> None:
    note, other = (Note.objects.create(text=text) for text in ("one", "two"))
    first = look_at(note, other)
    note.text = "changed"
    note.save()

    assert look_at(Note.objects.get(text="changed"), other).id == first.id
    assert look_at(other, note).id != first.id


def test_two_commands_with_one_key_do_not_keep_each_other_out(memory: MemoryQueue) -> None:
    assert ids(index.using(key="x")(1), greet("x"), index.using(key="x")(2)) == 2


def test_a_class_is_compared_by_its_data(memory: MemoryQueue) -> None:
    same = [invoker.enqueue(Report({"year": year})) for year in (2025, 2025, 2026)]

    assert [one.duplicate for one in same] == [False, True, False]


def test_the_end_of_a_call_frees_its_key(memory: MemoryQueue, ran: list[Any]) -> None:
    first = index(1)
    drain()
    second = index(1)
    drain()

    assert first.id != second.id
    assert ran == [(1, False), (1, False)]


def test_a_dead_letter_frees_its_key(memory: MemoryQueue) -> None:
    first = fail_once(1)
    with pytest.raises(ValueError, match="1"):
        drain(retries=True)
    assert memory.stats().dead == 1

    assert fail_once(1).id != first.id


def test_a_call_that_has_expired_frees_its_key_when_it_is_dropped(
    memory: MemoryQueue, ran: list[Any]
) -> None:
    first = index.using(expires=datetime(2026, 1, 1, tzinfo=UTC))(1)
    assert index(1).id == first.id
    drain()

    assert index(1).id != first.id
    assert ran == []


def test_a_call_that_runs_is_not_over_until_it_is_done(memory: MemoryQueue, ran: list[Any]) -> None:
    call_again()
    drain()

    assert ran == [True]


def test_the_last_call_replaces_the_arguments_of_one_that_waits(memory: MemoryQueue, ran: list[Any]) -> None:
    later = publish.using(run_after=timedelta(minutes=5))
    first, other, last = later(1, "draft"), later(2, "other"), later(1, "final")

    assert first.id == last.id != other.id
    assert (first.duplicate, last.duplicate) == (False, True)
    assert {(call.id, call.args) for call in enqueued()} == {
        (last.id, (1, "final")),
        (other.id, (2, "other")),
    }
    drain(delays=True)
    assert sorted(ran) == ["final", "other"]


def test_a_duplicate_can_be_an_error(memory: MemoryQueue) -> None:
    first = charge(1)

    with pytest.raises(Duplicate, match=first.id) as refused:
        charge(1)

    assert refused.value.id == first.id
    assert isinstance(refused.value, EnqueueError)
    assert "invoker.result" not in str(refused.value), "it keeps none"
    assert len(memory) == 1


def test_for_a_period_only_the_first_call_is_sent(memory: MemoryQueue, ran: list[Any]) -> None:
    first = remind(1)
    drain()
    second = remind(1)
    drain()

    assert (second.id, second.duplicate) == (first.id, True)
    assert ran == [1]


def test_a_call_with_the_same_idempotency_key_is_the_same_call(memory: MemoryQueue, ran: list[Any]) -> None:
    once = record.using(idempotency_key="hook 17")
    first = once(1)
    drain()
    second = once(2)
    drain()

    assert (second.id, second.duplicate) == (first.id, True)
    assert ran == [1]
    assert record.using(idempotency_key="hook 18")(1).duplicate is False
    assert record(1).duplicate is False


def test_many_calls_at_once_are_sent_once_each(memory: MemoryQueue) -> None:
    calls = [index.command(1), record.command(5), index.command(2), index.command(1)]

    results = invoker.enqueue_many(calls)

    assert [one.duplicate for one in results] == [False, False, False, True]
    assert results[0].id == results[3].id
    assert {call.id for call in enqueued()} == {one.id for one in results}
    assert len(memory) == 3


def test_a_coroutine_sends_once_too(memory: MemoryQueue) -> None:
    assert [async_to_sync(index.acall)(1).duplicate for _ in range(2)] == [False, True]


def test_in_eager_mode_a_call_is_over_before_the_next(eager: MemoryQueue, ran: list[Any]) -> None:
    assert ids(index(1), index(1), charge(1), charge(1)) == 4
    assert len(ran) == 4


def test_in_eager_mode_a_call_that_runs_keeps_others_out(eager: MemoryQueue, ran: list[Any]) -> None:
    call_again()
    call_again()

    assert ran == [True, True]


def test_in_eager_mode_a_period_and_an_idempotency_key_hold(eager: MemoryQueue, ran: list[Any]) -> None:
    once = record.using(idempotency_key="hook 17")

    assert ids(remind(1), remind(1), remind(2)) == 2
    assert ids(once(3), once(4)) == 1
    assert ran == [1, 2, 3]


def test_in_eager_mode_a_call_that_fails_frees_its_key(eager: MemoryQueue) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            fail_once(1)


@pytest.mark.parametrize("call", [index, record.using(idempotency_key="x")])
def test_a_queue_of_four_methods_refuses_keys_at_the_call(four_methods: ListQueue, call: Any) -> None:
    with pytest.raises(UnsupportedOption, match=r"ListQueue does not know.*nothing was sent"):
        call(1)
    assert len(four_methods) == 0


def test_a_call_whose_key_cannot_be_computed_is_refused(memory: MemoryQueue) -> None:
    with pytest.raises(EnqueueError, match=r"KeyError.*nothing was sent"):
        bill({}, "no id")
    with pytest.raises(EnqueueError, match=r"AttributeError.*nothing was sent"):
        greet(1)  # type: ignore[arg-type]
    assert len(memory) == 0


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (record.using(key="x"), "no effect on .* without unique"),
        (record.using(idempotency_ttl=5), "without idempotency_key"),
        (index.using(idempotency_key="x"), "a call has one key"),
    ],
)
def test_options_of_a_call_that_make_no_sense_are_refused(memory: MemoryQueue, call: Any, why: str) -> None:
    with pytest.raises(EnqueueError, match=why):
        call(1)
    assert len(memory) == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"unique": True}, "must be 'until_done'"),
        ({"unique": timedelta(0)}, "above 0"),
        ({"unique": "until_done", "on_duplicate": "ignore"}, "'return', 'replace' or 'raise'"),
        ({"unique": "until_done", "at_most_once": True}, "exclude each other.*Write unique='until_started'"),
        ({"on_duplicate": "raise"}, "no effect .* without unique"),
        ({"key": "{a}"}, "no effect .* without unique"),
        ({"unique": timedelta(1), "on_duplicate": "replace"}, "would be lost"),
        ({"unique": "until_done", "key": "{b}"}, r"'\{b\}', which is none of its arguments \(a\)"),
        ({"unique": "until_done", "key": "{0}"}, "none of its arguments"),
        ({"unique": "until_done", "key": "{a"}, "no format string"),
        ({"unique": "until_done", "key": ""}, "must be a format string"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_declared(options: Any, why: str) -> None:
    with pytest.raises(InvalidCommand, match=why):
        queue_command(**options)(module_level)
