"""A project as ``startproject`` makes it: errors in its settings are reported, with the remedy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import AS_MODULE, Terminal
from tests.waiting import wait_until

COMMANDS = """
from djutils.queue.decorators import queue_command

@queue_command
def greet(): pass
"""
SET_UP = "import django; django.setup(); "
CALL = "from shop.commands import greet; greet()"
SQLITE = "'transaction_mode': 'IMMEDIATE', 'timeout': 20, 'init_command': 'PRAGMA journal_mode = WAL'"
PRODUCER = """
import django
django.setup()
from django.contrib.auth.models import Group
from django.db import transaction
from shop.commands import greet
failed = 0
for number in range(30):
    try:
        with transaction.atomic():
            Group.objects.count()
            greet()
        with transaction.atomic():
            Group.objects.count()
            Group.objects.create(name=f"{__import__('os').getpid()} {number}")
    except Exception as error:
        print(error)
        failed += 1
print("failed:", failed)
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A new project with one app, in which djutils is not installed yet."""
    terminal = Terminal(tmp_path, {"DJANGO_SETTINGS_MODULE": "mysite.settings"})
    terminal.run(sys.executable, "-m", "django", "startproject", "mysite", ".", DJANGO_SETTINGS_MODULE="")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "commands.py").write_text(COMMANDS)
    add(terminal, "INSTALLED_APPS += ['shop']")
    yield terminal
    terminal.close()


def add(terminal: Terminal, text: str) -> None:
    with (terminal.folder / "mysite" / "settings.py").open("a") as file:
        file.write(f"\n{text}\n")


def manage(terminal: Terminal, *words: str) -> subprocess.CompletedProcess[str]:
    return terminal.run(sys.executable, "manage.py", *words)


def test_a_call_in_a_project_without_djutils_says_what_to_add(terminal: Terminal) -> None:
    done = terminal.run(sys.executable, "-c", SET_UP + CALL)

    assert done.stderr.splitlines()[-1] == (
        "djutils.queue.exceptions.ConfigurationError: djutils is not installed in the project: add 'djutils' to "
        "INSTALLED_APPS, then run 'manage.py migrate'. Nothing was sent."
    )


def test_an_app_of_another_name_in_the_place_of_djutils_is_named(terminal: Terminal) -> None:
    add(terminal, "INSTALLED_APPS += ['djutils.queue']")

    called = terminal.run(sys.executable, "-c", SET_UP + CALL)
    started = terminal.run(*AS_MODULE, "start", "-p", "pid", "-l", "log")

    for done in (called, started):
        assert "'djutils.queue' is not the name of its app; add 'djutils' to INSTALLED_APPS" in done.stderr
    assert started.returncode == 78


def test_a_call_in_a_process_in_which_django_is_not_set_up_says_so(terminal: Terminal) -> None:
    add(terminal, "INSTALLED_APPS += ['djutils']")

    done = terminal.run(sys.executable, "-c", CALL)

    assert "ConfigurationError: Django is not set up in this process: call django.setup()" in done.stderr


def test_check_names_the_options_of_an_sqlite_and_with_them_nothing_is_locked(terminal: Terminal) -> None:
    add(terminal, "INSTALLED_APPS += ['djutils']")

    assert f"Add to DATABASES['default']: 'OPTIONS': {{{SQLITE}}}." in manage(terminal, "check").stderr

    add(terminal, f"DATABASES['default']['OPTIONS'] = {{{SQLITE}}}")
    assert "no issues" in manage(terminal, "check").stdout
    manage(terminal, "migrate")
    assert terminal.run(*AS_MODULE, "start", "-p", "pid", "-l", "log").returncode == 0
    (terminal.folder / "producer.py").write_text(PRODUCER)
    producers = [terminal.begin(sys.executable, "producer.py") for _ in range(3)]
    for output in [producer.communicate(timeout=60)[0] for producer in producers]:
        assert output == "failed: 0\n"
    assert "locked" not in terminal.log()


def test_in_the_foreground_each_warning_stands_once_in_the_checks_and_once_in_the_log(
    terminal: Terminal,
) -> None:
    """One process watches the code and another consumes, and the log is on the terminal."""
    add(terminal, "INSTALLED_APPS += ['djutils']")
    terminal.run(sys.executable, "manage.py", "migrate")

    watching = terminal.begin(sys.executable, "manage.py", "queue_consumer", "-p", "pid")
    wait_until(terminal.pidfile.exists)
    os.kill(watching.pid, signal.SIGINT)
    said = watching.communicate(timeout=30)[0]

    assert said.count("(djutils.W040)") == 2, said
    assert said.count("The consumer runs as root") == (os.geteuid() == 0), said


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("QUEUE_CONNECTION = 'defualt'", "(djutils.E001) QUEUE_CONNECTION is not an alias in DATABASES"),
        (
            "QUEUE_MIDDLEWARE = ['shop.Missing']",
            "(djutils.E003) QUEUE_MIDDLEWARE[0] is not found.",
        ),
        ("QUEUE_MAX_ATTEMPTS = '20'", "(djutils.E002) QUEUE_MAX_ATTEMPTS must be an integer, 1 or more"),
        ("QUEUE_NAEM = 'x'", "(djutils.W001) QUEUE_NAEM is not a setting of djutils"),
        (
            "QUEUE_BACKEND = 'djutils.queue.backends.redis_backend.RedisQueue'",
            "(djutils.W002) QUEUE_NAME is empty",
        ),
    ],
)
def test_check_finds_a_setting_that_cannot_work(terminal: Terminal, setting: str, said: str) -> None:
    add(terminal, f"INSTALLED_APPS += ['djutils']\n{setting}")

    assert said in manage(terminal, "check").stderr
