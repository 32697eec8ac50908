"""A project's LOGGING is respected: in a daemon, in the foreground, and in dead letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import BY_PATH, MANAGE, Terminal
from tests.project.app import commands, world
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
WAYS = {
    "daemon": (*BY_PATH, "start"),
    "foreground": (*BY_PATH, "run"),
    "manage.py": (*MANAGE, "queue_consumer"),
}
MAILED = """
from tests.project.settings import *
LOGGING = {
    "version": 1,
    "handlers": {"mail": {"class": "logging.FileHandler", "filename": "mail", "delay": True}},
    "root": {"handlers": ["mail"], "level": "ERROR"},
}
"""
CENSORED = """
from tests.project.settings import *
import logging, re, sys

class Censor(logging.Filter):
    def filter(self, record):
        record.msg, record.args = re.sub(r"\\d{16}", "[card]", record.getMessage()), ()
        return "hush" not in record.msg

class Redacting(logging.Formatter):
    def format(self, record):
        return super().format(record).replace("S3CRET", "[secret]")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"censor": {"()": Censor}},
    "formatters": {"redacting": {"()": Redacting}},
    "handlers": {
        "file": {
            "class": "logging.FileHandler", "filename": "kept", "filters": ["censor"], "formatter": "redacting"
        },
    },
    "root": {"handlers": ["file"], "level": "INFO"},
}
"""


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def start(terminal: Terminal, way: str, settings: str = "") -> None:
    """Start a consumer that logs to the terminal where it can; ``settings`` are its module."""
    if settings:
        (terminal.folder / "chosen.py").write_text(settings)
        terminal.environment["DJANGO_SETTINGS_MODULE"] = "chosen"
    begun = terminal.begin(*WAYS[way], "-l", "log", "-p", "pid")
    if way == "daemon":
        begun.communicate(timeout=30)
    wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_command_logs_and_prints_in_a_fresh_project_is_in_the_log_with_its_id_and_its_name(
    site: Site, terminal: Terminal, way: str
) -> None:
    start(terminal, way)
    sent = world.say(site.file(), "no milk")
    site.wait_until_empty()
    log, label = terminal.log().splitlines(), f"{sent.id} {sent.command}"
    (line,) = [line for line in log if line.endswith(": no milk")]
    assert re.fullmatch(rf"[-\d]+ [:,\d]+ WARNING \[\d+\] {re.escape(label)} app\.world: no milk", line)
    # In the foreground it prints to the terminal.
    for number, stream in enumerate(("stdout", "stderr") if way == "daemon" else (), 1):
        assert f"{label}: no milk on {stream}, {number}" in log


@pytest.mark.parametrize("way", WAYS)
def test_a_project_that_mails_its_errors_is_mailed_nothing_but_errors(
    site: Site, terminal: Terminal, way: str
) -> None:
    start(terminal, way, MAILED)
    commands.append(site.file(), 1)
    commands.refuse(site.file(), "for good")
    site.wait_until_empty()
    assert terminal.consumer("stop").returncode == 0

    assert "append succeeded" in terminal.log()
    (mail,) = Path(terminal.folder, "mail").read_text().splitlines()
    assert "refuse rejected" in mail


def test_what_the_projects_log_masks_is_masked_in_a_dead_letter(site: Site, terminal: Terminal) -> None:
    start(terminal, "daemon", CENSORED)
    texts = ["card 4111111111111111", "hush, this is nothing for a log", "the password is S3CRET", "harmless"]
    world.say_and_be_killed(site.file(), texts)
    wait_until(lambda: site.queue.stats().dead == 1, why=terminal.log)

    (letter,) = site.queue.dead_letters()
    kept = Path(terminal.folder, "kept").read_text()
    assert "harmless" in letter.error
    assert "card [card]" in letter.error
    assert "the password is [secret]" in letter.error
    assert not re.search(r"\d{16}|hush|S3CRET", letter.error)
    assert kept.count("harmless") == len(commands.lines(site.file())) == 3
