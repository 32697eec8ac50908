"""Who may do what in the admin, and what a page makes of what it is given."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path, reverse
from pytest_django import Settings

from djutils.admin import QueueDeadLetterAdmin, QueueMessageAdmin
from djutils.models import QueueDeadLetter, QueueMessage
from djutils.queue.backends.base import BaseQueue
from tests.admins import DEAD, MESSAGES, let_die, page, send, signed_in
from tests.project.urls import urlpatterns as usual
from tests.sites import Site

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
ONE = "admin:djutils_queuedeadletter_"

staff_site = AdminSite(name="staff")
staff_site.register(QueueDeadLetter, QueueDeadLetterAdmin)
queue_site = AdminSite(name="onlyqueue")
queue_site.register(QueueMessage, QueueMessageAdmin)
urlpatterns = [*usual, path("staff/", staff_site.urls), path("onlyqueue/", queue_site.urls)]


@pytest.fixture
def dead(site: Site) -> tuple[BaseQueue, str]:
    (id,) = let_die(site.queue, 1)
    return site.queue, id


def key(dead: tuple[BaseQueue, str]) -> str:
    return f"{dead[0].name}:{dead[1]}"


def test_who_may_only_view_sees_no_buttons_and_is_refused(dead: tuple[BaseQueue, str]) -> None:
    with signed_in("viewer", "view_queuedeadletter") as client:
        one = reverse(f"{ONE}change", args=[quote(key(dead))])
        for html in (page(client), client.get(one).content.decode()):
            assert not re.search(r"<button[^>]*(replay|discard)|delete/|/replay/|name=.selected", html)
        for action in ("replay_selected", "discard_selected", "replay_matching", "discard_matching"):
            data = {"action": action, "selected": [key(dead)], "confirmed": "yes"}
            assert client.post(reverse(DEAD), data).status_code == 403
        for name in ("replay", "delete"):
            assert client.post(reverse(ONE + name, args=[quote(key(dead))])).status_code == 403
        assert client.get(reverse(f"{ONE}delete", args=[quote(key(dead))])).status_code == 403
        assert client.get(reverse(MESSAGES)).status_code == 403
    assert dead[0].stats().dead == 1


@pytest.mark.parametrize(
    ("permission", "may", "may_not"),
    [("replay_queuedeadletter", "replay", "discard"), ("delete_queuedeadletter", "discard", "replay")],
)
def test_each_decision_has_its_own_permission(
    dead: tuple[BaseQueue, str], permission: str, may: str, may_not: str
) -> None:
    with signed_in("decider", "view_queuedeadletter", permission) as client:
        html = page(client)
        assert f'value="{may}_selected"' in html
        assert f'value="{may_not}_selected"' not in html
        data = {"selected": [key(dead)], "confirmed": "yes"}
        assert client.post(reverse(DEAD), {"action": f"{may_not}_selected", **data}).status_code == 403
        assert dead[0].stats().dead == 1
        assert client.post(reverse(DEAD), {"action": f"{may}_selected", **data}).status_code == 302
    assert dead[0].stats().dead == 0


def test_who_has_no_permission_sees_nothing(dead: tuple[BaseQueue, str]) -> None:
    with signed_in("nobody") as client:
        for name in (DEAD, MESSAGES):
            assert client.get(reverse(name)).status_code == 403
            assert client.post(reverse(name)).status_code == 403


def test_who_is_no_staff_is_sent_to_the_login(dead: tuple[BaseQueue, str]) -> None:
    with signed_in("customer", "view_queuedeadletter", "replay_queuedeadletter", staff=False) as client:
        for name in (reverse(DEAD), reverse(f"{ONE}replay", args=[quote(key(dead))])):
            answer = client.post(name, {"action": "replay_matching"})
            assert answer.status_code == 302
            assert answer.url.startswith(reverse("admin:login"))
    assert dead[0].stats().dead == 1


def test_reading_an_address_changes_nothing(dead: tuple[BaseQueue, str]) -> None:
    with signed_in("alice", superuser=True) as client:
        for name in ("replay", "delete", "change"):
            assert client.get(reverse(ONE + name, args=[quote(key(dead))])).status_code in {200, 302}
        client.get(reverse(DEAD), {"action": "replay_selected", "selected": key(dead), "confirmed": "yes"})
    assert dead[0].stats().dead == 1


def test_a_form_from_elsewhere_is_refused(dead: tuple[BaseQueue, str], sqlite_alias: str) -> None:
    user = User.objects.create_superuser("carol")
    try:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        assert client.post(reverse(DEAD), {"action": "replay_matching"}).status_code == 403
        for name in ("replay", "delete"):
            assert client.post(reverse(ONE + name, args=[quote(key(dead))])).status_code == 403
    finally:
        user.delete()
    assert dead[0].stats().dead == 1


def test_messages_cannot_be_added_changed_or_deleted(site: Site) -> None:
    (waiting,) = send(site.queue, 1)
    with signed_in("alice", superuser=True) as client:
        html = page(client, MESSAGES)
        assert "<button" not in html[html.index('id="content-main"') :]
        assert client.post(reverse(MESSAGES), {"action": "delete_selected"}).status_code == 403
        for end in ("add/", f"{quote(site.queue.name + ':' + waiting)}/delete/"):
            client.post(reverse(MESSAGES) + end)
    assert site.queue.stats().ready == 1


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_markup_in_a_message_is_text(site: Site, text: str) -> None:
    (id,) = let_die(site.queue, 1, f"{text}\n{text}", text)
    with signed_in("alice", superuser=True) as client:
        pages = [page(client), page(client, MESSAGES), page(client, reason=text, command=text, queue=text)]
        pages.append(page(client, after=text, order=text, state=text))
        for name in ("change", "delete"):
            where = reverse(ONE + name, args=[quote(f"{site.queue.name}:{id}")])
            pages.append(client.get(where).content.decode())
        where = reverse(DEAD, query={"reason": text})
        pages.append(client.post(where, {"action": "discard_matching"}).content.decode())
        pages.append(client.post(where, {"action": "discard_selected", "selected": text}).content.decode())
        client.post(where, {"action": "replay_selected", "selected": f"{site.queue.name}:{id}"})
        pages.append(client.get(reverse("admin:index")).content.decode())
    for html in pages:
        assert "<script>alert" not in html
        assert "<img src=x" not in html


def test_no_page_has_scripts_or_styles_inside(dead: tuple[BaseQueue, str]) -> None:
    with signed_in("alice", superuser=True) as client:
        pages = [page(client), page(client, MESSAGES)]
        pages += [
            client.get(reverse(ONE + n, args=[quote(key(dead))])).content.decode()
            for n in ("change", "delete")
        ]
    for html in pages:
        assert not re.search(r"<style|style=|\son[a-z]+=|javascript:|<script(?![^>]*src=)", html)


def test_another_admin_site_has_its_own_addresses(dead: tuple[BaseQueue, str], settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    with signed_in("alice", superuser=True) as client:
        where = reverse(DEAD, current_app="staff")
        assert where.startswith("/staff/")
        html = client.get(where).content.decode()
        links = [
            *re.findall(r'href="(/[^"]*djutils[^"]*)"', html),
            *re.findall(r'href="(/[^"]*change/)"', html),
        ]
        assert links
        assert not [link for link in links if link.startswith("/admin/")]
        answer = client.post(where, {"action": "replay_selected", "selected": [key(dead)]})
        assert answer.url == where
        assert client.get("/onlyqueue/djutils/queuemessage/").status_code == 200
    assert dead[0].stats().dead == 0


def test_a_site_that_wraps_requests_in_transactions_commits_part_by_part(
    dead: tuple[BaseQueue, str], settings: Settings
) -> None:
    with signed_in("alice", superuser=True) as client:
        match = client.get(reverse(DEAD)).resolver_match
        assert match is not None
        assert "default" in getattr(match.func, "_non_atomic_requests")  # noqa: B009
