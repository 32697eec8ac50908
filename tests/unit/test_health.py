"""The health view: what is wrong is said in words, and what cannot be known is no reason to fail."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory
from pytest_django import Settings

from djutils.contrib import health
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.presence import presence_key, presented
from djutils.queue.queue import invoker

from . import commands_for_tests as commands
from .conftest import Declare
from .helpers import ListQueue, until
from .times import Times


def enroll(queue: MemoryQueue, seconds: float = 60.0) -> None:
    """Let a worker process be there for ``seconds``."""
    queue.enroll(owner := new_owner())
    facts = {"host": "web-1", "since": time.time(), "queues": [queue.name]}
    queue.store.set({presence_key(owner): presented(facts)}, seconds)


def ask(*names: str, user: Any = None, **options: Any) -> tuple[int, Any]:
    request = RequestFactory().get("/health")
    if user is not None:
        request.user = user
    response = health.health(request, names=names, **options)
    assert "no-cache" in response["Cache-Control"]
    return response.status_code, json.loads(response.content)


def judged(name: str, **options: Any) -> tuple[list[str], list[str]]:
    """Return the problems of a queue, and what is unknown."""
    code, told = ask(name, details=True, **options)
    one = told["queues"][name]
    assert (code, told["status"]) == ((503, "failing") if one["problems"] else (200, "ok"))
    return one["problems"], one["unknown"]


def test_a_queue_with_a_consumer_is_in_order(memory: MemoryQueue) -> None:
    enroll(memory)
    assert judged(memory.name) == ([], [])


def test_a_queue_without_a_consumer_fails(memory: MemoryQueue) -> None:
    assert judged(memory.name) == (["no consumer works on it"], [])


def test_consumers_of_which_nothing_is_heard_fail(memory: MemoryQueue) -> None:
    enroll(memory, 0.2)
    assert judged(memory.name) == ([], [])
    (problem,) = until(lambda: judged(memory.name)[0])
    assert problem == "no consumer works on it: nothing was heard for its lease of those that did"
    enroll(memory)
    assert judged(memory.name) == ([], [])


def test_an_oldest_message_that_is_too_old_fails(memory: MemoryQueue) -> None:
    enroll(memory)
    commands.record(1)
    assert judged(memory.name)[0] == []

    (problem,) = judged(memory.name, oldest=0)[0]

    assert problem == "the oldest message that is due was sent 0:00:00 ago: too few consumers, or none"


def test_a_schedule_that_did_not_run_fails(memory: MemoryQueue, declare: Declare) -> None:
    enroll(memory)
    declare("@periodic_command(every(minutes=1))\ndef one(): pass")
    assert judged(memory.name)[0] == []
    Times(datetime(2026, 1, 1, tzinfo=UTC)).clock(memory).tick()

    (problem,) = judged(memory.name, oldest=1e9)[0]

    assert problem == "the schedule 'made_up.one' was due at 2026-01-01T00:01:00+00:00 and did not run"


def test_a_queue_that_is_paused_is_not_judged(memory: MemoryQueue) -> None:
    commands.record(1)
    invoker.pause(memory.name, reason="the mail server moves")

    problems, (unknown,) = judged(memory.name, oldest=0)

    assert problems == []
    assert unknown.startswith("whether it would be in order if it were not paused since")


def test_what_four_methods_cannot_know_is_no_reason_to_fail(settings: Settings) -> None:
    settings.QUEUE_BACKEND = "tests.unit.helpers.ListQueue"
    ListQueue("four methods").flush()
    assert judged("four methods") == (
        [],
        ["how old the oldest message is", "whether a consumer lives: ListQueue registers no workers"],
    )


def test_a_store_that_is_away_fails_and_the_other_queues_are_judged(
    memory: MemoryQueue, settings: Settings
) -> None:
    redis = "djutils.queue.backends.redis_backend.RedisQueue"
    settings.QUEUES = {"away": {"BACKEND": redis, "CONNECTION": "redis://127.0.0.1:1/0"}}
    enroll(memory)

    code, told = ask("away", memory.name, details=True)

    assert code == 503
    (problem,) = told["queues"]["away"]["problems"]
    assert problem.startswith("it cannot be asked: BackendUnavailable: ")
    assert told["queues"][memory.name]["problems"] == []


def test_queues_for_which_no_time_is_left_fail(memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LONGEST", 0.0)
    assert judged(memory.name)[0] == ["it was not asked: the queues before it took longer than 0 s"]


@pytest.mark.parametrize(
    ("user", "details", "sees"),
    [
        (None, None, False),
        (AnonymousUser(), None, False),
        (User(username="customer"), None, False),
        (User(username="operator", is_staff=True), None, True),
        (None, True, True),
        (User(username="operator", is_staff=True), False, False),
    ],
    ids=str,
)
def test_only_staff_sees_more_than_the_status(
    memory: MemoryQueue, user: Any, details: bool | None, sees: bool
) -> None:
    code, told = ask(memory.name, user=user, details=details)
    assert (code, told["status"]) == (503, "failing")
    assert told.keys() == ({"status", "queues"} if sees else {"status"})


def test_without_names_the_queues_of_the_project_are_asked(memory: MemoryQueue) -> None:
    told = json.loads(health.health(RequestFactory().get("/health"), details=True).content)
    assert {memory.name, "unit.other"} <= told["queues"].keys()


def test_nothing_but_reading_is_allowed() -> None:
    assert health.health(RequestFactory().post("/health")).status_code == 405
