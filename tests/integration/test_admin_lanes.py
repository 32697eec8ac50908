"""The admin's page of the lanes, on every store."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from djutils.queue.message import Lane
from tests.admins import envelope, page, signed_in, words
from tests.project.app import limits
from tests.sites import Site

LANES = "admin:djutils_queuelane_changelist"
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


@pytest.fixture
def admin(site: Site) -> Iterator[Client]:
    with signed_in("alice", superuser=True) as client:
        yield client


def lanes(client: Client, site: Site, **query: str) -> str:
    return page(client, LANES, queue=site.queue.name, **query).partition('id="content-main"')[2]


def test_each_lane_says_what_waits_and_what_holds_its_places(admin: Client, site: Site) -> None:
    calls = [limits.visit(site.file(), "ada", number) for number in range(5)]
    html = lanes(admin, site)
    (row,) = re.findall(r"<tr>(.*?)</tr>", html.partition("<tbody>")[2], re.DOTALL)
    assert "ada" in row
    assert re.search(r" 3 2 of 2 full - - ", words(f'id="content-main"{row}'))
    assert all(call.id in row for call in calls[:2]) and calls[2].id not in row
    assert f"{reverse('admin:djutils_queuemessage_changelist')}" in row


def test_a_rate_says_when_it_opens(admin: Client, site: Site) -> None:
    site.queue.send_in_lanes([(envelope(site.queue), Lane("<api>", 5, pace=600.0)) for _ in range(3)])
    site.queue.admit(["<api>"])
    html = lanes(admin, site)
    assert "&lt;api&gt;" in html and "one every 10 min" in html
    assert re.search(r">in 0:0\d:\d\d<", html)


@on_sqlite
def test_many_lanes_come_in_pages(admin: Client, site: Site) -> None:
    site.queue.send_in_lanes([(envelope(site.queue), Lane(f"tenant-{n:03}")) for n in range(130)])
    first = lanes(admin, site)
    (after,) = re.findall(r'href="\?queue=[^"]*after=([^"]*)"', first)
    second = lanes(admin, site, after=after)
    shown = [re.findall(r'class="command">(tenant-\d+)<', html) for html in (first, second)]
    assert [len(one) for one in shown] == [100, 30]
    assert shown[0] + shown[1] == [f"tenant-{n:03}" for n in range(130)]


@on_sqlite
def test_nothing_in_lanes_is_said_and_a_page_needs_its_permission(site: Site) -> None:
    with signed_in("bob", "view_queuelane") as client:
        assert "Nothing waits or runs in a lane." in lanes(client, site)
        assert client.post(reverse(LANES)).status_code == 403
    with signed_in("carol", "view_queuemessage") as client:
        assert client.get(reverse(LANES)).status_code == 403
