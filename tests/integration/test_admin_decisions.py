"""What is decided about dead letters in the admin goes through the queue, in parts, and is logged."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from djutils.queue.backends.base import BaseQueue
from tests.admins import DEAD, NOTE, field, lend, let_die, send, signed_in
from tests.sites import Site

NAME = "alice\nERROR forged"
WHO = "alice\\nERROR forged (admin)"


@pytest.fixture
def queue(site: Site) -> BaseQueue:
    return site.queue


@pytest.fixture
def alice(site: Site) -> Iterator[Client]:
    with signed_in(NAME, superuser=True) as client:
        yield client


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "djutils.queue.dead_letters"):
        yield caplog


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has time for one part of what it is to do."""
    monkeypatch.setattr("djutils.admin.deciding.SECONDS", 0.0)


def act(client: Client, action: str, queue: BaseQueue, ids: list[str], **more: str) -> None:
    data = {"action": action, "selected": [f"{queue.name}:{id}" for id in ids], **more}
    assert client.post(reverse(DEAD), data).status_code == 302


def act_on_all(client: Client, verb: str, **query: str) -> str:
    """Press the button, say yes, and go on until it is done; return what the pages said."""
    where = reverse(DEAD, query=query)
    said = client.post(where, {"action": f"{verb}_matching"}).content.decode()
    for _ in range(10):
        answer = client.post(where, {"action": f"{verb}_matching", "progress": field(said, "progress")})
        if answer.status_code == 302:
            return said + client.get(answer.url).content.decode()
        said = answer.content.decode()
    raise AssertionError("there is an end")


def entries(flag: int) -> list[LogEntry]:
    return list(LogEntry.objects.filter(action_flag=flag, user__username=NAME).order_by("id"))


def test_what_is_replayed_goes_where_the_command_line_puts_it(alice: Client, queue: BaseQueue) -> None:
    ids = let_die(queue, 3)
    (waiting,) = send(queue, 1)
    act(alice, "replay_selected", queue, ids)
    assert lend(queue, 10)[1] == [*ids, waiting]


def test_a_replay_is_logged_with_who_and_what_and_is_an_entry_in_djangos_log(
    alice: Client, queue: BaseQueue, logged: pytest.LogCaptureFixture
) -> None:
    one, two, three = let_die(queue, 3)
    act(alice, "replay_selected", queue, [one, three])
    assert f"{WHO} replayed 2 dead letters of the queue '{queue.name}': {one}, {three}" in logged.messages
    (entry,) = entries(CHANGE)
    assert str(entry.object_repr) == f"2 dead letters of 2 selected, on the queue '{queue.name}'"
    assert one in entry.change_message
    assert three in entry.change_message
    assert queue.dead_ids("") == [two]


def test_the_entry_of_a_single_message_leads_to_its_page(alice: Client, queue: BaseQueue) -> None:
    (one,) = let_die(queue, 1)
    page = reverse("admin:djutils_queuedeadletter_change", args=[quote(f"{queue.name}:{one}")])
    button = re.search(r'<form method="post" action="([^"]*)"><input', alice.get(page).content.decode())
    assert button
    answer = alice.post(button[1])
    assert (answer.status_code, answer.url) == (302, page)
    (entry,) = entries(CHANGE)
    assert entry.object_repr == f"{NOTE} {one}"
    assert entry.get_admin_url() == page
    assert "waiting" in alice.get(page).content.decode()
    assert page in alice.get(reverse("admin:index")).content.decode()


def test_one_is_discarded_after_a_question(
    alice: Client, queue: BaseQueue, logged: pytest.LogCaptureFixture
) -> None:
    (one,) = let_die(queue, 1)
    question = reverse("admin:djutils_queuedeadletter_delete", args=[quote(f"{queue.name}:{one}")])
    assert "Yes, discard" in alice.get(question).content.decode()
    assert queue.dead_ids("") == [one]
    assert alice.post(question).status_code == 302
    assert queue.dead_ids("") == []
    assert f"{WHO} discarded 1 dead letter of the queue '{queue.name}': {one}" in logged.messages
    (entry,) = entries(DELETION)
    assert entry.object_id == f"{queue.name}:{one}"


def test_those_selected_are_discarded_after_a_question(
    alice: Client, queue: BaseQueue, logged: pytest.LogCaptureFixture
) -> None:
    one, two, three = let_die(queue, 3)
    chosen = {"action": "discard_selected", "selected": [f"{queue.name}:{id}" for id in (one, two)]}
    question = alice.post(reverse(DEAD), chosen)
    assert "Yes, discard" in question.content.decode()
    assert len(queue.dead_ids("")) == 3
    act(alice, "discard_selected", queue, [one, two], confirmed="yes")
    assert queue.dead_ids("") == [three]
    assert f"{WHO} discarded 2 dead letters of the queue '{queue.name}': {one}, {two}" in logged.messages


def test_everything_is_replayed_in_parts_and_in_the_order_it_was_sent(
    alice: Client, queue: BaseQueue, logged: pytest.LogCaptureFixture
) -> None:
    ids = let_die(queue, 720)
    said = act_on_all(alice, "replay", queue=queue.name)
    assert "720 dead letters will run again" in said
    assert [text.split()[3:6] for text in logged.messages] == [
        ["replayed", "500", "dead"],
        ["replayed", "220", "dead"],
    ]
    assert lend(queue, 10)[1] == ids[:10]
    (entry,) = entries(CHANGE)
    assert entry.object_repr.startswith(f"720 dead letters of the queue '{queue.name}', died up to ")
    assert entry.object_id is None


def test_a_request_that_has_no_time_left_goes_on_in_the_next_one(
    alice: Client, queue: BaseQueue, hurried: None
) -> None:
    let_die(queue, 720)
    where = reverse(DEAD)
    said = alice.post(where, {"action": "discard_matching"}).content.decode()
    form = {"action": "discard_matching", "progress": field(said, "progress")}
    said = alice.post(where, form).content.decode()
    assert "200 dead letters discarded so far" in said
    assert "Continue" in said
    assert queue.stats().dead == 520
    fresh = let_die(queue, 1)
    form["progress"] = field(said, "progress")
    for _ in range(10):
        if (answer := alice.post(where, form)).status_code == 302:
            break
        form["progress"] = field(answer.content.decode(), "progress")
    assert "720 dead letters discarded" in alice.get(where).content.decode()
    assert queue.dead_ids("") == fresh
    assert sum(int(entry.object_repr.split()[0]) for entry in entries(DELETION)) == 720


def test_a_search_that_finds_few_gets_on_from_request_to_request(
    alice: Client, queue: BaseQueue, hurried: None
) -> None:
    (rare,) = let_die(queue, 1, "TimeoutError: slow")
    other = let_die(queue, 450)
    act_on_all(alice, "discard", reason="timeout")
    assert sorted(queue.dead_ids("", 1000)) == other
    assert rare not in other


def test_what_dies_after_the_button_was_pressed_stays(alice: Client, queue: BaseQueue) -> None:
    let_die(queue, 3)
    said = alice.post(reverse(DEAD), {"action": "replay_matching"}).content.decode()
    (later,) = let_die(queue, 1)
    alice.post(reverse(DEAD), {"action": "replay_matching", "progress": field(said, "progress")})
    assert queue.dead_ids("") == [later]


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_a_store_that_fails_on_the_way_is_said_and_the_rest_can_be_done_later(
    alice: Client, site: Site, settings: Settings
) -> None:
    let_die(site.queue, 3)
    said = alice.post(reverse(DEAD), {"action": "replay_matching"}).content.decode()
    there, settings.QUEUE_CONNECTION = settings.QUEUE_CONNECTION, "redis://127.0.0.1:1/0"
    try:
        form = {"action": "replay_matching", "progress": field(said, "progress")}
        said = alice.post(reverse(DEAD), form).content.decode()
    finally:
        settings.QUEUE_CONNECTION = there
    assert f"The queue &#x27;{site.queue.name}&#x27; cannot be asked" in said
    assert "Continue tries the rest again" in said
    assert entries(CHANGE) == []
    form["progress"] = field(said, "progress")
    assert alice.post(reverse(DEAD), form).status_code == 302
    assert site.queue.stats()[:] == (3, 0, 0, 0, 0)


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_only_what_matches_is_decided_on(alice: Client, queue: BaseQueue, verb: str) -> None:
    slow = let_die(queue, 30, "TimeoutError: slow")
    other = let_die(queue, 30)
    said = act_on_all(alice, verb, reason="timeout", command="note")
    assert "30 dead letters" in said
    assert sorted(queue.dead_ids("", 100)) == other
    assert not set(slow) & set(queue.dead_ids("", 100))
    flag = CHANGE if verb == "replay" else DELETION
    assert "command note, reason contains “timeout”" in entries(flag)[0].change_message


def test_a_message_that_lives_again_is_not_replayed_twice(alice: Client, queue: BaseQueue) -> None:
    (one,) = let_die(queue, 1)
    queue.replay([one])
    act(alice, "replay_selected", queue, [one])
    assert queue.stats()[:] == (1, 0, 0, 0, 0)
    assert entries(CHANGE) == []


def test_nothing_selected_changes_nothing(alice: Client, queue: BaseQueue) -> None:
    let_die(queue, 1)
    act(alice, "replay_selected", queue, [])
    assert queue.stats().dead == 1


@pytest.mark.parametrize(
    "progress",
    ["", "x", "[]", "[1,2,3,4]", '["2020-01-01",["a"],"",0]', '["2020-01-01T00:00:00+00:00",7,"",0]'],
)
def test_a_form_that_was_changed_changes_nothing(alice: Client, queue: BaseQueue, progress: str) -> None:
    let_die(queue, 1)
    answer = alice.post(reverse(DEAD), {"action": "discard_matching", "progress": progress}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert queue.stats().dead == 1
