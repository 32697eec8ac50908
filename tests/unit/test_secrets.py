"""Settings are secrets: whatever stands in one by mistake, no error, check or log line shows it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import PurePosixPath
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from djutils.queue.backends import PROVIDED, queues
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.bin import preflight
from djutils.queue.conf import NAMES, settings
from djutils.queue.executor import Executor
from djutils.queue.ids import new_id
from djutils.queue.message import Delivery
from djutils.queue.queue import invoker

from .commands_for_tests import fail, record
from .helpers import make_delivery

pytestmark = pytest.mark.slow

SECRET = "hunter2"


class Holder:
    """Something whose own text tells the secret."""

    def __repr__(self) -> str:
        return SECRET


SHAPES: list[Any] = [
    SECRET,
    f"redis://user:{SECRET}@127.0.0.1:1/0",
    f"rediss://:{SECRET}@127.0.0.1:1/0#x",
    f"unix:///{SECRET}?db=x",
    f"postgres://user:{SECRET}@127.0.0.1:1/shop",
    f"127.0.0.1:1:{SECRET}",
    f"127.0.0.1:{SECRET}:0",
    f"{SECRET}.Queue",
    f"djutils.queue.{SECRET}",
    f"djutils.queue.backends.memory.{SECRET}",
    SECRET.encode(),
    PurePosixPath(SECRET),
    [SECRET],
    (SECRET, SECRET),
    (1, SECRET),
    {SECRET},
    {"password": SECRET},
    Holder(),
    type(SECRET, (), {}),
]


def uses(delivery: Delivery) -> list[Callable[[], object]]:
    """Everything that reads settings, in the order in which a site and a consumer do it."""
    return [
        lambda: record("x"),
        lambda: invoker.enqueue_many([record.command("x"), record.command("y")]),
        lambda: len(invoker),
        lambda: repr(invoker.queue),
        invoker.dequeue,
        invoker.flush,
        lambda: queues[new_id()],
        open_one,
        preflight.check_settings,
        lambda: preflight.reach_backend(["unit"]),
        lambda: Executor("unit").execute(delivery),
        lambda: Executor("unit").execute(delivery._replace(crashes=2)),
    ]


def open_one() -> None:
    queue = queues.fresh(new_id())
    if isinstance(queue, LeasedQueue):
        with closing(queue):
            queue.open()
            queue.stats()


@pytest.mark.parametrize("backend", [*PROVIDED[:2], PROVIDED[3]], ids=["database", "redis", "memory"])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_setting_is_shown(
    settings: Settings,
    sqlite_alias: str,
    ran: list[Any],
    capfd: pytest.CaptureFixture[str],
    log: pytest.LogCaptureFixture,
    name: str,
    backend: str,
) -> None:
    delivery = make_delivery(fail, queue="unit")
    for value in SHAPES:
        if name == "QUEUE_NAME" and isinstance(value, str):
            continue  # the name of a queue is shown wherever its messages are
        settings.QUEUE_BACKEND = backend
        settings.QUEUE_NAME = "unit"
        setattr(settings, name, value)
        try_everything(delivery)
        del settings.QUEUE_NAME
        with suppress(AttributeError):
            delattr(settings, name)
    out, err = capfd.readouterr()
    assert SECRET not in out + err + log.text


def try_everything(delivery: Delivery) -> None:
    """Assert that what goes wrong does so without the secret, tracebacks and what is chained included."""
    told = [str(found) for found in run_checks(tags=["djutils"], include_deployment_checks=True)]
    assert not [text for text in told if SECRET in text]
    for use in uses(delivery):
        assert SECRET not in told_by(use)


def told_by(use: Callable[[], object]) -> str:
    """Return all that the error of ``use`` tells, if there is one."""
    try:
        return f"{use()!r}"
    except Exception as error:
        return f"{''.join(traceback.format_exception(error))}{error!r}{error.__cause__!r}"


def test_nothing_that_has_the_settings_shows_them() -> None:
    assert SECRET not in repr(settings)
