"""A project's middleware in a real consumer: carried by the message, around the run, told of the outcome."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from pytest_django import Settings

from tests.project.app import commands
from tests.project.app.middleware import CarryTenant, diary, tenant
from tests.sites import Site
from tests.waiting import wait_until

PATHS = [f"{CarryTenant.__module__}.{CarryTenant.__qualname__}"]
WITH_IT = {"DJUTILS_TEST_QUEUE_MIDDLEWARE": json.dumps(PATHS)}


@pytest.mark.parametrize("threads", [1, 3])
def test_the_tenant_of_the_call_is_that_of_its_run_and_each_outcome_is_told(
    site: Site, settings: Settings, threads: int
) -> None:
    settings.QUEUE_MIDDLEWARE = PATHS
    diary.set(site.file("diary"))
    for name in ("acme", "umbrella"):
        tenant.set(name)
        for mood in ("well", "drop", "fail"):
            commands.tell_tenant(site.file(), mood)

    consumer = site.consumer(threads=threads, environment=WITH_IT)
    wait_until(lambda: site.queue.stats() == (0, 0, 0, 2, 0), why=consumer.log)

    assert Counter(commands.lines(site.file())) == {"acme": 4, "umbrella": 4}, "a run that failed is retried"
    assert Counter(commands.lines(site.file("diary"))) == Counter(
        f"{name} {outcome}" for name in ("acme", "umbrella") for outcome in ("ACK", "DROP", "RETRY", "REJECT")
    )
    assert consumer.stop() == 0


@pytest.mark.parametrize("site", ["sqlite", "postgres"], indirect=True)
def test_the_same_middleware_serves_a_coroutine_in_a_transaction(site: Site, settings: Settings) -> None:
    settings.QUEUE_MIDDLEWARE = PATHS
    diary.set(site.file("diary"))
    tenant.set("acme")
    commands.book_for_tenant(site.file())

    consumer = site.consumer(environment=WITH_IT)
    site.wait_until_empty()

    wait_until(lambda: commands.lines(site.file("diary")) == ["acme SETTLED"], why=consumer.log)
    assert commands.lines(site.file()) == ["acme"]
