"""The admin's page of the consumers, on every store."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from djutils.queue.presence import workers_of
from tests.admins import page, signed_in
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

CONSUMERS = "admin:djutils_queueconsumer_changelist"
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


def content(client: Client) -> str:
    """Return the page without its frame."""
    return page(client, CONSUMERS).partition('id="content-main"')[2]


def test_every_process_is_shown_with_what_it_runs_and_its_death_is_noticed(site: Site) -> None:
    with signed_in("alice", superuser=True) as client:
        alone = f"The queue &#x27;{site.queue.name}&#x27; has no consumer."
        assert alone in content(client)

        consumer = site.consumer("--lease", "2", processes=2).ready()
        call = commands.hold(site.file(), site.file("gate"))
        wait_until(lambda: call.id in content(client), why=site.logs)
        html = content(client)
        assert all(f">{pid}<" in html for pid in consumer.workers())
        assert alone not in html

        consumer.kill_all()
        wait_until(lambda: "Nothing was heard of worker" in content(client))
        assert alone in content(client)
        assert [one.is_present for one in workers_of(site.queue) or ()] == [False, False]


@on_sqlite
def test_it_needs_its_own_permission_and_changes_nothing(site: Site) -> None:
    with signed_in("bob", "view_queueconsumer") as client:
        assert "has no consumer" in content(client)
        assert client.post(reverse(CONSUMERS)).status_code == 403
    with signed_in("carol", "view_queuemessage") as client:
        assert client.get(reverse(CONSUMERS)).status_code == 403
