"""The health view and real consumers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import RequestFactory

from djutils.contrib.health import health
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)


def problems(site: Site, **options: Any) -> list[str]:
    name = site.queue.name
    response = health(RequestFactory().get("/"), names=[name], details=True, **options)
    found: list[str] = json.loads(response.content)["queues"][name]["problems"]
    assert response.status_code == (503 if found else 200)
    return found


def test_a_consumer_that_runs_was_stopped_or_killed_is_told_apart(site: Site) -> None:
    assert problems(site) == ["no consumer works on it"]
    consumer = site.consumer(processes=2).ready()
    commands.append(site.file(), 1)
    site.wait_until_empty()
    wait_until(lambda: problems(site) == [])
    assert consumer.stop() == 0
    assert problems(site) == ["no consumer works on it"]

    killed = site.consumer("--lease", "2").ready()
    wait_until(lambda: problems(site) == [])
    killed.kill_all()

    wait_until(lambda: any("nothing was heard" in one for one in problems(site)))
