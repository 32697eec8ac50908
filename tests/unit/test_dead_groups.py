"""Dead letters by cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from djutils.queue import dead_groups as groups
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.dead_groups import cause_of, dead_groups
from djutils.queue.message import Rejection
from tests.admins import envelope

TRACEBACK = """ValueError: no customer 7
Traceback (most recent call last):
  File "/srv/shop/mail/commands.py", line 12, in send_welcome
    customer = find(7)
  File "/srv/shop/mail/search.py", line 40, in find
    return Customer.objects.get(pk=number)
  File "/srv/venv/lib/python3.12/site-packages/django/db/models/query.py", line 633, in get
    raise self.model.DoesNotExist(
"""


def die(queue: MemoryQueue, error: str, command: str = "shop.commands.send") -> str:
    """Make a dead letter and return its id."""
    sent = envelope(queue, command)
    queue.send([sent])
    queue.enroll(7)
    queue.receive(7, 1)
    queue.reject(7, [Rejection(sent.id, error)])
    return sent.id


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TRACEBACK, ("ValueError", "mail/search.py:40 in find")),
        ("ValueError", ("ValueError", "")),
        ("", ("", "")),
        (
            "Its process was killed by SIGKILL; at its peak it had 70 MiB.",
            ("Its process was killed by SIGKILL", ""),
        ),
        ("x" * 500, ("x" * 100, "")),
    ],
)
def test_a_cause_is_the_kind_of_error_and_the_last_line_of_the_project(
    error: str, cause: tuple[str, str]
) -> None:
    assert cause_of(error) == cause


def test_letters_of_one_cause_are_one_group_whatever_the_error_says_of_its_values(
    memory: MemoryQueue,
) -> None:
    for number in range(3):
        newest = die(memory, TRACEBACK.replace("7", str(number)))
    die(memory, "KeyError: 'x'")
    die(memory, TRACEBACK, "shop.commands.other")

    found, is_cut = dead_groups(memory)

    assert [(one.command, one.kind, one.size) for one in found] == [
        ("shop.commands.send", "ValueError", 3),
        ("shop.commands.other", "ValueError", 1),
        ("shop.commands.send", "KeyError", 1),
    ]
    assert (found[0].newest.snapshot.id, found[0].recent, is_cut) == (newest, (3, 3, 3), False)


def test_they_are_counted_by_when_they_died(memory: MemoryQueue) -> None:
    die(memory, "KeyError")
    now = datetime.now(UTC)
    ages = [timedelta(), timedelta(hours=2), timedelta(days=2), timedelta(days=8)]
    recent = [dead_groups(memory, now + age).groups[0].recent for age in ages]
    assert recent == [(1, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)]


def test_no_more_than_the_newest_are_looked_at(memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST", 2)
    for _ in range(5):
        die(memory, "KeyError")
    found, is_cut = dead_groups(memory)
    assert (found[0].size, is_cut) == (2, True)


def test_the_command_line_shows_them(memory: MemoryQueue) -> None:
    die(memory, TRACEBACK)
    out = StringIO()
    call_command("queue_dead_letters", "groups", stdout=out)
    heading, row = out.getvalue().splitlines()
    assert heading.split()[0] == "COUNT"
    assert "shop.commands.send" in row and "mail/search.py:40 in find" in row
    memory.discard()
    out = StringIO()
    call_command("queue_dead_letters", "groups", stdout=out)
    assert "has no dead letters" in out.getvalue()
