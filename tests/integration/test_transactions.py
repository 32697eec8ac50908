"""A command called inside a transaction counts only if the transaction does."""

from __future__ import annotations

import pytest
from django.db import transaction

from tests.project.app import commands
from tests.sites import REDIS, Site

EVERYWHERE = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb", "redis"], indirect=True)


class ChangeOfMind(Exception):
    """Rolls a block back."""


@EVERYWHERE
def test_what_is_called_in_a_transaction_that_rolls_back_was_never_sent(site: Site) -> None:
    with pytest.raises(ChangeOfMind), transaction.atomic(using=site.alias):
        commands.append(site.file(), 1)
        raise ChangeOfMind
    commands.append(site.file(), 2)
    site.consumer()

    site.wait_until_empty()

    assert [line.split()[0] for line in commands.lines(site.file())] == ["2"]


@EVERYWHERE
def test_what_is_called_in_a_transaction_runs_when_it_has_committed(site: Site) -> None:
    consumer = site.consumer().ready()
    with transaction.atomic(using=site.alias):
        handle = commands.append(site.file(), 1)
        commands.append.using(priority=1)(site.file("another"), 2)
        assert len(site.queue) == (0 if site.environment["DJUTILS_TEST_QUEUE_BACKEND"] == REDIS else 2)
        assert commands.lines(site.file()) == []

    site.wait_until_empty()

    assert handle.id in consumer.log()
    assert len(commands.lines(site.file())) == len(commands.lines(site.file("another"))) == 1


@EVERYWHERE
def test_a_savepoint_that_rolls_back_takes_its_commands_with_it(site: Site) -> None:
    with transaction.atomic(using=site.alias):
        commands.append(site.file(), 1)
        with pytest.raises(ChangeOfMind), transaction.atomic(using=site.alias):
            commands.append(site.file(), 2)
            raise ChangeOfMind
        commands.append(site.file(), 3)
    site.consumer()

    site.wait_until_empty()

    assert [line.split()[0] for line in commands.lines(site.file())] == ["1", "3"]


def test_a_command_called_by_a_command_that_fails_in_its_transaction_was_never_sent(site: Site) -> None:
    commands.call_another_and_fail(site.file())
    site.consumer()

    site.wait_until_empty()

    assert commands.lines(site.file()) == []
    assert site.queue.stats().dead == 1


def test_a_command_calls_another(site: Site) -> None:
    commands.count_down(site.file(), 5)
    site.consumer(threads=2)

    site.wait_until_empty()

    assert commands.lines(site.file()) == ["5", "4", "3", "2", "1", "0"]
