"""Calls with a key, with real consumers, transactions, and senders that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.test import TestCase

from djutils.queue.exceptions import EnqueueError
from djutils.queue.sending_unique import logger
from djutils.testing import drain, enqueued
from tests.project.app import outcomes
from tests.project.app.commands import append
from tests.project.app.files import lines
from tests.project.app.models import Note
from tests.project.app.uniques import publish, remind, visit, visit_alone, visit_in_one_commit
from tests.sites import Site
from tests.unit.test_in_a_test_case import run_as_a_test
from tests.waiting import wait_until

EACH = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)
TWO = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
SENDER = """
import django, itertools, sys
django.setup()
from tests.project.app.uniques import visit
for number in itertools.count():
    visit(sys.argv[1], number % 3)
    print(number, flush=True)
"""
SENDERS = 3


class ChangeOfMind(Exception):
    """Rolls a block back."""


@EACH
def test_while_a_call_waits_and_while_it_runs_another_is_not_sent(site: Site) -> None:
    gate = site.file("gate")
    first = visit(site.file(), 1, gate)
    assert visit(site.file(), 1).id == first.id
    site.consumer().ready()
    wait_until(lambda: lines(site.file()))

    second, other = visit(site.file(), 1, gate), visit(site.file(), 2)
    assert (second.id, second.duplicate, other.duplicate) == (first.id, True, False)
    Path(gate).touch()
    assert second.wait(30) is None

    assert visit(site.file(), 1, gate).duplicate is False
    site.wait_until_empty()
    assert sorted(lines(site.file())) == ["1", "1", "2"]


@EACH
def test_a_call_whose_worker_is_killed_still_holds_its_key(site: Site) -> None:
    gate = site.file("gate")
    first = visit(site.file(), 1, gate)
    consumer = site.consumer(processes=1).ready()
    wait_until(lambda: lines(site.file()))
    for worker in consumer.workers():
        os.kill(worker, signal.SIGKILL)

    assert visit(site.file(), 1, gate).id == first.id
    Path(gate).touch()
    site.wait_until_empty()
    assert lines(site.file()) == ["1", "1"]
    assert visit(site.file(), 1, gate).duplicate is False


@EACH
def test_only_the_last_of_several_changes_counts_and_none_is_lost(site: Site) -> None:
    gate = site.file("gate")
    publish(site.file(), 1, "first", gate)
    site.consumer(processes=1).ready()
    wait_until(lambda: lines(site.file()))

    calls = [publish(site.file(), 1, text) for text in ("second", "third", "last")]

    assert [one.duplicate for one in calls] == [False, True, True]
    Path(gate).touch()
    site.wait_until_empty()
    assert lines(site.file()) == ["first", "last"]


@EACH
def test_calls_in_a_transaction_are_sent_when_it_has_committed(site: Site) -> None:
    later = publish.using(run_after=timedelta(minutes=5))
    with transaction.atomic(using=site.alias):
        first, plain, second = later(site.file(), 1, "a"), append(site.file(), 1), later(site.file(), 1, "b")
        assert (first.duplicate, second.duplicate, plain.duplicate) == (None, None, False)
        assert site.queue.stats().delayed == 0

    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.id == second.id
    assert [(one.id, one.args[-1]) for one in enqueued() if one.due] == [(first.id, "b")]


@EACH
def test_calls_in_a_transaction_that_rolls_back_hold_no_key(site: Site) -> None:
    with pytest.raises(ChangeOfMind), transaction.atomic(using=site.alias):
        visit(site.file(), 1)
        raise ChangeOfMind

    assert visit(site.file(), 1).duplicate is False
    assert len(site.queue) == 1


# SQLite has one writer at a time: there any open transaction that writes keeps every other writer waiting.
@pytest.mark.parametrize("site", ["postgres", "mariadb", "redis"], indirect=True)
def test_a_callers_long_transaction_keeps_no_other_caller_waiting(site: Site) -> None:
    with transaction.atomic(using=site.alias):
        first = visit(site.file(), 0)
        with _sender(site) as sender:
            assert sender.stdout
            assert sender.stdout.readline() == "0\n"
            sender.kill()

    assert first.duplicate is True


@TWO
def test_a_duplicate_in_a_transaction_is_logged_instead_of_raised(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    first = visit_alone(site.file(), 1)
    with caplog.at_level("WARNING", logger.name), transaction.atomic(using=site.alias):
        second = visit_alone(site.file(), 1)

    assert (second.id, second.duplicate) == (first.id, True)
    assert f"was not sent: {first.id} has the same key" in caplog.text


@pytest.mark.parametrize("site", ["sqlite", "postgres", "redis"], indirect=True)
def test_where_transactions_are_managed_by_hand_it_is_refused(site: Site) -> None:
    transaction.set_autocommit(False, using=site.alias)
    try:
        Note.objects.using(site.alias).create(text="open")
        with pytest.raises(EnqueueError, match=r"autocommit is off.*nothing was sent"):
            visit(site.file(), 1)
    finally:
        transaction.rollback(using=site.alias)
        transaction.set_autocommit(True, using=site.alias)


@TWO
def test_an_idempotency_key_gives_the_same_result_after_the_end(site: Site) -> None:
    once = outcomes.triple.using(idempotency_key="order 17")
    first = once(1)
    site.consumer().ready()
    assert first.wait(30) == 3

    second = once(5)

    assert (second.id, second.duplicate, second.wait(30)) == (first.id, True, 3)


@TWO
def test_for_a_period_one_call_runs(site: Site) -> None:
    site.consumer().ready()
    handles = [remind(site.file(), 1)]
    site.wait_until_empty()
    handles.append(remind(site.file(), 1))
    site.wait_until_empty()

    assert len({one.id for one in handles}) == 1
    assert lines(site.file()) == ["1"]


@pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)
def test_the_commit_of_an_atomic_command_frees_its_key_before_it_sends(site: Site) -> None:
    visit_in_one_commit(site.file())
    site.consumer().ready()

    wait_until(lambda: len(lines(site.file())) == 2)
    site.wait_until_empty()
    assert visit_in_one_commit(site.file()).duplicate is False


@EACH
def test_a_sender_that_is_killed_leaves_no_key_that_keeps_others_out(site: Site) -> None:
    for number in range(SENDERS):
        sender = _sender(site)
        assert sender.stdout
        for _ in range(number * 3):
            sender.stdout.readline()
        sender.kill()
        sender.communicate()
    site.consumer().ready()
    site.wait_until_empty()

    handles = [visit(site.file("again"), page) for page in range(3)]

    assert [one.duplicate for one in handles] == [False] * 3
    for one in handles:
        one.wait(30)
    assert sorted(lines(site.file("again"))) == ["0", "1", "2"]


def _sender(site: Site) -> subprocess.Popen[str]:
    environment = {**os.environ, **site.environment, "DJANGO_SETTINGS_MODULE": "tests.project.settings"}
    return subprocess.Popen(
        [sys.executable, "-c", SENDER, site.file()], env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("site", ["sqlite", "postgres", "redis"], indirect=True)
def test_in_a_users_test_case_it_is_as_in_production(site: Site) -> None:
    def body(case: TestCase) -> None:
        with transaction.atomic(using=site.alias):
            handles = [visit(site.file(), page) for page in (1, 1, 2)]
        assert [call.args[1] for call in enqueued()] == [1, 2]
        assert [one.duplicate for one in handles] == [False, True, False]
        assert [call.args[1] for call in drain()] == [1, 2]
        assert visit(site.file(), 1).duplicate is False

    run_as_a_test(TestCase, body, databases={site.alias})
    assert lines(site.file()) == ["1", "2"]
