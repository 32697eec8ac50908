"""The terminal shows why a consumer cannot start, and nothing is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from djutils.queue.bin.daemonize import Readiness, spawn
from djutils.queue.exceptions import ConsumerError
from tests.daemons import BY_PATH, Terminal


@pytest.fixture
def terminal(tmp_path) -> Iterator[Terminal]:
    memory = {"DJUTILS_TEST_QUEUE_BACKEND": "djutils.queue.backends.memory.MemoryQueue"}
    terminal = Terminal(tmp_path, memory)
    yield terminal
    terminal.close()


def settings(terminal: Terminal, text: str) -> None:
    """Use the tests' settings, and some more."""
    (terminal.folder / "more.py").write_text(f"from tests.project.settings import *\n{text}\n")
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "more"


def broken_app(terminal: Terminal, text: str = "from djutils import nothing_of_this_name\n") -> None:
    app = terminal.folder / "broken"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "commands.py").write_text(text)
    settings(terminal, "INSTALLED_APPS += ['broken']")


def app_that_exits(terminal: Terminal) -> None:
    broken_app(terminal, "import sys\nsys.exit(0)\n")


def log_in_no_directory(terminal: Terminal) -> None:
    (terminal.folder / "log").mkdir()


def no_settings(terminal: Terminal) -> None:
    terminal.environment["DJANGO_SETTINGS_MODULE"] = ""


def missing_settings(terminal: Terminal) -> None:
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "mysite.settings"


def settings_that_fail(terminal: Terminal) -> None:
    settings(terminal, "1 / 0")


def app_that_is_not_there(terminal: Terminal) -> None:
    settings(terminal, "INSTALLED_APPS += ['no.such.app']")


def project_without_djutils(terminal: Terminal) -> None:
    settings(terminal, "INSTALLED_APPS.remove('djutils')")


def setting_that_cannot_work(terminal: Terminal) -> None:
    settings(terminal, "QUEUE_MAX_CRASHES = None")


def misspelt_backend(terminal: Terminal) -> None:
    terminal.environment["DJUTILS_TEST_QUEUE_BACKEND"] = "djutils.queue.backends.redis_backend.RedisQeue"


def server_that_is_down(terminal: Terminal) -> None:
    terminal.environment["DJUTILS_TEST_QUEUE_BACKEND"] = "djutils.queue.backends.redis_backend.RedisQueue"
    terminal.environment["DJUTILS_TEST_QUEUE_CONNECTION"] = "127.0.0.1:1:0"


def symbolic_link(terminal: Terminal) -> None:
    terminal.pidfile.symlink_to(terminal.folder / "elsewhere")


def other_data(terminal: Terminal) -> None:
    terminal.pidfile.write_text("precious\n")


@pytest.mark.parametrize(
    ("obstacle", "code", "said"),
    [
        (broken_app, 78, "cannot import name 'nothing_of_this_name'"),
        (app_that_exits, 78, "SystemExit"),
        (no_settings, 78, "export DJANGO_SETTINGS_MODULE"),
        (missing_settings, 78, "on PYTHONPATH?"),
        (settings_that_fail, 78, "ZeroDivisionError"),
        (app_that_is_not_there, 78, "No module named 'no'"),
        (project_without_djutils, 78, "add 'djutils' to INSTALLED_APPS"),
        (setting_that_cannot_work, 78, "QUEUE_MAX_CRASHES must be an integer, 1 or more"),
        (misspelt_backend, 78, "did you mean 'djutils.queue.backends.redis_backend.RedisQueue'?"),
        (server_that_is_down, 1, "Connection refused"),
        (log_in_no_directory, 73, "Is a directory"),
        (symbolic_link, 73, "symbolic link"),
        (other_data, 73, "is not a pidfile"),
    ],
)
def test_start_says_why_it_cannot(
    terminal: Terminal, obstacle: Callable[[Terminal], None], code: int, said: str
) -> None:
    obstacle(terminal)
    there = sorted(terminal.folder.glob("pid"))

    started = terminal.consumer("start")

    assert started.returncode == code, started.stderr
    assert said in started.stderr
    assert "Traceback" not in started.stderr or "line" in started.stderr
    assert sorted(terminal.folder.glob("pid")) == there
    assert terminal.processes() == set()


def test_start_gives_up_when_no_worker_process_can_begin(terminal: Terminal) -> None:
    (terminal.folder / "shy.py").write_text(
        "from djutils.queue.backends.memory import MemoryQueue\n"
        "from djutils.queue.exceptions import BackendError\n"
        "class ShyQueue(MemoryQueue):\n"
        "    def enroll(self, owner):\n"
        "        raise BackendError('No workers here.')\n"
    )
    terminal.environment["DJUTILS_TEST_QUEUE_BACKEND"] = "shy.ShyQueue"

    started = terminal.consumer("start")

    assert started.returncode == 70, started.stderr
    assert "No workers here." in started.stderr
    assert terminal.processes() == set()


@pytest.mark.parametrize("option", ["-l", "-p"])
def test_a_missing_directory_is_named(terminal: Terminal, option: str) -> None:
    places = {"-l": "log", "-p": "pid", option: "missing/file"}
    words = [word for pair in places.items() for word in pair]
    started = terminal.run(*BY_PATH, "start", *words)
    assert started.returncode == 73
    assert f"{terminal.folder}/missing does not exist; create it" in started.stderr


def test_a_pidfile_that_was_refused_is_left_as_it_was(terminal: Terminal) -> None:
    other_data(terminal)
    for action in ("start", "stop", "status"):
        terminal.consumer(action)
    assert terminal.pidfile.read_text() == "precious\n"


@pytest.mark.parametrize(
    "words", [["-w", "0"], ["-t", "x"], ["-b", "0.5"], ["-d", "nan"], ["-d", "2", "-m", "1"]]
)
def test_a_value_that_makes_no_sense_is_a_usage_error(terminal: Terminal, words: list[str]) -> None:
    started = terminal.consumer("start", *words)
    assert started.returncode == 2
    assert words[1] in started.stderr


def test_a_daemon_that_dies_while_starting_is_heard_of() -> None:
    with pytest.raises(EOFError):
        spawn(lambda readiness: os.kill(os.getpid(), signal.SIGKILL) or 0)


def test_an_error_of_the_daemon_reaches_who_started_it() -> None:
    def live(readiness: Readiness) -> int:
        raise LookupError("nothing there")

    with pytest.raises(ConsumerError, match="nothing there") as caught:
        spawn(live)
    assert caught.value.exit_code == 1


def test_who_started_it_may_be_gone_when_it_is_ready() -> None:
    def live(readiness: Readiness) -> int:
        os.close(readiness._hear)
        readiness._hear = -1
        readiness.ok()
        return 0

    spawn(live)
