"""What a call tells of what becomes of it, with ``result=True``."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from pytest_django import Settings

from djutils.queue.cancelling import Cancellation
from djutils.queue.decorators import queue_command
from djutils.queue.exceptions import (
    Cancelled,
    ConfigurationError,
    Drop,
    InvalidCommand,
    InvalidMessage,
    NoReturnValue,
    Postpone,
    ResultNotFound,
    ResultNotKept,
    ResultTimeout,
    UnsupportedOption,
)
from djutils.queue.queue import QueueCommand, invoker
from djutils.queue.record import ResultStatus
from djutils.queue.results import Result
from djutils.testing import drain

from .helpers import ListQueue

EVERY_STORE = pytest.mark.parametrize("place", ["beside", "database", "cache"])
pytestmark = pytest.mark.django_db


@queue_command(result=True)
def add(one: int, other: int) -> int:
    return one + other


@queue_command(result=True)
async def add_awaited(one: int, other: int) -> int:
    return one + other


@queue_command(result=True, max_attempts=1)
def fail_with(error: str) -> None:
    raise LookupError(error)


@queue_command(result=True, atomic=True)
def add_atomically(one: int, other: int) -> int:
    return one + other


@queue_command(result=True)
def give_up(how: str) -> None:
    raise Drop("no need") if how == "drop" else Postpone(60)


@queue_command
def plain() -> int:
    return 1


@queue_command(result=False)
def never_kept() -> None: ...


def module_level() -> None: ...


class Square(QueueCommand):
    result = True

    def execute(self) -> int:
        return int(self.data) ** 2


@EVERY_STORE
def test_a_call_tells_what_its_command_returned(place: str) -> None:
    before = datetime.now(UTC)
    result = add(20, 22)
    assert (result.status, result.is_finished, result.attempts) == (ResultStatus.READY, False, 0)
    result.refresh()
    assert (result.status, result.started_at, result.worker_ids) == (ResultStatus.READY, None, [])
    with pytest.raises(NoReturnValue, match="has returned nothing: it is READY"):
        _ = result.return_value

    drain()
    result.refresh()

    assert (result.status, result.return_value, result.errors, result.attempts) == (
        ResultStatus.SUCCESSFUL,
        42,
        [],
        1,
    )
    assert result.is_finished
    assert result.started_at is not None
    assert result.finished_at is not None
    moments = [before - timedelta(seconds=1), result.enqueued_at, result.started_at, result.finished_at]
    assert moments == sorted(moments)
    assert result.last_attempted_at == result.started_at
    assert result.wait() == 42


@pytest.mark.parametrize("call", [lambda: add_awaited(20, 22), lambda: add_atomically(20, 22)])
def test_coroutines_and_atomic_commands_as_well(call: Any) -> None:
    result = call()
    drain()
    assert result.wait(1) == 42


def test_a_command_that_is_a_class_as_well() -> None:
    result = invoker.enqueue(Square(5))
    drain()
    assert result.wait(1) == 25


def test_calls_that_are_sent_together_have_results_as_well() -> None:
    results = invoker.enqueue_many(add.command(number, 1) for number in range(300))
    drain()
    assert [one.wait(1) for one in results] == list(range(1, 301))


@EVERY_STORE
def test_it_is_found_again_by_its_id(place: str) -> None:
    id = add(1, 2).id
    waiting = invoker.result(id)
    assert (waiting.status, waiting.command, waiting.id) == (ResultStatus.READY, add.command_class.name, id)
    drain()
    found = invoker.result(id)
    assert (found.return_value, found.command) == (3, add.command_class.name)
    assert found == waiting
    with pytest.raises(ResultNotFound):
        invoker.result(id, "another queue")


def test_it_is_found_on_a_queue_of_its_own(settings: Settings) -> None:
    settings.QUEUES = {"mail": {}}
    result = add.using(queue_name="mail")(1, 2)
    assert invoker.result(result.id).queue_name == "mail"


@pytest.mark.parametrize("id", ["018f" * 8, "rubbish", "", "0" * 32, "%", "x" * 500])
def test_an_unknown_id_is_not_found(id: str) -> None:
    with pytest.raises(ResultNotFound, match="neither a message nor a result|no message"):
        invoker.result(id)


def test_the_beginning_of_an_id_is_not_its_id() -> None:
    with pytest.raises(ResultNotFound):
        invoker.result(add(1, 2).id[:30])


def test_a_result_can_be_pickled_and_looks_again() -> None:
    result = add(1, 2)
    drain()
    result.refresh()
    copy = pickle.loads(pickle.dumps(result))
    assert copy == result
    assert copy.wait(1) == 3


def test_results_expire(settings: Settings) -> None:
    settings.QUEUE_RESULT_TTL = timedelta(milliseconds=1)
    result = add(1, 2)
    drain()
    with pytest.raises(ResultNotFound):
        while True:
            result.refresh()


@pytest.mark.parametrize("ttl", [0, -1, "1d", None, True, timedelta(0)])
def test_a_wrong_time_to_live_is_refused_where_it_is_declared(ttl: Any) -> None:
    with pytest.raises(InvalidCommand, match="result_ttl"):
        queue_command(result=True, result_ttl=ttl)(module_level)


def test_a_command_that_keeps_none_says_so(settings: Settings) -> None:
    result = plain()
    for look in (result.refresh, lambda: result.status, lambda: invoker.result(result.id)):
        with pytest.raises(ResultNotKept, match="Declare it with result=True"):
            look()
    drain()
    with pytest.raises(ResultNotKept):
        result.refresh()
    with pytest.raises(ResultNotFound):
        invoker.result(result.id)


def test_all_commands_keep_theirs_if_the_project_says_so(settings: Settings) -> None:
    settings.QUEUE_RESULTS = True
    result, without = plain(), never_kept()
    drain()
    assert result.wait(1) == 1
    with pytest.raises(ResultNotKept):
        _ = without.status


def test_a_queue_that_cannot_show_what_waits_refuses_it(four_methods: ListQueue, settings: Settings) -> None:
    with pytest.raises(UnsupportedOption, match="cannot keep its results"):
        add(1, 2)
    settings.QUEUE_RESULTS = True
    result = plain()
    drain()
    with pytest.raises(ResultNotKept):
        result.refresh()


@pytest.mark.parametrize("place", ["memcached", "postgres:default", 3])
def test_a_store_that_there_is_not_is_refused(settings: Settings, place: Any) -> None:
    settings.QUEUE_RESULT_STORE = place
    with pytest.raises(ConfigurationError, match="QUEUE_RESULT_STORE must be"):
        add(1, 2)


def test_a_record_that_was_tampered_with_is_refused() -> None:
    result, other = add(1, 2), add(3, 4)
    drain()
    store = invoker.queue.results
    assert store is not None
    data = store.get([result.id])[result.id]
    for wrong in (data[:-1] + bytes([data[-1] ^ 1]), b"", b"djr", store.get([other.id])[other.id]):
        store.set({result.id: wrong}, 60)
        with pytest.raises(InvalidMessage, match="was not signed by this site"):
            result.refresh()


def test_waiting_ends_when_the_time_is_over_and_affects_nothing() -> None:
    result = add(1, 2)
    with pytest.raises(ResultTimeout, match="it goes on"):
        result.wait(0.05)
    with pytest.raises(TimeoutError):
        result.wait(0)
    drain()
    assert result.wait(0) == 3


def test_eager_calls_have_results_as_well(settings: Settings) -> None:
    settings.QUEUE_EAGER = True
    assert add(1, 2).wait(0) == 3
    with pytest.raises(LookupError):
        fail_with("at once")


def test_a_command_that_is_run_by_the_invoker_as_well() -> None:
    result = add(1, 2)
    invoker.dequeue()
    assert result.wait(0) == 3


def test_a_dropped_command_counts_as_cancelled_and_a_postponed_one_waits() -> None:
    dropped, postponed = give_up("drop"), give_up("postpone")
    drain()
    dropped.refresh()
    postponed.refresh()
    assert (dropped.status, postponed.status) == (ResultStatus.CANCELLED, ResultStatus.READY)
    with pytest.raises(Cancelled, match="no need"):
        dropped.wait(0)


@pytest.mark.django_db(transaction=True)
def test_everything_has_a_twin_for_coroutines() -> None:

    async def look() -> list[Any]:
        result = await add.acall(1, 2)
        await result.arefresh()
        found = await invoker.aresult(result.id)
        with pytest.raises(ResultTimeout):
            await found.await_(0.01)
        done = await found.acancel()
        return [result.status, found.status, done]

    assert async_to_sync(look)() == [ResultStatus.READY, ResultStatus.CANCELLED, Cancellation.REMOVED]


def test_handles_are_what_they_were() -> None:
    result = Result("0" * 32, "a", "b")
    assert (result.id, result.command, result.queue_name) == tuple(result) == ("0" * 32, "a", "b")
