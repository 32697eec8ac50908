"""The admin's page of the commands, on every store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from django.test import Client, override_settings
from django.urls import reverse
from pytest_django import Settings

from djutils.queue import counters
from djutils.queue.counters import RAN, RUNS, WAITED, WAITS, WIDTH, End
from tests.admins import page, signed_in, words
from tests.project.app import commands
from tests.sites import Site

FIGURES = "admin:djutils_queuecommandfigure_changelist"
APPEND = commands.append.command_class.name
FAIL = commands.fail.command_class.name
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


@pytest.fixture
def counted(site: Site) -> Site:
    """A site whose consumers have told of 90 runs that succeeded and 10 that failed, of 10 ms after 3 s each."""
    numbers = [0] * WIDTH
    numbers[RAN], numbers[WAITED] = 900_000, 270_000_000
    numbers[RUNS + counters.bucket_of(10_000)] = numbers[WAITS + counters.bucket_of(3_000_000)] = 90
    succeeded, died = [*numbers], [*numbers]
    succeeded[End.SUCCEEDED], died[End.DIED] = 90, 10
    counters.add(site.queue.store, {APPEND: succeeded, FAIL: died, "<b>gone": succeeded}, time.time())
    return site


@pytest.fixture
def admin(counted: Site) -> Iterator[Client]:
    with signed_in("alice", superuser=True) as client:
        yield client


def row(html: str, name: str) -> str:
    """Return the words of the row of a command."""
    rows = re.findall(r"<tr>(.*?)</tr>", html.replace("<wbr>", ""), re.DOTALL)
    (found,) = [one for one in rows if f">{name}<" in one]
    return words(f'id="content-main"{found}')


@pytest.mark.parametrize("span", ["1h", "24h", "7d", "30d", "nonsense"])
def test_each_command_says_how_many_runs_succeeded_and_how_long_they_took(admin: Client, span: str) -> None:
    html = page(admin, FIGURES, span=span)

    assert re.search(r"90 0 0 10\sms 1\d\sms 16\sms 4\.\d\ss", row(html, APPEND))
    assert re.search(r" 10 10 10 ", row(html, FAIL))
    assert "&lt;b&gt;gone" in html
    assert 'aria-label="10 runs, 10 of them failed; at most 10 ' in html
    assert "190 runs, 10 of them failed" in html


@on_sqlite
def test_a_name_leads_to_its_messages_and_a_failure_to_its_dead_letters(admin: Client, counted: Site) -> None:
    html = page(admin, FIGURES)
    query = f"?queue={counted.queue.name}&amp;command={FAIL}"
    assert f"{reverse('admin:djutils_queuemessage_changelist')}{query}" in html
    assert f"{reverse('admin:djutils_queuedeadletter_changelist')}{query}" in html


@on_sqlite
def test_who_may_only_see_figures_gets_no_links_and_who_may_not_is_refused(counted: Site) -> None:
    with signed_in("bob", "view_queuecommandfigure") as client:
        html = page(client, FIGURES)
        assert "90" in row(html, APPEND) and "/queuemessage/" not in html
        assert client.post(reverse(FIGURES)).status_code == 403
    with signed_in("carol", "view_queuemessage") as client:
        assert client.get(reverse(FIGURES)).status_code == 403


@on_sqlite
def test_what_is_not_counted_is_unknown_and_not_zero(site: Site, settings: Settings) -> None:
    settings.QUEUE_BACKEND = "tests.contract.four_methods.FolderQueue"
    settings.QUEUE_CONNECTION = site.file("four methods")
    with signed_in("alice", superuser=True) as client:
        assert "unknown: this backend has no store" in page(client, FIGURES)


@on_sqlite
def test_a_store_that_is_away_is_said_and_shows_no_number(site: Site) -> None:
    redis = "djutils.queue.backends.redis_backend.RedisQueue"
    with (
        signed_in("alice", superuser=True) as client,
        override_settings(QUEUE_BACKEND=redis, QUEUE_CONNECTION="redis://127.0.0.1:1/0"),
    ):
        html = page(client, FIGURES)
    assert "cannot be asked" in html
    assert '<svg class="runs"' not in html.partition('id="content-main"')[2]
