"""What became of calls that a consumer runs, as other processes see it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from djutils.queue import invoker
from djutils.queue.results import Result
from tests.calls import begun, running
from tests.consumers import ROOT
from tests.project.app import outcomes
from tests.sites import REDIS, Site
from tests.waiting import wait_until

EACH = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)
EACH_WITH_THREADS = pytest.mark.parametrize(
    ("site", "threads"), [("sqlite", 1), ("postgres", 3), ("mariadb", 1), ("redis", 3)], indirect=["site"]
)
DATABASES = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)

_LOOK = """
import json, sys, django
django.setup()
from djutils.queue import invoker
result = invoker.result(sys.argv[1])
print(json.dumps([result.command, str(result.status), result.return_value]))
"""


@pytest.mark.parametrize(
    ("site", "options"),
    [
        ("sqlite", {}),
        ("postgres", {"threads": 3}),
        ("mariadb", {"processes": 2, "threads": 2}),
        ("redis", {}),
        ("redis", {"processes": 2, "threads": 2}),
    ],
    indirect=["site"],
)
def test_calls_tell_what_their_commands_returned(site: Site, options: dict[str, int]) -> None:
    results = [outcomes.triple(number) for number in range(50)]
    consumer = site.consumer(**options).ready()

    values = [result.wait(30) for result in results]

    assert values == [3 * number for number in range(50)]
    workers = {result.worker_ids[0].rpartition(":")[2] for result in results}
    assert workers <= set(map(str, consumer.workers()))
    assert all(result.attempts == 1 and not result.errors for result in results)
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@EACH
def test_coroutines_tell_it_as_well(site: Site) -> None:
    results = [outcomes.triple_later(number) for number in range(50)]
    site.consumer("--coroutines", "10").ready()

    assert [result.wait(30) for result in results] == [3 * number for number in range(50)]


@EACH
def test_each_failed_attempt_is_told_and_then_what_was_returned(site: Site) -> None:
    result = outcomes.stumble_twice(site.file())
    site.consumer()

    assert result.wait(30) == 3
    assert [error.message for error in result.errors] == ["attempt 1", "attempt 2"]
    assert "raise LookupError" in result.errors[0].traceback
    assert result.attempts == 3
    assert result.started_at < result.last_attempted_at < result.finished_at


@EACH
def test_waiting_raises_what_a_command_raised_that_failed_for_good(site: Site) -> None:
    result = outcomes.give_up("no such thing")
    site.consumer()

    with pytest.raises(LookupError, match="no such thing"):
        result.wait(30)
    assert (result.status, len(result.errors), result.attempts) == ("FAILED", 2, 2)


@EACH
def test_another_process_finds_a_result_by_its_id(site: Site) -> None:
    result = outcomes.triple(14)
    site.consumer()
    result.wait(30)

    environment = {**os.environ, **site.environment, "DJANGO_SETTINGS_MODULE": "tests.project.settings"}
    told = subprocess.run(
        [sys.executable, "-c", _LOOK, result.id],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert not told.returncode, told.stderr

    assert json.loads(told.stdout) == [result.command, "SUCCESSFUL", 42]


@DATABASES
def test_an_atomic_command_and_its_result_are_there_together_whatever_is_killed(site: Site) -> None:
    mark, count = site.environment["DJUTILS_TEST_QUEUE_NAME"], 60
    results = {
        f"{mark} {number}": outcomes.enter_and_return(f"{mark} {number}", 0.01) for number in range(count)
    }
    consumer = site.consumer("--lease", "2", processes=2, threads=2)

    for kills in range(5):
        wait_until(lambda kills=kills: len(site.notes(mark)) > 8 * (kills + 1), why=consumer.log)
        # What is in the database by now was committed: its result must be there already.
        for note in site.notes(mark):
            results[note].refresh()
            assert results[note].status == "SUCCESSFUL"
        consumer.kill_worker()

    assert {text: result.wait(60) for text, result in results.items()} == {
        text: f"entered {text}" for text in results
    }
    assert sorted(site.notes(mark)) == sorted(results)


@EACH_WITH_THREADS
def test_what_runs_for_long_is_seen_with_its_progress_until_it_has_ended(site: Site, threads: int) -> None:
    result = outcomes.advance_until(site.file(), site.file("gate"))
    consumer = site.consumer(threads=threads).ready()
    (pid,) = begun(site.file(), consumer)

    running(result, consumer)

    assert result.progress == (4, 10, "waiting")
    assert [worker.rpartition(":")[2] for worker in result.worker_ids] == [str(pid)]
    assert result.enqueued_at <= result.started_at
    assert result.finished_at is None
    seen = result.started_at
    assert published_by(site, result)
    owner = site.queue.find(result.id, 1)[0].owner
    Path(site.file("gate")).touch()
    assert result.wait(30) == "through"
    assert abs((result.started_at - seen).total_seconds()) < 0.5
    assert result.progress == (10, 10, "waiting")
    wait_until(lambda: not site.queue.store.get([f"running {owner}"]), why=consumer.log)


def published_by(site: Site, result: Result) -> bool:
    """Return whether a consumer has published that the call runs."""
    owner = site.queue.find(result.id, 1)[0].owner
    return result.id.encode() in site.queue.store.get([f"running {owner}"])[f"running {owner}"]


@EACH
def test_what_runs_is_given_back_by_a_consumer_that_is_killed_and_seen_again(site: Site) -> None:
    result = outcomes.wait_for(site.file(), site.file("gate"))
    first = site.consumer("--lease", "2").ready()
    begun(site.file(), first)
    running(result, first)
    seen = result.worker_ids

    first.kill_all()
    second = site.consumer("--lease", "2", log="second.log").ready()
    begun(site.file(), second, 2)
    running(result, second)

    assert result.worker_ids != seen
    Path(site.file("gate")).touch()
    assert result.wait(30) == "through"
    assert result.attempts == 1


@EACH
def test_a_consumer_that_stops_leaves_what_it_published_to_no_one(site: Site) -> None:
    """Its command ends within the grace period; nothing says any more that it runs."""
    result = outcomes.wait_for(site.file(), site.file("gate"))
    consumer = site.consumer().ready()
    begun(site.file(), consumer)
    running(result, consumer)

    consumer.signal(signal.SIGTERM)
    wait_until(lambda: "Stopping" in consumer.log(), why=consumer.log)
    Path(site.file("gate")).touch()

    assert consumer.exit_code() == 0
    assert result.wait(5) == "through"


@pytest.mark.parametrize("site", ["sqlite", "postgres", "redis"], indirect=True)
@pytest.mark.parametrize("where", ["database", "redis", "cache"])
def test_results_can_be_kept_elsewhere(
    site: Site, where: str, settings: Settings, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = {
        "database": f"database:{site.alias}",
        "redis": request.getfixturevalue("redis_or_valkey_server").url if where == "redis" else "",
        "cache": "cache:files",
    }[where]
    settings.CACHES = {
        "files": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": tmp_path / "cache",
        }
    }
    settings.QUEUE_RESULT_STORE = place
    consumers = {
        "DJUTILS_TEST_QUEUE_RESULT_STORE": "database" if where == "database" else place,
        "DJUTILS_TEST_CACHE_FOLDER": str(tmp_path / "cache"),
    }
    results = [outcomes.triple(number) for number in range(20)]
    failing, stumbling = outcomes.give_up("elsewhere"), outcomes.stumble_twice(site.file())
    site.consumer(environment=consumers)

    assert [result.wait(30) for result in results] == [3 * number for number in range(20)]
    assert stumbling.wait(30) == 3
    assert len(stumbling.errors) == 2
    with pytest.raises(LookupError, match="elsewhere"):
        failing.wait(30)
    assert invoker.result(results[7].id).return_value == 21
    is_beside = where == "database" and site.environment["DJUTILS_TEST_QUEUE_BACKEND"] != REDIS
    if not is_beside:
        assert site.queue.store.get([result.id for result in results]) == {}
