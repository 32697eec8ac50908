"""System checks."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from djutils.checks import check_backend, check_names, check_schedules, check_values
from djutils.queue.backends import load_backend
from djutils.queue.conf import NAMES, QueueSettings
from djutils.queue.exceptions import ConfigurationError
from djutils.queue.retry import RetryPolicy

from .conftest import Declare


def test_the_defaults_pass_and_the_checks_are_registered(settings: Settings) -> None:
    assert run_checks(tags=["djutils"]) == []
    settings.QUEUE_MAX_ATEMPTS = 3
    assert [found.id for found in run_checks(tags=["djutils"])] == ["djutils.W001"]


def test_a_misspelt_setting_is_answered_with_the_nearest(settings: Settings) -> None:
    settings.QUEUE_BAKEND = "x"
    (found,) = check_names(None)
    assert "QUEUE_BAKEND is not a setting" in found.msg
    assert found.hint == "Did you mean QUEUE_BACKEND?"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("QEUE_NAME", "QUEUE_NAME"),
        ("QUEUES_NAME", "QUEUE_NAME"),
        ("QUEU_MAX_ATTEMPTS", "QUEUE_MAX_ATTEMPTS"),
        ("DJUTILS_QUEUE_BACKEND", "QUEUE_BACKEND"),
    ],
)
def test_a_setting_that_nearly_has_the_name_of_ours_is_answered_with_that_name(
    settings: Settings, name: str, near: str
) -> None:
    setattr(settings, name, "x")
    (found,) = check_names(None)
    assert (found.id, found.hint) == ("djutils.W001", f"Did you mean {near}?")


@pytest.mark.parametrize(
    "name", ["SESSION_BACKEND", "CELERY_QUEUE_NAMES", "RQ_QUEUES", "SQS_QUEUE_NAME", "MAX_ATTEMPTS"]
)
def test_a_setting_of_another_package_passes(settings: Settings, name: str) -> None:
    setattr(settings, name, "x")
    assert check_names(None) == []


def test_a_setting_nothing_is_like_is_answered_with_all(settings: Settings) -> None:
    settings.QUEUE_ZZZZZZZZZZZZ = 1
    (found,) = check_names(None)
    assert all(name in str(found.hint) for name in NAMES)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("djutils.queue.backends.memory.MemoryQueu", "djutils.queue.backends.memory.MemoryQueue"),
        ("djutils.queue.backend.memory.MemoryQueue", "djutils.queue.backends.memory.MemoryQueue"),
        ("djutils.queue.backends.databse.DatabaseQueue", "djutils.queue.backends.database.DatabaseQueue"),
        ("tests.unit.helpers.ListQuue", "tests.unit.helpers.ListQueue"),
    ],
)
def test_a_misspelt_backend_is_answered_with_the_nearest(settings: Settings, path: str, near: str) -> None:
    settings.QUEUE_BACKEND = path
    (found,) = check_backend(None)
    assert found.id == "djutils.E001"
    assert f"did you mean '{near}'?" in found.msg
    with pytest.raises(ConfigurationError, match="did you mean"):
        load_backend(path)


@pytest.mark.parametrize("path", ["", "zzz", "MemoryQueue", "zzz.Zzz", ".relative.Queue", "..", "a..b"])
def test_a_backend_path_nothing_is_like_is_answered_with_what_there_is(path: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be imported; (there are|did you mean)"):
        load_backend(path)


@pytest.mark.parametrize("path", [None, 5, b"bytes"])
def test_a_backend_path_that_is_no_text_is_found_by_the_check(settings: Settings, path: Any) -> None:
    settings.QUEUE_BACKEND = path
    assert [found.id for found in check_backend(None)] == ["djutils.E001"]


@pytest.mark.parametrize("path", ["tests.unit.helpers.make_message", "djutils.queue.message.Message"])
def test_what_is_no_backend_is_refused(settings: Settings, path: str) -> None:
    settings.QUEUE_BACKEND = path
    (found,) = check_backend(None)
    assert "is not a backend: it must be a subclass of djutils.queue.backends.base.BaseQueue" in found.msg


@pytest.mark.parametrize(
    ("connection", "hint"),
    [
        ("defualt", "Did you mean 'default'?"),
        ("redis://user:pw@host:6379/0", "For the address of a Redis server, set QUEUE_BACKEND"),
        ("10.0.0.75:6379:0", "There are: default"),
    ],
)
def test_a_connection_that_is_no_alias_of_a_database_is_found_by_the_check(
    settings: Settings, connection: str, hint: str
) -> None:
    settings.QUEUE_CONNECTION = connection
    (found,) = check_backend(None)
    assert found.id == "djutils.E001"
    assert hint in found.msg
    assert connection not in found.msg


def test_a_backend_that_needs_a_package_names_it(settings: Settings, tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "backend_in_need.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    settings.QUEUE_BACKEND = "backend_in_need.Queue"
    (found,) = check_backend(None)
    assert "needs 'no_such_package', which is not installed" in found.msg


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE_MAX_ATTEMPTS", 0),
        ("QUEUE_MAX_ATTEMPTS", "3"),
        ("QUEUE_MAX_ATTEMPTS", True),
        ("QUEUE_MAX_ATTEMPTS", None),
        ("QUEUE_MAX_CRASHES", -1),
        ("QUEUE_MAX_CRASHES", 1.5),
        ("QUEUE_MAX_MESSAGE_SIZE", 0),
        ("QUEUE_BACKOFF", "2"),
        ("QUEUE_BACKOFF", -1),
        ("QUEUE_BACKOFF", (5, 2)),
        ("QUEUE_BACKOFF", (1, 2, 3)),
        ("QUEUE_BACKOFF", (1, None)),
        ("QUEUE_BACKOFF", True),
        ("QUEUE_BACKOFF", None),
        ("QUEUE_BACKOFF", lambda: 3),
        ("QUEUE_BACKOFF", lambda attempt, other: 3),
        ("QUEUE_BACKOFF", 10**400),
        ("QUEUE_DEAD_LETTERS_KEPT", 0),
        ("QUEUE_DEAD_LETTERS_KEPT", -1),
        ("QUEUE_DEAD_LETTERS_KEPT", True),
        ("QUEUE_DEAD_LETTERS_KEPT", "a month"),
        ("QUEUE_DEAD_LETTERS_KEPT", [30]),
        ("QUEUE_NAME", None),
        ("QUEUE_NAME", "x" * 201),
        ("QUEUE_NAME", "mysite\n"),
        ("QUEUE_NAME", "my\0site"),
        ("QUEUE_CONNECTION", 6379),
        ("QUEUE_EAGER", "False"),
        ("QUEUE_EAGER", 1),
    ],
)
def test_a_value_that_cannot_work_is_refused(settings: Settings, name: str, value: Any) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.memory.MemoryQueue"
    setattr(settings, name, value)
    (found,) = check_values(None)
    assert found.id == "djutils.E002"
    assert found.msg.startswith(f"{name} must be ")
    assert f"its type is {type(value).__name__}" in found.msg
    assert repr(getattr(QueueSettings, name)) in str(found.hint)


@pytest.mark.parametrize(
    ("name", "converted"),
    [
        ("QUEUE_MAX_ATTEMPTS", "int(os.environ['NAME'])"),
        ("QUEUE_MAX_CRASHES", "int(os.environ['NAME'])"),
        ("QUEUE_MAX_MESSAGE_SIZE", "int(os.environ['NAME'])"),
        ("QUEUE_BACKOFF", "float(os.environ['NAME'])"),
        ("QUEUE_EAGER", "os.environ['NAME'] == 'True'"),
    ],
)
def test_text_in_the_place_of_a_number_is_answered_with_how_to_convert_it(
    settings: Settings, name: str, converted: str
) -> None:
    setattr(settings, name, "20")
    (found,) = check_values(None)
    assert "Write it without quotes" in str(found.hint)
    assert converted in str(found.hint)
    setattr(settings, name, None)
    (found,) = check_values(None)
    assert converted not in str(found.hint)


@pytest.mark.parametrize("backoff", [0, 5, 0.5, (1, 1), (1.0, 60), [1, 60], lambda attempt: attempt])
def test_a_backoff_that_passes_the_check_works(settings: Settings, backoff: Any) -> None:
    settings.QUEUE_BACKOFF = backoff
    assert check_values(None) == []
    assert RetryPolicy(9, backoff).delay_after(1) is not None


def test_a_field_left_out_below_one_that_is_given_is_warned_about_by_the_commands_name(
    declare: Declare,
) -> None:
    declare(
        """
        @periodic_command(crontab(hour=3))
        def sixty_times(): pass

        class Hundreds(PeriodicQueueCommand):
            validate_datetime = crontab(day_of_week="sun")
            def execute(self): pass
        """
    )
    hundreds, sixty = check_schedules(None)
    assert {hundreds.id, sixty.id} == {"djutils.W020"}
    assert "'made_up.sixty_times' runs in every minute that its other fields allow" in sixty.msg
    assert "'made_up.Hundreds' runs in every hour and minute" in hundreds.msg
    assert "minute=0" in str(sixty.hint)
    assert str(sixty.obj).startswith("made_up.py:")


def test_a_star_that_is_written_out_is_not_warned_about(declare: Declare) -> None:
    declare(
        """
        @periodic_command(crontab(hour=3, minute="*"))
        def sixty_times(): pass

        @periodic_command(crontab())
        def in_every_minute(): pass

        @periodic_command(lambda when: True)
        def by_a_function(): pass
        """
    )
    assert check_schedules(None) == []
