"""``wait()`` where the store tells of the end of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
from asgiref.sync import async_to_sync
from django.db import connections

from djutils.queue import reading, results
from djutils.queue.backends.base import BaseQueue
from djutils.queue.exceptions import Cancelled
from djutils.queue.reading import CallState
from djutils.queue.results import Result
from tests.project.app import outcomes
from tests.sites import Site
from tests.waiting import wait_until

NOTIFYING = pytest.mark.parametrize("site", ["postgres", "redis"], indirect=True)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that were looked at."""
    seen: list[str] = []

    def look(queue: BaseQueue, id: str) -> CallState:
        seen.append(id)
        return reading.look(queue, id)

    monkeypatch.setattr(results, "look", look)
    return seen


@NOTIFYING
@pytest.mark.parametrize("wait", [Result.wait, async_to_sync(Result.await_)])
def test_who_waits_is_told_of_the_end_and_does_not_look_all_the_time(
    site: Site, looks: list[str], wait: Callable[[Result, float], object]
) -> None:
    result = outcomes.nap(0.5)
    site.consumer().ready()
    began = time.monotonic()

    assert wait(result, 30) == 0.5

    # At the beginning, when it has subscribed, when it is told; and each second, in case it is not told.
    assert len(looks) <= 3 + int(time.monotonic() - began)


@NOTIFYING
def test_who_waits_is_told_of_what_fails_and_of_what_is_cancelled(site: Site) -> None:
    failing, delayed = outcomes.give_up("why"), outcomes.nap.using(run_after=timedelta(hours=1))(1)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_raised_while_waiting, result) for result in (failing, delayed)]
        site.consumer().ready()
        delayed.cancel()

        assert [type(one.result(30)) for one in waiting] == [LookupError, Cancelled]


def _raised_while_waiting(result: Result) -> BaseException | None:
    try:
        result.wait(30)
    except Exception as error:
        return error
    finally:
        connections.close_all()
    return None


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_who_is_told_nothing_any_more_looks_again(site: Site, looks: list[str]) -> None:
    result = outcomes.nap(1.5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(result.wait, 30)
        with redis.Redis.from_url(site.queue.connection) as admin:
            wait_until(lambda: admin.client_list(_type="pubsub"), why="it has not subscribed")
            admin.client_kill_filter(_type="pubsub")
        site.consumer().ready()

        assert waiting.result(30) == 1.5
