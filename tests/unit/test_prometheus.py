"""Metrics for Prometheus: what is known is told, what is not known is absent."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from djutils.queue import counters
from djutils.queue.backends import queues
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.counters import RAN, RUNS, WAITED, WAITS, WIDTH, End
from djutils.queue.queue import invoker
from djutils.queue.stores.memory_store import MemoryStore
from tests.scraping import OPENMETRICS, Scrape, bridge

from . import commands_for_tests as commands
from .conftest import Declare
from .helpers import ListQueue
from .times import Times

NOON = 1_800_000_000.0


class ForgetfulStore(MemoryStore):
    """A store that has lost its counters."""

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        if "counters:total" in keys:
            raise OSError("The disk is gone.")
        return super().get(keys)


class ForgetfulQueue(MemoryQueue):
    """A queue with such a store."""

    @property
    def store(self) -> ForgetfulStore:
        return ForgetfulStore(self.name)


def count(queue: MemoryQueue, command: str, seconds: float, runs: int = 1, end: End = End.SUCCEEDED) -> None:
    """Count runs that took ``seconds``, after calls had waited for as long."""
    numbers = [0] * WIDTH
    numbers[end] = runs
    numbers[RAN] = numbers[WAITED] = round(seconds * 1e6) * runs
    bucket = counters.bucket_of(round(seconds * 1e6))
    numbers[RUNS + bucket] = numbers[WAITS + bucket] = runs
    counters.add(queue.store, {command: numbers}, NOON)


def test_runs_are_told_by_queue_command_and_end(memory: MemoryQueue) -> None:
    count(memory, "shop.mail", 0.1, 7)
    count(memory, "shop.mail", 0.1, 2, End.DIED)
    found = Scrape()
    ends = {
        end: found.value("djutils_command_runs_total", queue=memory.name, command="shop.mail", end=end)
        for end in ("succeeded", "retried", "died", "dropped", "postponed")
    }
    assert ends == {"succeeded": 7, "retried": 0, "died": 2, "dropped": 0, "postponed": 0}
    assert found.families["djutils_command_runs"].type == "counter"


@pytest.mark.parametrize("name", ["djutils_command_run_seconds", "djutils_command_wait_seconds"])
def test_times_are_histograms_that_are_exact_at_their_bounds(memory: MemoryQueue, name: str) -> None:
    for seconds, runs in ((0.0001, 5), (0.004, 3), (0.005, 2), (3.0, 1), (9000.0, 1)):
        count(memory, "mail", seconds, runs)

    found = Scrape()

    def bucket(bound: str) -> float | None:
        return found.value(f"{name}_bucket", queue=memory.name, command="mail", le=bound)

    assert [bucket(bound) for bound in ("0.001024", "0.004096", "0.016384")] == [5, 8, 10]
    assert [bucket(bound) for bound in ("1.048576", "4.194304", "4294.967296", "+Inf")] == [10, 11, 11, 12]
    assert found.value(f"{name}_count", queue=memory.name, command="mail") == 12
    assert found.value(f"{name}_sum", queue=memory.name, command="mail") == pytest.approx(9003.0225)
    assert [sample for sample, _ in found.told_of(memory.name)].count(f"{name}_bucket") == 13


def test_run_time_and_waiting_time_are_told_apart(memory: MemoryQueue) -> None:
    numbers = [0] * WIDTH
    numbers[RAN], numbers[WAITED] = 250_000, 9_000_000
    counters.add(memory.store, {"mail": numbers}, NOON)
    found = Scrape()
    assert found.value("djutils_command_run_seconds_sum", queue=memory.name, command="mail") == 0.25
    assert found.value("djutils_command_wait_seconds_sum", queue=memory.name, command="mail") == 9


@pytest.mark.parametrize("accept", ["*/*", "text/plain; version=0.0.4", OPENMETRICS])
def test_the_format_is_what_the_request_accepts(memory: MemoryQueue, accept: str) -> None:
    count(memory, "mail", 0.1)

    found = Scrape(accept)

    assert found.content_type.startswith("application/openmetrics-text") == (accept == OPENMETRICS)
    assert found.value("djutils_queue_up", queue=memory.name) == 1
    assert found.value("djutils_command_runs_total", queue=memory.name, command="mail", end="succeeded") == 1
    assert found.value("djutils_command_run_seconds_count", queue=memory.name, command="mail") == 1


def test_what_waits_and_who_works_is_told(memory: MemoryQueue) -> None:
    before = Scrape()
    assert before.value("djutils_queue_oldest_age_seconds", queue=memory.name) == 0
    commands.record(1)
    commands.record.using(run_after=timedelta(seconds=60))(1)
    commands.record.using(run_after=timedelta(seconds=90))(1)
    memory.enroll(owner := new_owner())
    commands.record(1)
    assert len(memory.receive(owner, 1).deliveries) == 1
    invoker.pause(memory.name)

    found = Scrape()

    states = {
        state: found.value("djutils_queue_messages", queue=memory.name, state=state)
        for state in ("ready", "delayed", "leased", "dead", "in_lane")
    }
    assert states == {"ready": 1, "delayed": 2, "leased": 1, "dead": 0, "in_lane": 0}
    assert 0 < (found.value("djutils_queue_oldest_age_seconds", queue=memory.name) or 0) < 60
    assert found.value("djutils_queue_workers", queue=memory.name) == 1
    assert before.value("djutils_queue_paused", queue=memory.name) == 0
    assert found.value("djutils_queue_paused", queue=memory.name) == 1


def test_schedules_that_did_not_run_are_told(memory: MemoryQueue, declare: Declare) -> None:
    declare("@periodic_command(every(minutes=1))\ndef one(): pass")
    assert Scrape().value("djutils_queue_schedules_overdue", queue=memory.name) == 0
    Times(datetime(2026, 1, 1, tzinfo=UTC)).clock(memory).tick()
    assert Scrape().value("djutils_queue_schedules_overdue", queue=memory.name) == 1


def test_what_four_methods_cannot_know_is_absent(settings: Settings) -> None:
    settings.QUEUE_BACKEND, settings.QUEUE_NAME = "tests.unit.helpers.ListQueue", "four methods"
    ListQueue("four methods").flush()
    commands.record(1)

    found = Scrape()

    told = [(name, labels.get("state")) for name, labels in found.told_of("four methods")]
    assert sorted(told, key=str) == [
        ("djutils_queue_messages", "dead"),
        ("djutils_queue_messages", "ready"),
        ("djutils_queue_up", None),
    ]
    assert found.value("djutils_queue_messages", queue="four methods", state="ready") == 1


def test_a_store_that_is_away_has_no_numbers_and_hides_no_other(
    memory: MemoryQueue, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    redis = "djutils.queue.backends.redis_backend.RedisQueue"
    settings.QUEUES = {
        "away": {"BACKEND": redis, "CONNECTION": "redis://127.0.0.1:1/0"},
        "wrong": {"BACKEND": "no.such.Queue"},
        "zeta": {},
    }
    with caplog.at_level(logging.WARNING, "djutils.contrib.prometheus"):
        found = Scrape()

    up = {
        name: found.value("djutils_queue_up", queue=name) for name in (memory.name, "away", "wrong", "zeta")
    }
    assert up == {memory.name: 1, "away": 0, "wrong": 0, "zeta": 1}
    for name in ("away", "wrong"):
        assert [sample for sample, _ in found.told_of(name)] == ["djutils_queue_up"]
    assert len(found.told_of("zeta")) > 5
    assert "The queue 'away' could not be asked for its metrics" in caplog.text


def test_a_store_that_fails_on_the_way_gives_no_part_of_the_numbers(settings: Settings) -> None:
    settings.QUEUE_BACKEND, settings.QUEUE_NAME = f"{__name__}.ForgetfulQueue", "forgetful"
    commands.record(1)
    assert queues["forgetful"].stats().ready == 1

    found = Scrape()

    assert found.value("djutils_queue_up", queue="forgetful") == 0
    assert len(found.told_of("forgetful")) == 1


def test_queues_for_which_no_time_is_left_are_not_asked(memory: MemoryQueue) -> None:
    collector = bridge().QueueCollector([memory.name], longest=0)
    samples = [sample for family in collector.collect() for sample in family.samples]
    assert [(one.name, one.value) for one in samples] == [("djutils_queue_up", 0)]


def test_registering_asks_no_store(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.redis_backend.RedisQueue"
    settings.QUEUE_CONNECTION = "redis://127.0.0.1:1/0"
    collector, client = bridge().QueueCollector(), import_module("prometheus_client")
    registry = client.CollectorRegistry(auto_describe=True)

    registry.register(collector)

    assert caplog.text == ""
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(bridge().QueueCollector())


def test_every_metric_says_what_it_is(memory: MemoryQueue) -> None:
    for family in bridge().QueueCollector().describe():
        assert family.name.startswith("djutils_")
        assert family.documentation.endswith(".")


def test_nothing_but_reading_is_allowed() -> None:
    assert bridge().metrics(RequestFactory().post("/metrics")).status_code == 405
