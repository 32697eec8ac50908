"""``run`` and ``manage.py queue_consumer``: the consumer in the foreground."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.consumers import is_alive
from tests.daemons import BY_PATH, MANAGE, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
HASTY = """
from tests.project.settings import *
import os, signal, sys
left = 2  # the maintainer and the first worker

def hear():
    if left:
        os.kill(os.getpid(), signal.{})

def count():
    global left
    left -= left > 0

if "run" in sys.argv:
    os.register_at_fork(after_in_child=hear, after_in_parent=count)
"""
SLOW = """
from tests.project.settings import *
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(60)
"""
LOGGING = """
from tests.project.settings import *
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
"""


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> str:
    """Send a signal, and return everything it printed; it ends with code 0."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    return output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_logs_to_stderr_until_a_signal(site: Site, terminal: Terminal, number: signal.Signals) -> None:
    commands.append(site.file(), 1)
    running = terminal.begin(*BY_PATH, "run")
    site.wait_until_empty()

    output = end(running, number)

    assert "Queues: " in output
    assert "DatabaseQueue: at least once" in output
    assert "tests.project.app.commands.append succeeded" in output
    assert terminal.processes() == set()
    assert not terminal.pidfile.exists()


@pytest.mark.parametrize(("number", "lives"), [(signal.SIGTERM, 2), (signal.SIGHUP, 1), (signal.SIGINT, 1)])
def test_a_signal_at_its_birth_does_to_a_process_what_it_does_later(
    site: Site, terminal: Terminal, number: signal.Signals, lives: int
) -> None:
    (terminal.folder / "hasty.py").write_text(HASTY.format(number.name))
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "hasty"
    running = terminal.begin(*BY_PATH, "run")

    commands.append(site.file(), 1)
    site.wait_until_empty()

    output = end(running)
    assert (output.count("is ready"), output.count("was killed")) == (lives, 0), output
    assert len(commands.lines(site.file())) == 1


def test_sigterm_ends_a_consumer_that_is_process_1_and_still_imports_its_project(
    site: Site, terminal: Terminal
) -> None:
    alone = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    if terminal.run(*alone, "true").returncode:
        pytest.skip("this system does not let us have our own process 1")
    (terminal.folder / "slow.py").write_text(SLOW)
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "slow"
    outside = terminal.begin(*alone, *BY_PATH, "run")
    wait_until((terminal.folder / "importing").exists)
    (first,) = terminal.processes() - {outside.pid}

    os.kill(first, signal.SIGTERM)

    wait_until(lambda: not terminal.processes())
    outside.communicate(timeout=30)


def test_nothing_is_logged_twice(site: Site, terminal: Terminal) -> None:
    (terminal.folder / "logged.py").write_text(LOGGING)
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "logged"

    running = terminal.begin(*BY_PATH, "run")
    commands.append(site.file(), 1)
    site.wait_until_empty()
    assert end(running).count("append succeeded") == 1

    terminal.consumer("start")
    commands.append(site.file(), 2)
    site.wait_until_empty()
    terminal.consumer("stop")
    assert terminal.log().count("append succeeded") == 1


def test_stop_ends_a_consumer_in_the_foreground_and_only_it(site: Site, terminal: Terminal) -> None:
    # The shell shares its session, as it would at a desk.
    shell = terminal.begin(
        "sh", "-c", 'sleep 60 & "$@" run -p pid -l log; echo "ended: $?"; kill $!', "sh", *BY_PATH
    )
    wait_until(lambda: "is ready" in terminal.log())

    assert terminal.consumer("stop").returncode == 0
    assert "ended: 0" in shell.communicate(timeout=30)[0]
    assert not terminal.pidfile.exists()


def test_a_stuck_consumer_in_the_foreground_is_killed_with_its_workers(
    site: Site, terminal: Terminal
) -> None:
    running = terminal.begin(*BY_PATH, "run", "-p", "pid", "-l", "log", "--grace", "60")
    commands.hold(site.file(), site.file("gate"))
    wait_until(lambda: commands.lines(site.file()) == ["began"])

    stopped = terminal.consumer("stop", "--timeout", "0.3")

    assert "killed" in stopped.stderr
    running.communicate(timeout=30)
    assert terminal.processes() == set()


def test_a_four_method_backend_is_announced_for_what_it_is(site: Site, terminal: Terminal) -> None:
    terminal.environment["DJUTILS_TEST_QUEUE_BACKEND"] = "tests.contract.four_methods.FolderQueue"
    terminal.environment["DJUTILS_TEST_QUEUE_CONNECTION"] = str(terminal.folder / "messages")
    running = terminal.begin(*BY_PATH, "run", "-l", "log")
    wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)
    end(running)
    assert terminal.log().count("at most once under a kill") == 1


def test_manage_py_runs_a_consumer_in_the_foreground(site: Site, terminal: Terminal) -> None:
    running = terminal.begin(*MANAGE, "queue_consumer", "-p", "pid", "-w", "2")
    commands.append(site.file(), 1)
    site.wait_until_empty()
    assert "append succeeded" in end(running)
    assert terminal.processes() == set()


@pytest.mark.slow
def test_manage_py_knows_the_other_actions(site: Site, terminal: Terminal) -> None:
    places = ("-p", "pid", "-l", "log")
    assert terminal.run(*MANAGE, "queue_consumer", "status", *places).returncode == 3
    started = terminal.run(*MANAGE, "queue_consumer", "start", *places)
    assert started.returncode == 0, started.stderr
    refused = terminal.run(*MANAGE, "queue_consumer", "start", *places)
    assert (refused.returncode, "CommandError: Already running" in refused.stderr) == (75, True)
    assert terminal.run(*MANAGE, "queue_consumer", "stop", *places).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_with_debug_a_change_of_the_code_restarts_it(
    site: Site, terminal: Terminal, number: signal.Signals
) -> None:
    (terminal.folder / "debugging.py").write_text("from tests.project.settings import *\nDEBUG = True\n")
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "debugging"
    running = terminal.begin(*MANAGE, "queue_consumer", "-p", "pid", "-l", "log")
    wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)
    first = terminal.pid()
    (terminal.folder / "debugging.py").touch()

    wait_until(lambda: terminal.log().count("is ready") == 2, why=terminal.log)

    assert terminal.pid() != first
    assert not is_alive(first)
    output = end(running, number)
    assert "debugging.py changed: restarting the consumer" in output
    assert terminal.processes() == set()


def test_with_debug_it_hears_an_interrupt_that_its_shell_ignores(site: Site, terminal: Terminal) -> None:
    (terminal.folder / "debugging.py").write_text("from tests.project.settings import *\nDEBUG = True\n")
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "debugging"
    ignoring = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    running = terminal.begin(*ignoring, *MANAGE, "queue_consumer", "-p", "pid", "-l", "log")
    wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)
    end(running, signal.SIGINT)
    assert terminal.processes() == set()


def test_the_code_is_not_watched_unless_that_is_wanted(site: Site, terminal: Terminal) -> None:
    (terminal.folder / "debugging.py").write_text("from tests.project.settings import *\nDEBUG = True\n")
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "debugging"
    running = terminal.begin(*MANAGE, "queue_consumer", "--no-reload", "-p", "pid", "-l", "log")
    wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)
    assert terminal.pid() == running.pid
    os.kill(running.pid, signal.SIGTERM)
    running.communicate(timeout=30)
