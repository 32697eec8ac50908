"""Two sites that share a store and the name of a queue."""

from __future__ import annotations

from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until


def test_a_consumer_leaves_the_messages_of_another_site_alone(site: Site) -> None:
    handle = commands.append(site.file(), 1)
    stranger = site.consumer(environment={"DJUTILS_TEST_QUEUE_SIGNING_KEYS": '["of another site"]'})

    wait_until(lambda: site.queue.stats().delayed == 1, why=stranger.log)

    assert f"{handle.id} offered again in" in stranger.log()
    assert site.queue.stats().dead == 0
    assert commands.lines(site.file()) == []
    assert stranger.stop() == 0
