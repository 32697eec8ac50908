"""The admin's page of the dead letters by cause, on every store."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from djutils.queue.backends.base import new_owner
from djutils.queue.message import Rejection
from tests.admins import DEAD, NOTE, TRACEBACK, page, send, signed_in, words
from tests.sites import Site

GROUPS = "admin:djutils_queuedeadletter_groups"
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


def die(site: Site, *errors: str) -> list[str]:
    """Make a dead letter of each error; return their ids."""
    owner = new_owner()
    ids = send(site.queue, len(errors))
    site.queue.enroll(owner)
    site.queue.receive(owner, len(errors))
    site.queue.reject(owner, [Rejection(id, error) for id, error in zip(ids, errors, strict=True)])
    site.queue.reap(owner)
    return ids


def test_each_cause_says_how_many_and_leads_to_all_of_them(site: Site) -> None:
    die(site, TRACEBACK, TRACEBACK.replace("such", "other"), "KeyError: '<b>'")
    with signed_in("alice", superuser=True) as client:
        shown = page(client, GROUPS)
        rows = re.findall(r"<tr>(.*?)</tr>", shown.partition("<tbody>")[2].replace("<wbr>", ""), re.DOTALL)
        first, second = rows
        assert NOTE in first and NOTE in second
        assert re.search(
            r"ValueError shop/commands.py:12 in send_welcome .* 2 2 2 2 ", words(f'id="content-main"{first}')
        )
        assert "&lt;b&gt;" in second
        (link,) = re.findall(r'class="number"><a href="([^"]*)"', first)
        listed = client.get(html.unescape(link)).content.decode()
        assert (
            listed.count("ValueError: no ") >= 2
            and "KeyError" not in listed.partition('<table class="found')[2]
        )
        assert reverse(GROUPS) in page(client, DEAD)


@on_sqlite
def test_it_needs_the_permission_to_see_dead_letters_and_changes_nothing(site: Site) -> None:
    with signed_in("bob", "view_queuedeadletter") as client:
        assert "There are no dead letters" in page(client, GROUPS)
        assert client.post(reverse(GROUPS)).status_code == 403
    with signed_in("carol", "view_queuemessage") as client:
        assert client.get(reverse(GROUPS)).status_code == 403
