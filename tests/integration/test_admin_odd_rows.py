"""The admin's lists and pages, whatever lies in the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from djutils.models import QueueMessage, QueueWorker, State
from djutils.queue import codec
from djutils.queue.ids import new_id
from djutils.queue.message import Message
from djutils.queue.queue import invoker
from tests.admins import field
from tests.project.app import ledger

LAST_DAY = 253_402_300_799_000
"""In milliseconds: the last second of the year 9999, in UTC."""


@pytest.fixture
def admin(settings: Settings, sqlite_alias: str) -> Iterator[Client]:
    """A user who may see everything, in the time zone farthest from UTC."""
    settings.TIME_ZONE = "Pacific/Kiritimati"
    user = User.objects.create_superuser(new_id()[:20])
    client = Client()
    client.force_login(user)
    yield client
    user.delete()
    QueueMessage.objects.all().delete()
    QueueWorker.objects.filter(owner=7).delete()


def genuine(queue: str = "odd") -> bytes:
    return codec.encode(Message(new_id(), ledger.enter.command_class.name, queue, 1.0, codec.dump(((), {}))))


def foreign(settings: Settings) -> bytes:
    settings.QUEUE_SIGNING_KEYS = ["the key of another site"]
    data = genuine()
    settings.QUEUE_SIGNING_KEYS = None
    return data


ODD: list[dict[str, Any]] = [
    {},
    {"message": b""},
    {"message": b"\xff" * 40},
    {"message": b"djq\x02" + bytes(100)},
    {"message": b"djq\x01" + bytes(200)},
    {"message": genuine("elsewhere")},
    {"queue": ""},
    {"queue": "\N{PILE OF POO}<script>alert(1)</script>"},
    {"message_id": "<b>bold</b>"},
    {"message_id": ""},
    {"error": None},
    {"error": ""},
    {"error": "\n\n"},
    {"error": "<script>alert(1)</script>\nline"},
    *(
        {"died": died}
        for died in (None, 0, -1, LAST_DAY, LAST_DAY + 1000, 2**63 - 1, -(2**63), -62_135_596_800_000)
    ),
    {"attempts": -1, "crashes": 2**31 - 1, "redeliveries": -5, "offers": 9},
    {"rank": 32767},
    {"owner": 2**62},
    {"state": 7},
]


COLUMNS = [
    "message",
    "message_id",
    "prio_rank",
    "due",
    "died",
    "owner",
    "attempts",
    "state",
    "error",
    "queue",
]


@pytest.mark.parametrize(
    ("odd", "use_tz"), [(odd, True) for odd in ODD] + [(odd, False) for odd in ODD if "died" in odd]
)
def test_an_odd_row_is_shown_in_whatever_state(
    admin: Client, settings: Settings, odd: dict[str, Any], use_tz: bool
) -> None:
    settings.USE_TZ = use_tz
    for state in State if "message_id" not in odd else [State.DEAD]:
        plain = {"message_id": new_id(), "queue": "odd", "state": state, "died": 1, "message": genuine()}
        QueueMessage.objects.create(**plain | odd)
    assert_all_pages_answer(admin, odd.get("queue", "odd"))


def assert_all_pages_answer(admin: Client, queue: str = "odd") -> None:
    """Each page and each that it links to, in whatever order."""
    for kind in ("queuemessage", "queuedeadletter"):
        for query in ({}, {"queue": queue, "order": "oldest"}):
            page = html_of(admin, reverse(f"admin:djutils_{kind}_changelist", query=query))
            for url in {unescape(url) for url in re.findall(r'href="(/admin/djutils/[^"]*change/)"', page)}:
                html_of(admin, url)


def html_of(admin: Client, url: str) -> str:
    page = admin.get(url)
    assert page.status_code == 200
    assert b"<script>alert(1)" not in page.content
    assert b"cannot be asked" not in page.content
    return page.content.decode()


def test_a_message_of_another_site_is_shown_with_the_reason(admin: Client, settings: Settings) -> None:
    QueueMessage.objects.create(message_id=new_id(), queue="odd", message=foreign(settings))
    page = admin.get(reverse("admin:djutils_queuemessage_changelist", query={"queue": "odd"}))
    assert "Signed with a key this site does not have" in page.content.decode()


@pytest.mark.parametrize("state", ["ready", "leased", "dead"])
@pytest.mark.parametrize("value", ["'text'", "x'ff00'", "1.5", "'1e999'", "CAST(x'ff00' AS TEXT)"])
def test_a_value_of_another_type_which_sqlite_allows_is_shown(admin: Client, value: str, state: str) -> None:
    QueueWorker.objects.create(owner=7, queue="odd")
    facts = {"queue": "odd", "state": State[state.upper()], "owner": 7, "died": 1, "message": genuine()}
    QueueMessage.objects.create(message_id=(sound := new_id()), **facts)
    for column in COLUMNS:
        odd = QueueMessage.objects.create(message_id=new_id(), **facts)
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE djutils_queuemessage SET {column} = {value} WHERE id = %s", [odd.pk])
    assert_all_pages_answer(admin)
    assert sound in html_of(admin, reverse("admin:djutils_queuemessage_changelist", query={"queue": "odd"}))


def test_odd_rows_are_discarded_with_everything_else(admin: Client) -> None:
    for error in ("'sound'", "CAST(x'ff00' AS TEXT)"):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO djutils_queuemessage (message_id, queue, state, died, message, error)"
                f" VALUES (%s, 'odd', 3, 1, x'00', {error})",
                [new_id()],
            )
    where = reverse("admin:djutils_queuedeadletter_changelist", query={"queue": "odd"})
    question = admin.post(where, {"action": "discard_matching"}).content.decode()
    form = {"action": "discard_matching", "progress": field(question, "progress")}
    assert admin.post(where, form).status_code == 302
    assert not QueueMessage.objects.filter(queue="odd").exists()


def test_keys_that_cannot_work_are_said_in_the_list(admin: Client, settings: Settings) -> None:
    ledger.enter("x")
    settings.QUEUE_SIGNING_KEYS = [""]
    page = admin.get(reverse("admin:djutils_queuemessage_changelist"))
    assert page.status_code == 200
    assert "QUEUE_SIGNING_KEYS[0] is empty" in page.content.decode()
    settings.QUEUE_SIGNING_KEYS = None
    invoker.flush()
