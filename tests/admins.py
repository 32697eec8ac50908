"""People at the admin, and messages for them to look at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import unescape

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from djutils.queue import codec
from djutils.queue.backends.base import BaseQueue, new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter, Envelope, Message, Rejection

DEAD = "admin:djutils_queuedeadletter_changelist"
MESSAGES = "admin:djutils_queuemessage_changelist"
NOTE = "tests.project.app.commands.note"
TRACEBACK = (
    "ValueError: no such customer\nTraceback (most recent call last):\n"
    '  File "shop/commands.py", line 12, in send_welcome\n    customer = find(number)\n'
)


@contextmanager
def signed_in(name: str, *permissions: str, superuser: bool = False, staff: bool = True) -> Iterator[Client]:
    """A browser of a user with these permissions, such as 'view_queuedeadletter'."""
    user = User.objects.create_user(name, is_staff=staff, is_superuser=superuser)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=permissions, content_type__app_label="djutils")
    )
    client = Client()
    client.force_login(user)
    try:
        yield client
    finally:
        LogEntry.objects.filter(user=user).delete()
        user.delete()


def envelope(queue: BaseQueue, command: str = NOTE, **options: float) -> Envelope:
    """A message as a call of ``command`` would send it."""
    id = new_id()
    message = Message(id, command, queue.name, 1.7e9, codec.dump((("a secret",), {})))
    return Envelope(id, codec.encode(message), **options)  # type: ignore[arg-type]


def send(queue: BaseQueue, count: int, command: str = NOTE, **options: float) -> list[str]:
    """Messages that wait; the first that was sent comes first."""
    envelopes = [envelope(queue, command, **options) for _ in range(count)]
    if isinstance(queue, LeasedQueue):
        queue.send(envelopes)
    else:
        for one in envelopes:
            queue.write(one.data)
    return [one.id for one in envelopes]


def let_die(queue: BaseQueue, count: int, error: str = TRACEBACK, command: str = NOTE) -> list[str]:
    """Dead letters; nothing else may wait on ``queue``. The first that was sent comes first."""
    if not isinstance(queue, LeasedQueue):
        from_bytes = [envelope(queue, command) for _ in range(count)]
        for one in from_bytes:
            queue.bury(DeadLetter(one.id, one.data, error, datetime.now(UTC), 3))
        return [one.id for one in from_bytes]
    owner = new_owner()
    queue.enroll(owner)
    ids = send(queue, count, command)
    left = count
    while lent := [one.id for one in queue.receive(owner, left).deliveries] if left else []:
        queue.reject(owner, [Rejection(id, error) for id in lent])
        left -= len(lent)
    queue.reap(owner)
    return ids


def lend(queue: BaseQueue, count: int) -> tuple[int, list[str]]:
    """Lend what waits; return the owner and the ids."""
    assert isinstance(queue, LeasedQueue)
    owner = new_owner()
    queue.enroll(owner)
    return owner, [one.id for one in queue.receive(owner, count).deliveries]


def page(client: Client, name: str = DEAD, **query: str) -> str:
    """A list as text of HTML."""
    response = client.get(reverse(name), query)
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    """What is read on a page: no tags, one space between two words."""
    main = html[html.index('id="content-main"') :]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main.replace("<wbr>", ""))).split())


def ids_listed(html: str) -> list[str]:
    """The ids of the messages in a list, in their order."""
    return [unescape(id) for id in re.findall(r'class="id"><a href="[^"]*" title="([^"]*)"', html)]


def next_page(html: str) -> str:
    """The address of the next page, '' if there is none."""
    found = re.search(r'href="([^"]*)" rel="next"', html)
    return unescape(found[1]) if found else ""


def field(html: str, name: str) -> str:
    """The value of a hidden field of a form."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', html)
    assert found, html
    return unescape(found[1])
