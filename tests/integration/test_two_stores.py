"""One consumer, two queues in two stores: each is emptied, and a killed worker loses neither's messages."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from pytest_django import Settings

from djutils.queue.backends import queues
from tests.project.app import commands
from tests.servers import Server
from tests.sites import REDIS, Site
from tests.waiting import wait_until


@pytest.mark.parametrize("site", ["sqlite", "postgres"], indirect=True)
def test_a_consumer_serves_a_database_and_redis_at_once(
    site: Site, settings: Settings, redis_or_valkey_server: Server
) -> None:
    own = site.queue.name
    side = f"side-{own}"
    settings.QUEUES = {side: {"BACKEND": REDIS, "CONNECTION": redis_or_valkey_server.url}}
    for number in range(60):
        commands.append.using(queue_name=(own, side)[number % 2])(site.file(), number, 0.01)
    assert (len(queues[own]), len(queues[side])) == (30, 30)

    environment = {"DJUTILS_TEST_QUEUES": json.dumps(settings.QUEUES)}
    consumer = site.consumer("-q", own, "-q", side, environment=environment, processes=2)
    wait_until(lambda: len(commands.lines(site.file())) > 10, why=consumer.log)
    consumer.kill_worker()
    site.wait_until_empty()
    wait_until(lambda: queues[side].stats() == (0, 0, 0, 0, 0), why=consumer.log)

    numbers = Counter(int(line.split()[0]) for line in commands.lines(site.file()))
    assert numbers.keys() == set(range(60))
    assert consumer.stop() == 0
