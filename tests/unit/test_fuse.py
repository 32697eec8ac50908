"""``fuse="50% of 20 in 1m"``: a command of which too many runs fail is paused by itself."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pytest_django import Settings

from djutils.queue import queue_command
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.chain import chain_of, every_middleware
from djutils.queue.command_pauses import find
from djutils.queue.current import Lease
from djutils.queue.exceptions import Drop, InvalidCommand, Postpone, Reject, Retry, UnsupportedOption
from djutils.queue.executor import Executor
from djutils.queue.middleware import fuse as fuse_module
from djutils.queue.middleware.fuse import Fuse, Fuses, fuse_of
from djutils.queue.queue import invoker
from djutils.queue.stores.memory_store import MemoryStore
from djutils.queue.workers.board import Board

from .commands_for_tests import ran, record
from .helpers import ListQueue, make_delivery
from .times import LEAP, Times

LOGGER = "djutils.queue.fuse"
raised: list[BaseException | None] = []
"""What the next runs raise; None: they succeed."""


@queue_command(fuse="50% of 4 in 10m", discard_on=KeyError, max_attempts=50)
def fragile() -> None:
    if raised and (error := raised.pop(0)):
        raise error


@queue_command(fuse="50% of 4 in 10m")
async def fragile_later() -> None:
    ran.append("later")


def plain() -> None:
    """A function that tests decorate."""


class Runs:
    """Runs calls of ``fragile`` as a worker does, on one queue."""

    def __init__(self, queue: MemoryQueue) -> None:
        self.queue = queue
        self.slot = Board(1).free.pop()
        queue.enroll(7)
        self.executor = Executor(queue.name, lease=Lease(queue, 7))

    def __call__(self, *outcomes: BaseException | None) -> None:
        for one in outcomes:
            raised[:] = [one]
            self.executor.execute(make_delivery(fragile, queue=self.queue.name), self.slot)

    @property
    def reason(self) -> str | None:
        """Why it is paused."""
        pause = find(self.queue).get(fragile.command_class.name)
        return pause and pause.reason


@pytest.fixture
def runs(memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(memory)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Times:
    times = Times(LEAP)
    monkeypatch.setattr(fuse_module.time, "time", times.now)
    return times


NO = ValueError("no")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("50% of 20 in 1m", Fuse(50, 20, 60, "1 min")),
        ("1% of 1 in 1s", Fuse(1, 1, 1, "1 s")),
        ("100% of 999999 in 24h", Fuse(100, 999_999, 86_400, "24 h")),
        ("5% of 10 in 1d", Fuse(5, 10, 86_400, "1 d")),
    ],
)
def test_a_rule_is_a_share_of_at_least_so_many_in_a_period(text: str, rule: Fuse) -> None:
    assert fuse_of(text) == rule


@pytest.mark.parametrize(
    "value",
    ["", "50%", "0% of 20 in 1m", "101% of 20 in 1m", "50% of 0 in 1m", "50% of 20 in 25h", "50 of 20 in 1m", "50% of 20 in m", "50% of 20 in 0m", 0.5, True],
)  # fmt: skip
def test_any_other_rule_is_refused_where_it_is_declared(value: Any) -> None:
    with pytest.raises(
        InvalidCommand, match=r"fuse=.* must be a share of failed runs, .* such as '50% of 20 in 1m'"
    ):
        queue_command(fuse=value)(plain)


def test_with_at_most_once_it_is_refused() -> None:
    with pytest.raises(InvalidCommand, match="at_most_once and fuse exclude each other"):
        queue_command(fuse="50% of 20 in 1m", at_most_once=True)(plain)


@pytest.mark.parametrize(
    ("failed", "runs", "trips"), [(3, 3, False), (1, 4, False), (2, 4, True), (4, 4, True), (3, 7, False)]
)
def test_it_trips_at_the_share_once_there_are_enough_runs(failed: int, runs: int, trips: bool) -> None:
    assert Fuse(50, 4, 60, "1 min").trips(failed, runs) is trips


def test_too_many_failures_pause_the_command_and_say_so_once(
    runs: Runs, log: pytest.LogCaptureFixture
) -> None:
    runs(NO, None, None)
    assert runs.reason is None

    runs(NO, NO, NO)

    assert runs.reason == "2 of 4 runs failed within 10 min; the last: ValueError: no"
    assert find(runs.queue)[fragile.command_class.name].by == "its fuse"
    (line,) = [one for one in log.records if one.name == LOGGER]
    assert line.levelno == logging.ERROR
    assert f"queue_resume {runs.queue.name} --command {fragile.command_class.name}" in line.getMessage()


def test_a_resume_starts_a_new_count(runs: Runs) -> None:
    runs(NO, NO, NO, NO)
    invoker.resume(command=fragile)

    runs(NO, NO, NO)
    assert runs.reason is None
    runs(NO)
    assert runs.reason == "4 of 4 runs failed within 10 min; the last: ValueError: no"


def test_what_is_older_than_the_period_does_not_count(runs: Runs, clock: Times) -> None:
    runs(NO, NO, NO)
    clock.elapse(700)

    runs(NO, None, None)
    assert runs.reason is None

    clock.elapse(300)
    runs(NO)
    assert runs.reason == "2 of 4 runs failed within 10 min; the last: ValueError: no"


@pytest.mark.parametrize("error", [Postpone(5), Drop("no"), KeyError("discarded")])
def test_what_says_nothing_about_the_command_counts_as_neither(runs: Runs, error: BaseException) -> None:
    runs(*[error] * 10, NO, NO, NO)
    assert runs.reason is None

    runs(NO)
    assert runs.reason is not None


@pytest.mark.parametrize("error", [Retry(delay=5), Reject("no"), SystemExit(1)])
def test_whatever_else_it_raises_is_a_failure(runs: Runs, error: BaseException) -> None:
    runs(*[error] * 4)

    assert runs.reason is not None


def test_a_cancelled_run_counts_as_neither(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(runs.slot), "is_asked_to_end", lambda self, id: True)

    runs(*[NO] * 10)

    assert runs.reason is None


def test_a_store_that_does_not_respond_costs_a_count_and_no_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    def down(*args: Any) -> int:
        raise ConnectionError("down")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryStore, "_increment", down)
        runs(None, NO)

    assert log.text.count("could not be counted for its fuse") == 2
    runs(NO, NO, NO)
    assert runs.reason is None


def test_runs_outside_of_a_worker_are_not_counted(memory: MemoryQueue) -> None:
    for _ in range(10):
        raised[:] = [NO]
        fragile()
        with pytest.raises(ValueError, match="no"):
            invoker.dequeue()

    assert find(memory) == {}


def test_a_queue_without_a_store_refuses_the_call(four_methods: ListQueue, settings: Settings) -> None:
    with pytest.raises(UnsupportedOption, match=r"ListQueue has no store, .* nothing was sent"):
        fragile()
    assert len(four_methods) == 0
    settings.QUEUE_EAGER = True
    raised.clear()
    fragile()


def test_a_command_without_a_fuse_passes_through_nothing_of_it() -> None:
    (fuses,) = [one for one in every_middleware() if isinstance(one, Fuses)]

    assert not fuses.applies_to(record.command_class)
    assert chain_of(record.command_class) == ((), (), ())
    assert len(chain_of(fragile.command_class).layers) == 1


def test_a_coroutine_with_a_fuse_runs_in_a_thread_where_it_may_count() -> None:
    assert not fragile_later.command_class.is_awaited()
