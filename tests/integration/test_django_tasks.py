"""Django's own tasks, run by a real consumer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from djutils.queue.queue import invoker
from djutils.testing import drain
from tests.project.app.files import lines
from tests.sites import Site
from tests.waiting import wait_until

pytest.importorskip("django.tasks", reason="Django's own tasks came with Django 6.0")

BACKEND = "djutils.contrib.django_tasks.DjutilsBackend"
TASKS = {
    "default": {"BACKEND": BACKEND, "QUEUES": []},
    "stubborn": {"BACKEND": BACKEND, "QUEUES": [], "MAX_ATTEMPTS": 3, "BACKOFF": 0.05},
}
Result = Any  # Django's; its stubs are of another release


@pytest.fixture
def tasks(site: Site, settings: Settings) -> ModuleType:
    """The project's tasks, on the queue of ``site`` and its consumers."""
    settings.TASKS = TASKS
    site.environment["DJUTILS_TEST_TASKS"] = json.dumps(TASKS)
    return import_module("tests.project.app.tasks")


@pytest.fixture
def ended(site: Site) -> Callable[[Result], Result]:
    """Wait until a call has ended, and return its result."""

    def wait(result: Result) -> Result:
        wait_until(lambda: result.refresh() or result.is_finished, why=site.logs)
        return result

    return wait


def test_a_call_returns_what_the_task_returned(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    result = tasks.add.enqueue(1, second=2)
    assert (result.status, result.attempts, result.is_finished) == ("READY", 0, False)
    site.consumer()

    found = tasks.add.get_result(ended(result).id)

    assert (result.status, result.return_value, result.errors) == ("SUCCESSFUL", 3, [])
    assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
    assert result.started_at.tzinfo is not None
    assert len(result.worker_ids) == result.attempts == 1
    assert (found.return_value, found.args, found.kwargs) == (3, [1], {"second": 2})


def test_what_a_task_is_told_of_itself_is_true(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    result = tasks.describe.enqueue()
    site.consumer()

    assert ended(result).return_value == [1, result.id, "RUNNING"]


@pytest.mark.parametrize("options", [(), ("--coroutines", "10")], ids=["in a thread", "in an event loop"])
def test_a_coroutine_runs_where_the_consumer_runs_coroutines(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result], options: tuple[str, ...]
) -> None:
    result, failing = tasks.add_awaited.enqueue(1, 2), tasks.stumble_awaited.enqueue(path=site.file())
    site.consumer(*options)

    value = ended(result).return_value

    assert value["sum"] == 3
    assert (value["thread"] == "coroutines") == bool(options)
    assert ended(failing).errors[0].exception_class is LookupError
    assert lines(site.file()) == ["FAILED LookupError"]


def test_a_task_that_fails_says_why_and_is_a_dead_letter_under_its_own_name(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    result = tasks.stumble.enqueue(1, path=site.file())
    site.consumer()

    ended(result)

    (error,) = result.errors
    assert (result.status, error.exception_class, result.attempts) == ("FAILED", LookupError, 1)
    assert "tasks.py" in error.traceback
    assert error.traceback.endswith("LookupError: there was something in the way, 1\n")
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value
    assert lines(site.file()) == ["FAILED LookupError"]
    (letter,) = site.queue.dead_letters()
    assert letter.id == result.id
    assert f"{result.id} tests.project.app.tasks.stumble rejected" in site.logs()


def test_a_task_is_retried_as_its_backend_says_and_django_is_told_once(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    stumble = tasks.stumble.using(backend="stubborn")
    saved, lost = stumble.enqueue(2, path=site.file("saved")), stumble.enqueue(3, path=site.file("lost"))
    site.consumer()

    assert ended(saved).return_value == "attempt 3, failed 2"
    assert [error.exception_class for error in saved.errors] == [LookupError] * 2
    assert saved.attempts == 3
    assert saved.started_at < saved.last_attempted_at < saved.finished_at
    assert (ended(lost).status, len(lost.errors)) == ("FAILED", 3)
    assert lines(site.file("saved")) == ["SUCCESSFUL -"]
    assert lines(site.file("lost")) == ["FAILED LookupError"]
    assert tasks.stumble.using(backend="stubborn").get_result(lost.id).backend == "stubborn"


def test_delay_and_priority_are_kept(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    due = timezone.now() + timedelta(seconds=1)
    late = tasks.add.using(run_after=due).enqueue(1, 2)
    later = tasks.add.using(run_after=timedelta(hours=1)).enqueue(1, 2)
    for priority in (-5, 5):
        tasks.note.using(priority=priority).enqueue(site.file(), str(priority))
    assert abs(tasks.add.get_result(late.id).task.run_after - due) < timedelta(milliseconds=1)
    site.consumer()

    assert ended(late).started_at >= due
    assert lines(site.file()) == ["5", "-5"]
    later.refresh()
    assert later.status == "READY"


def test_a_call_in_a_transaction_exists_only_after_the_commit(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    site.consumer().ready()
    with transaction.atomic(using=site.alias):
        kept = tasks.add.enqueue(1, 2)
        assert kept.status == "READY"
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=site.alias):
        undone = tasks.add.enqueue(1, 2)
        raise ZeroDivisionError

    assert ended(kept).return_value == 3
    with pytest.raises(Exception, match=undone.id):
        undone.refresh()


def test_a_task_is_found_in_any_module(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    errands = import_module("tests.project.app.errands")
    result = errands.far_away.enqueue(1)
    site.consumer()

    assert ended(result).return_value == 2
    assert f"{result.id} tests.project.app.errands.far_away succeeded" in site.logs()


def test_a_task_that_kills_its_process_fails_once_it_has_done_so_three_times(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    result = tasks.be_killed.enqueue(path=site.file())
    site.consumer()

    ended(result)

    assert (result.status, len(result.errors)) == ("FAILED", 1)
    assert result.errors[0].exception_class.__name__ == "TooDangerous"
    assert result.finished_at >= result.enqueued_at
    assert "3 processes that died" in result.errors[0].traceback
    assert lines(site.file()) == ["ran"] * 3 + ["FAILED TooDangerous"]


def test_a_task_whose_worker_is_killed_is_run_again(
    site: Site, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    result = tasks.stay_once.enqueue(path=site.file())
    consumer = site.consumer()
    wait_until(lambda: lines(site.file()), why=site.logs)
    wait_until(lambda: result.refresh() or result.status == "RUNNING", why=site.logs)

    consumer.kill_worker()

    assert ended(result).return_value == "done"
    assert lines(site.file()) == ["ran", "ran", "SUCCESSFUL -"]


def test_a_call_that_is_cancelled_while_it_waits_has_failed(site: Site, tasks: ModuleType) -> None:
    result = tasks.add.enqueue(1, second=2)

    invoker.result(result.id).cancel()

    found = tasks.add.get_result(result.id)
    assert (found.status, found.attempts, found.args, found.kwargs) == ("FAILED", 0, [1], {"second": 2})
    assert found.errors[0].exception_class.__name__ == "Cancelled"
    assert found.finished_at is not None


def test_without_time_zones_all_moments_are_naive(
    site: Site, settings: Settings, tasks: ModuleType, ended: Callable[[Result], Result]
) -> None:
    settings.USE_TZ, site.environment["DJUTILS_TEST_USE_TZ"] = False, "false"
    before = timezone.now()
    result = tasks.add.using(run_after=before + timedelta(seconds=0.5)).enqueue(1, 2)
    site.consumer()

    ended(result)

    assert result.return_value == 3
    assert before + timedelta(seconds=0.5) <= result.started_at <= result.finished_at
    assert abs(result.enqueued_at - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=2)


def test_an_eager_task_has_run_and_what_it_raises_is_raised(
    site: Site, settings: Settings, tasks: ModuleType
) -> None:
    settings.QUEUE_EAGER = True

    assert tasks.add.enqueue(1, 2, path=site.file()).return_value == 3
    with pytest.raises(LookupError):
        tasks.stumble.enqueue(1, path=site.file())

    assert lines(site.file()) == ["SUCCESSFUL -", "FAILED LookupError"]


def test_drain_runs_tasks_in_a_test(site: Site, tasks: ModuleType) -> None:
    saved = tasks.stumble.using(backend="stubborn").enqueue(2)
    assert [call.id for call in drain(retries=True)] == [saved.id]
    failing = tasks.stumble.enqueue(1)
    with pytest.raises(LookupError):
        drain(retries=True)

    saved.refresh()
    failing.refresh()
    assert (saved.status, saved.attempts, failing.status) == ("SUCCESSFUL", 3, "FAILED")


def test_a_task_that_no_consumer_could_find_is_refused_at_the_call(site: Site, tasks: ModuleType) -> None:
    nowhere = import_module("django.tasks").task(_nowhere)

    with pytest.raises(Exception, match="No consumer can find"):
        nowhere.enqueue()

    assert len(invoker) == 0


def _nowhere() -> None:
    """Be no task: only a function."""


@pytest.mark.parametrize(
    "wrong", [{"TIME_LIMIT": "soon"}, {"NAME": "one for all"}, {"RESULT": False}], ids=str
)
def test_a_wrong_option_is_found_by_check_and_refused_at_the_call(
    site: Site, settings: Settings, tasks: ModuleType, wrong: dict[str, object]
) -> None:
    settings.TASKS = {"default": TASKS["default"] | {"OPTIONS": wrong}}

    found = [one for one in run_checks() if one.id == "djutils.E050"]

    assert len(found) == 1
    assert "TASKS['default']" in found[0].msg
    with pytest.raises(Exception, match=next(iter(wrong)).lower()):
        tasks.add.enqueue(1, 2)


def test_a_queue_that_cannot_show_results_is_found_by_check(
    site: Site, settings: Settings, tasks: ModuleType
) -> None:
    settings.QUEUES = {
        "mail": {"BACKEND": "tests.contract.four_methods.FolderQueue", "CONNECTION": site.file()}
    }
    settings.TASKS = {"default": TASKS["default"] | {"QUEUES": ["mail"]}}

    assert "djutils.E051" in [one.id for one in run_checks()]
