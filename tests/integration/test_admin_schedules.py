"""The admin's page of the schedules, on every store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client, override_settings
from django.urls import reverse

from djutils.queue import every, schedules
from djutils.queue.schedule_records import Records, Run
from tests.admins import page, signed_in, words
from tests.project.app import commands, nightly
from tests.sites import Site

SCHEDULES = "admin:djutils_queueschedule_changelist"
EACH_MINUTE = f"{nightly.__name__}.each_minute"
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


@pytest.fixture
def admin(site: Site) -> Iterator[Client]:
    with signed_in("alice", superuser=True) as client:
        yield client


@pytest.fixture
def mine(site: Site) -> str:
    name = "a report <for> Ada"
    schedules.add(name, commands.append, every(minutes=5), args=(site.file(), 1))
    return name


def press(client: Client, action: str) -> str:
    """Press a button; return what the page says then."""
    response = client.post(reverse(SCHEDULES), {"action": action}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def row(html: str, name: str) -> str:
    (found,) = [one for one in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL) if f">{name}<" in one]
    return words(f'id="content-main"{found}')


def test_every_schedule_says_when_it_ran_and_runs_and_what_became_of_it(
    admin: Client, site: Site, mine: str
) -> None:
    result = schedules.run_now(mine)

    html = page(admin, SCHEDULES)

    shown = row(html, "a report &lt;for&gt; Ada")
    assert re.search(r"&lt;every 0:05:00&gt;|<every 0:05:00>", shown)
    assert re.search(r"\d+ s ago Ready in \d+\s(s|minutes?) on Switch off Run now", shown)
    assert commands.append.command_class.name in shown
    assert f"{result.id}/change/" in html
    assert "<crontab 30 2 * * *> Europe/Berlin" in row(html, f"{nightly.__name__}.half_past_two")


def test_a_schedule_is_switched_off_and_on_and_run_now(admin: Client, site: Site, mine: str) -> None:
    said = press(admin, f"disable {mine}")
    assert "Switched off: a report &lt;for&gt; Ada. Every consumer follows within a minute." in said
    assert not schedules.get(mine).enabled
    assert " off Switch on Run now" in row(said, "a report &lt;for&gt; Ada")

    press(admin, f"enable {mine}")
    assert schedules.get(mine).enabled

    assert "It is enqueued." in press(admin, f"run {mine}")
    (waiting,) = site.queue.peek("ready")
    last = schedules.get(mine).last_result
    assert last is not None
    assert last.id == waiting.id
    logged = LogEntry.objects.filter(user__username="alice").order_by("pk")
    assert [one.change_message for one in logged] == [
        f"{done}: {mine}." for done in ("Switched off", "Switched on", "Run now")
    ]


@on_sqlite
def test_one_that_is_overdue_is_marked(admin: Client, site: Site) -> None:
    Records(site.queue.store).note(EACH_MINUTE, Run(int(time.time()) // 60 - 60, "", "<every 0:01:00>"))
    schedules.enable(EACH_MINUTE)
    assert "overdue: was due 59" in row(page(admin, SCHEDULES), EACH_MINUTE)


@on_sqlite
def test_a_schedule_that_is_gone_is_said(admin: Client, site: Site) -> None:
    assert "There is no schedule &#x27;gone&#x27;" in press(admin, "run gone")
    assert "There is no schedule &#x27;gone&#x27;" in press(admin, "disable gone")


@on_sqlite
def test_a_store_that_cannot_be_reached_gives_a_page_that_says_so(admin: Client) -> None:
    redis = "djutils.queue.backends.redis_backend.RedisQueue"
    with override_settings(QUEUE_BACKEND=redis, QUEUE_CONNECTION="redis://127.0.0.1:1/0"):
        assert "cannot be asked" in page(admin, SCHEDULES)
        assert "cannot be asked" in press(admin, f"disable {EACH_MINUTE}")


@on_sqlite
@pytest.mark.parametrize(
    ("permission", "may", "may_not"),
    [
        ("switch_queueschedule", ["disable"], ["run"]),
        ("run_queueschedule", ["run"], ["disable", "enable"]),
        ("view_queuemessage", [], ["run", "disable", "enable"]),
    ],
)
def test_each_button_has_its_own_permission(
    site: Site, mine: str, permission: str, may: list[str], may_not: list[str]
) -> None:
    with signed_in("decider", "view_queueschedule", permission) as client:
        html = page(client, SCHEDULES)
        for word in may:
            assert f'value="{word} ' in html
            assert client.post(reverse(SCHEDULES), {"action": f"{word} {mine}"}).status_code == 302
        before = schedules.get(mine)
        for word in may_not:
            assert f'value="{word} ' not in html
            assert client.post(reverse(SCHEDULES), {"action": f"{word} {mine}"}).status_code == 403
        assert schedules.get(mine) == before


@on_sqlite
def test_without_permission_nothing_is_seen_or_done(site: Site, mine: str) -> None:
    with signed_in("nobody", "run_queueschedule", "switch_queueschedule") as client:
        assert client.get(reverse(SCHEDULES)).status_code == 403
        assert client.post(reverse(SCHEDULES), {"action": f"disable {mine}"}).status_code == 403
    assert schedules.get(mine).enabled


@on_sqlite
def test_reading_the_page_changes_nothing(admin: Client, site: Site, mine: str) -> None:
    page(admin, SCHEDULES, action=f"disable {mine}")
    assert schedules.get(mine).enabled
