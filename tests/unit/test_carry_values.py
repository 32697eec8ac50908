"""What ``QUEUE_CARRY`` may list, and which values can travel: anything else is refused at the call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import timezone as fixed
from enum import StrEnum
from traceback import format_exception
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from django.utils.translation import gettext_lazy
from pytest_django import Settings

from djutils.checks import check_carry
from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.exceptions import ConfigurationError, EnqueueError, MessageTooLarge
from djutils.queue.queue import invoker
from djutils.testing import drain

from .commands_carrying import CARRY, REQUEST_ID, TENANT, as_a_caller, see, seen

NOT_A_VARIABLE = "a text"


class Shade(StrEnum):
    DARK = "dark"


@pytest.fixture
def carrying(settings: Settings) -> Iterator[Settings]:
    settings.QUEUE_MIDDLEWARE = [CARRY]
    settings.QUEUE_CARRY = ["language", "time_zone", REQUEST_ID, TENANT]
    seen.clear()
    yield settings
    seen.clear()


# What can travel


@pytest.mark.parametrize(
    "value", ["r-1", "", 7, 1.5, True, None, [], ["a", 1], {"a": {"b": [None]}}, Shade.DARK, "\ud800"]
)
def test_a_value_that_is_json_comes_as_it_is(memory: MemoryQueue, carrying: Settings, value: Any) -> None:
    as_a_caller(see, request_id=value)
    drain()
    assert seen == [("de", "Europe/Berlin", value, "acme")]


@pytest.mark.parametrize(
    "value",
    [
        UUID(int=7),
        (1, 2),
        {1: "a"},
        {1, 2},
        b"x",
        float("nan"),
        gettext_lazy("Yes"),
        datetime.now(UTC),
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_other_value_is_refused_at_the_call_and_nothing_is_sent(
    memory: MemoryQueue, carrying: Settings, value: Any
) -> None:
    why = rf"'{REQUEST_ID}', which QUEUE_CARRY lists, is not JSON \(its type is {type(value).__name__}\).*nothing was sent"
    with pytest.raises(EnqueueError, match=why):
        as_a_caller(see, request_id=value)
    with pytest.raises(EnqueueError, match=why):
        as_a_caller(lambda: invoker.enqueue_many([see.command(), see.command()]), request_id=value)
    assert len(memory) == 0


def test_so_is_one_that_is_nested_too_deeply(memory: MemoryQueue, carrying: Settings) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EnqueueError, match="is not JSON"):
        as_a_caller(see, request_id=deep)
    while deep:  # freed level by level
        deep = deep[0]


def test_a_value_is_not_shown_when_it_is_refused(memory: MemoryQueue, carrying: Settings) -> None:
    with pytest.raises(EnqueueError) as caught:
        as_a_caller(see, request_id=("the secret",))
    assert "the secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_values_that_are_too_large_are_refused_at_the_call(memory: MemoryQueue, carrying: Settings) -> None:
    with pytest.raises(MessageTooLarge, match="nothing was sent"):
        as_a_caller(see, request_id="x" * 70_000)


class Unnamed(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else timedelta(hours=1)

    def tzname(self, dt: datetime | None) -> str:
        return "somewhere"

    def dst(self, dt: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        ("Etc/GMT-3", "+03"),
        ("America/New_York", "America/New_York"),
        (timezone.get_fixed_timezone(-90), "-0130"),
        (fixed(timedelta(minutes=330)), "+0530"),
    ],
)
def test_a_time_zone_travels_by_its_name_or_its_offset(
    memory: MemoryQueue, carrying: Settings, zone: Any, found: str
) -> None:
    as_a_caller(see, zone=zone)
    drain()
    assert seen == [("de", found, "r-1", "acme")]


@pytest.mark.parametrize("zone", [Unnamed(), fixed(timedelta(seconds=30))])
def test_a_time_zone_without_either_is_refused_at_the_call(
    memory: MemoryQueue, carrying: Settings, zone: tzinfo
) -> None:
    with pytest.raises(EnqueueError, match="neither a name nor a fixed offset in minutes.*nothing was sent"):
        as_a_caller(see, zone=zone)
    assert len(memory) == 0


# Declared wrongly


@pytest.mark.parametrize(
    ("carry", "said"),
    [
        ("language", "QUEUE_CARRY must be a list; it is of the type str."),
        (7, "QUEUE_CARRY must be a list; it is of the type int."),
        (["language", "timezone"], "QUEUE_CARRY[1] is not found. There are: 'language', 'time_zone', "),
        ([3], "QUEUE_CARRY[0] cannot be imported (AttributeError: "),
        (["no.such.module.variable"], "QUEUE_CARRY[0] is not found."),
        (
            ["tests.unit.needs_a_package.variable"],
            "QUEUE_CARRY[0] needs 'no_such_package', which cannot be imported.",
        ),
        ([f"{__name__}.requestid"], "QUEUE_CARRY[0] is not found."),
        ([f"{__name__}.NOT_A_VARIABLE"], "QUEUE_CARRY[0] is no ContextVar but of the type str."),
    ],
)
def test_a_wrong_entry_is_an_error_of_the_checks_and_at_the_first_use(
    memory: MemoryQueue, settings: Settings, carry: Any, said: str
) -> None:
    settings.QUEUE_MIDDLEWARE, settings.QUEUE_CARRY = [CARRY], carry
    (found,) = check_carry(None)
    assert found.id == "djutils.E060"
    assert found.msg.startswith(said)
    with pytest.raises(ConfigurationError) as caught:
        see()
    assert str(caught.value) == found.msg
    assert len(memory) == 0


def test_right_entries_are_no_error(carrying: Settings) -> None:
    assert check_carry(None) == []
    carrying.QUEUE_CARRY, carrying.QUEUE_MIDDLEWARE = (), []
    assert check_carry(None) == []


def test_an_entry_that_is_not_found_is_not_shown(carrying: Settings) -> None:
    carrying.QUEUE_CARRY = ["redis://user:secret@host"]
    with pytest.raises(ConfigurationError) as caught:
        see()
    assert "secret" not in "".join(format_exception(caught.value))


def test_a_list_that_no_middleware_reads_is_a_warning(carrying: Settings) -> None:
    carrying.QUEUE_MIDDLEWARE = []
    (found,) = check_carry(None)
    assert found.id == "djutils.W060"
    assert CARRY in str(found.hint)


def test_the_class_is_found_by_both_its_names(carrying: Settings) -> None:
    carrying.QUEUE_MIDDLEWARE = ["djutils.queue.CarryContext"]
    assert check_carry(None) == []
