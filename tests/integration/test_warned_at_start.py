"""Likely mistakes are reported when a consumer starts, on the terminal and in its log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from djutils.queue.backends import queues
from djutils.queue.queue import invoker
from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

COMMANDS = """
from djutils.queue.decorators import queue_command

@queue_command(queue_name="slow")
def convert(): pass

@queue_command(queue_name="slow")
def compress(): pass
"""
MEMORY = {"DJUTILS_TEST_QUEUE_BACKEND": "djutils.queue.backends.memory.MemoryQueue"}


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    """A project with two commands for the queue ``slow``, and many for the default one."""
    terminal = Terminal(site.folder, site.environment)
    (site.folder / "shop").mkdir()
    (site.folder / "shop" / "__init__.py").touch()
    (site.folder / "shop" / "commands.py").write_text(COMMANDS)
    change(terminal, "INSTALLED_APPS += ['shop']")
    yield terminal
    terminal.close()


def change(terminal: Terminal, text: str) -> None:
    """Use the tests' settings, and some more."""
    (terminal.folder / "more.py").write_text(f"from tests.project.settings import *\n{text}\n")
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "more"


def start(terminal: Terminal, *words: str) -> str:
    """Return what is printed at the start, which must also be in the log."""
    started = terminal.consumer("start", *words)
    assert started.returncode == 0, started.stderr
    lines = [line for line in started.stderr.splitlines() if "runs as root" not in line]
    for line in lines:
        assert f"WARNING [{terminal.pid()}] djutils.queue.bin.consumer: {line}" in terminal.log()
    assert terminal.consumer("stop").returncode == 0
    return "\n".join(lines)


def test_a_queue_that_no_command_names_is_answered_with_the_nearest(site: Site, terminal: Terminal) -> None:
    said = start(terminal, "-q", site.queue.name, "-q", "slow", "-q", "slwo")

    assert said.startswith("No command is declared for the queue 'slwo', and the queue is empty. ")
    assert "Did you mean -q slow?" in said
    assert "\n" not in said


def test_a_queue_that_no_command_names_and_that_holds_something_is_not_warned_about(
    site: Site, terminal: Terminal
) -> None:
    commands.append.using(queue_name="slwo")(site.file(), 1)
    try:
        assert start(terminal, "-q", site.queue.name, "-q", "slow", "-q", "slwo", "-n") == ""
    finally:
        queues["slwo"].flush()


def test_commands_for_a_queue_that_no_consumer_empties_are_named(site: Site, terminal: Terminal) -> None:
    said = start(terminal)

    name = site.queue.name
    assert said == (
        "No consumer empties the queue 'slow' at the moment, and shop.commands.compress and 1 more would wait "
        f"there. Start a consumer with -q slow, or this one with -q {name} -q slow"
    )


def test_a_queue_that_another_consumer_empties_is_not_warned_about(site: Site, terminal: Terminal) -> None:
    other = site.consumer("-q", "slow").ready()

    assert start(terminal) == ""

    assert other.stop() == 0


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_paused_queue_is_not_warned_about(site: Site, terminal: Terminal) -> None:
    commands.append.using(queue_name="paused")(site.file(), 1)
    for name in ("slow", "paused"):
        invoker.pause(name)
    try:
        assert start(terminal, "-q", site.queue.name) == ""
    finally:
        queues["paused"].flush()
        for name in ("slow", "paused"):
            invoker.resume(name)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_consumer_of_another_queue_hears_of_the_default_one(site: Site, terminal: Terminal) -> None:
    said = start(terminal, "-q", "slow")

    assert f"No consumer empties the queue '{site.queue.name}' at the moment" in said


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_project_without_commands_is_told_so(site: Site, terminal: Terminal) -> None:
    terminal.environment |= MEMORY
    change(terminal, "INSTALLED_APPS = ['djutils']")

    said = start(terminal)

    assert said.startswith("No command is registered: no installed app has a commands.py")
    assert "INSTALLED_APPS" in said


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_warnings_of_the_system_checks_are_shown_and_can_be_silenced(site: Site, terminal: Terminal) -> None:
    both = "QUEUE_MAX_ATEMPTS = 3\nINSTALLED_APPS = ['djutils', 'tests.project.app']"
    change(terminal, both)
    assert start(terminal) == (
        "QUEUE_MAX_ATEMPTS is not a setting of djutils. Did you mean QUEUE_MAX_ATTEMPTS? (djutils.W001)"
    )

    change(terminal, f"{both}\nSILENCED_SYSTEM_CHECKS = ['djutils.W001']")
    assert start(terminal) == ""


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_in_the_foreground_it_is_said_on_the_terminal_as_well(site: Site, terminal: Terminal) -> None:
    for words in (), ("-l", "log"):
        running = terminal.begin(
            *BY_PATH, "run", "-q", site.queue.name, "-q", "slow", "-q", "slwo", "-p", "pid", *words
        )
        wait_until(terminal.pidfile.exists)
        terminal.consumer("stop")
        assert running.communicate(timeout=30)[0].count("Did you mean -q slow?") == 1


DATABASES = pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)


@DATABASES
def test_a_queue_of_another_name_in_the_same_database_is_named_at_the_start(
    site: Site, terminal: Terminal
) -> None:
    commands.append.using(queue_name="site_by_pooler")(site.file(), 1)
    try:
        said = start(terminal, "-q", site.queue.name, "-q", "slow")
    finally:
        queues["site_by_pooler"].flush()

    assert said.startswith(
        "Messages wait on the queue 'site_by_pooler' of the same database, and no consumer empties it"
    )
    assert "set QUEUE_NAME to one name for both" in said


@DATABASES
def test_a_running_consumer_reports_once_a_queue_that_no_consumer_empties(site: Site, tmp_path: Path) -> None:
    left, taken = f"{site.queue.name}-left", f"{site.queue.name}-taken"
    consumer = site.consumer("--lease", "2").ready()
    other = site.consumer("--lease", "2", "-q", taken, log="other.log").ready()
    other.kill_all()  # its workers stay registered, but their beats stand still
    try:
        commands.append.using(queue_name=left)(site.file(), 1)
        commands.append.using(queue_name=taken)(site.file(), 1)
        wait_until(lambda: consumer.log().count("Messages wait on the queue") == 2, why=consumer.log)
        assert f"Messages wait on the queue '{left}' of the same database" in consumer.log()
        site.consumer("-q", taken, log="third.log").ready()
        wait_until(lambda: not len(queues[taken]))
        assert consumer.log().count("Messages wait on the queue") == 2
    finally:
        queues[left].flush()
        queues[taken].flush()


@pytest.mark.parametrize("site", ["sqlite", "postgres"], indirect=True)
def test_a_running_consumer_reports_a_paused_queue_only_after_it_was_resumed(site: Site) -> None:
    paused, left = f"{site.queue.name}-paused", f"{site.queue.name}-left"
    invoker.pause(paused)
    try:
        for name in (paused, left):
            commands.append.using(queue_name=name)(site.file(), 1)
        consumer = site.consumer("--lease", "1").ready()
        wait_until(lambda: f"Messages wait on the queue '{left}'" in consumer.log(), why=consumer.log)
        assert f"Messages wait on the queue '{paused}'" not in consumer.log()

        invoker.resume(paused)

        wait_until(lambda: f"Messages wait on the queue '{paused}'" in consumer.log(), why=consumer.log)
    finally:
        invoker.resume(paused)
        queues[paused].flush()
        queues[left].flush()
