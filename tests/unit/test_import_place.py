"""``from djutils.queue import ...``: what a ``commands.py`` needs comes from one place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from djutils import queue
from djutils.queue import decorators, exceptions
from djutils.queue import queue as queue_module
from djutils.queue.crontab import crontab

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

BARE = """
import socket, sys

def refuse(*args):
    raise AssertionError("connected")

socket.socket.connect = refuse
from djutils.queue import PeriodicQueueCommand, QueueCommand, Reject, Retry, autodiscover, crontab
from djutils.queue import current_message, invoker, periodic_command, queue_command

@queue_command(max_attempts=3)
def declared(number: int) -> None: ...

@periodic_command(crontab(minute=0))
def by_clock() -> None: ...

from django.conf import settings
assert not settings.configured
assert "djutils.models" not in sys.modules
assert not any(name.startswith(("psycopg", "MySQLdb", "redis", "sqlite3")) for name in sys.modules)
"""
SETTINGS = """
from djutils.queue import crontab, queue_command
SECRET_KEY = "only this test knows it"
INSTALLED_APPS = ["djutils"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
QUEUE_NAME = crontab.__name__
"""


def python(code: str, folder: Path, **environment: str) -> str:
    """Run ``code`` in a new Python and return what it complains of."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "", "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}" if done.returncode else ""


def test_everything_is_imported_from_one_place_without_settings_models_or_connections(tmp_path: Path) -> None:
    assert not python(BARE, tmp_path)


@pytest.mark.parametrize("first", ["crontab", "queue", "exceptions", "decorators", "registry", "current"])
def test_each_name_is_the_same_whichever_module_is_imported_first(tmp_path: Path, first: str) -> None:
    code = f"import djutils.queue.{first}\nfrom djutils.queue import *\nassert crontab(minute=5)\ninvoker.enqueue"

    assert not python(code, tmp_path)


def test_settings_may_import_it_while_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    code = "import django\ndjango.setup()\nfrom djutils.queue import invoker\nassert invoker.queue.name == 'crontab'"

    assert not python(code, tmp_path, DJANGO_SETTINGS_MODULE="site_settings")


def test_they_are_those_of_2011s_places() -> None:
    assert queue.queue_command is decorators.queue_command
    assert queue.periodic_command is decorators.periodic_command
    assert queue.crontab is decorators.crontab is crontab
    assert queue.QueueCommand is queue_module.QueueCommand
    assert queue.PeriodicQueueCommand is queue_module.PeriodicQueueCommand
    assert queue.invoker is queue_module.invoker
    assert (queue.Retry, queue.Reject) == (exceptions.Retry, exceptions.Reject)
    assert set(queue.__all__) <= set(dir(queue))
