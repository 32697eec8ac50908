"""What is decided about dead letters in the admin goes through the queue, and is logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from djutils.models import DeadLetter, QueueMessage, State
from djutils.queue.backends import queues
from djutils.queue.backends.base import LeasedQueue, new_owner
from djutils.queue.message import Envelope, Rejection, new_id

NAME = "alice\nERROR forged"
LIST = "admin:djutils_deadletter_changelist"


@pytest.fixture
def queue(sqlite_alias: str, settings: Settings) -> Iterator[LeasedQueue]:
    settings.QUEUE_BACKEND = "djutils.queue.backends.database.DatabaseQueue"
    settings.QUEUE_CONNECTION = ""
    found = queues[f"admin-{new_id()}"]
    assert isinstance(found, LeasedQueue)
    yield found
    QueueMessage.objects.filter(queue=found.name).delete()


@pytest.fixture
def alice(sqlite_alias: str) -> Iterator[Client]:
    user = User.objects.create_superuser(NAME)
    client = Client()
    client.force_login(user)
    yield client
    LogEntry.objects.filter(user=user).delete()
    user.delete()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "djutils.queue.dead_letters"):
        yield caplog


def let_die(queue: LeasedQueue, count: int) -> list[str]:
    owner = new_owner()
    queue.enroll(owner)
    queue.send([Envelope(new_id(), b"data") for _ in range(count)])
    ids = [delivery.id for delivery in queue.receive(owner, count).deliveries]
    queue.reject(owner, [Rejection(id, "ValueError: no") for id in ids])
    queue.reap(owner)
    return ids


def act(client: Client, action: str, ids: list[str], **more: str) -> None:
    keys = DeadLetter.objects.filter(message_id__in=ids).values_list("pk", flat=True)
    data = {"action": action, "_selected_action": [str(key) for key in keys], **more}
    assert client.post(reverse(LIST), data).status_code == 302


def entries(flag: int) -> list[str]:
    found = LogEntry.objects.filter(action_flag=flag, user__username=NAME)
    return sorted(found.values_list("object_repr", flat=True))


def test_what_is_replayed_goes_where_the_command_line_puts_it(alice: Client, queue: LeasedQueue) -> None:
    ids = let_die(queue, 3)
    queue.send([Envelope(waiting := new_id(), b"data")])
    act(alice, "replay", ids)
    owner = new_owner()
    queue.enroll(owner)
    lent = [delivery.id for delivery in queue.receive(owner, 10).deliveries]
    assert lent == [*ids, waiting]


def test_a_replay_is_logged_with_who_and_what_and_is_an_entry_in_djangos_log(
    alice: Client, queue: LeasedQueue, logged: pytest.LogCaptureFixture
) -> None:
    one, two, three = let_die(queue, 3)
    act(alice, "replay", [one, three])
    assert (
        f"alice\\nERROR forged (admin) replayed 2 dead letters of the queue '{queue.name}': {one}, {three}"
        in logged.messages
    )
    assert entries(CHANGE) == [one, three]
    assert set(LogEntry.objects.filter(user__username=NAME).values_list("change_message", flat=True)) == {
        "Replayed."
    }
    assert queue.dead_ids("") == [two]


def test_every_dead_letter_of_a_list_is_replayed_in_parts(
    alice: Client, queue: LeasedQueue, logged: pytest.LogCaptureFixture
) -> None:
    ids = let_die(queue, 240) + let_die(queue, 240) + let_die(queue, 240)
    act(alice, "replay", ids[:1], select_across="1")
    assert queue.stats()[:] == (720, 0, 0, 0)
    assert [text.split()[3:6] for text in logged.messages] == [
        ["replayed", "500", "dead"],
        ["replayed", "220", "dead"],
    ]


def test_deleting_dead_letters_is_logged_as_a_discard(
    alice: Client, queue: LeasedQueue, logged: pytest.LogCaptureFixture
) -> None:
    one, two, three = let_die(queue, 3)
    act(alice, "delete_selected", [one, two], post="yes")
    key = DeadLetter.objects.get(message_id=three).pk
    assert (
        alice.post(reverse("admin:djutils_deadletter_delete", args=[key]), {"post": "yes"}).status_code == 302
    )
    who = "alice\\nERROR forged (admin) discarded"
    assert f"{who} 2 dead letters of the queue '{queue.name}': {one}, {two}" in logged.messages
    assert f"{who} 1 dead letter of the queue '{queue.name}': {three}" in logged.messages
    assert entries(DELETION) == [one, two, three]
    assert queue.dead_ids("") == []


def test_deleting_any_messages_logs_those_that_were_dead(
    alice: Client, queue: LeasedQueue, logged: pytest.LogCaptureFixture
) -> None:
    (dead,) = let_die(queue, 1)
    queue.send([Envelope(waiting := new_id(), b"data")])
    keys = QueueMessage.objects.filter(message_id__in=[dead, waiting]).values_list("pk", flat=True)
    data = {"action": "delete_selected", "_selected_action": [*map(str, keys)], "post": "yes"}
    assert alice.post(reverse("admin:djutils_queuemessage_changelist"), data).status_code == 302
    assert [text for text in logged.messages if "discarded" in text] == [
        f"alice\\nERROR forged (admin) discarded 1 dead letter of the queue '{queue.name}': {dead}"
    ]
    assert not QueueMessage.objects.filter(queue=queue.name).exists()
    assert entries(DELETION) == sorted([dead, waiting])


def test_a_message_that_lives_again_is_not_replayed_twice(alice: Client, queue: LeasedQueue) -> None:
    (one,) = let_die(queue, 1)
    row = QueueMessage.objects.get(message_id=one)
    queue.replay([one])
    response = alice.post(reverse(LIST), {"action": "replay", "_selected_action": [str(row.pk)]})
    assert response.status_code == 302
    assert QueueMessage.objects.get(message_id=one).state == State.READY
    assert entries(CHANGE) == []


def test_replaying_needs_its_own_permission(queue: LeasedQueue) -> None:
    (one,) = let_die(queue, 1)
    bob = User.objects.create_user("bob", is_staff=True)
    try:
        bob.user_permissions.add(Permission.objects.get(codename="view_deadletter"))
        client = Client()
        client.force_login(bob)
        key = DeadLetter.objects.get(message_id=one).pk
        client.post(reverse(LIST), {"action": "replay", "_selected_action": [str(key)]})
        assert queue.dead_ids("") == [one]
    finally:
        bob.delete()
