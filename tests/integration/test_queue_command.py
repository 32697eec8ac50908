"""``manage.py queue VERB``."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from djutils.management.commands.queue import VERBS
from tests.daemons import MANAGE, Terminal
from tests.project.app import commands
from tests.sites import Site

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def run(*words: str) -> str:
    """Return what a verb prints."""
    out = io.StringIO()
    call_command("queue", *words, stdout=out)
    return out.getvalue()


def test_a_verb_does_what_its_command_does(site: Site) -> None:
    call = commands.append(site.file(), 1)
    name = site.queue.name
    assert call.id in run("show", call.id, "-q", name)
    assert "No consumer works on" in run("why", call.id, "-q", name)
    assert call.id[:12] in run("list", "-q", name, "--state", "ready")
    assert "is paused" in run("pause", name, "--reason", "a test")
    assert "is resumed" in run("resume", name)
    assert run("lanes", "-q", name) == "Nothing waits or runs in a lane.\n"
    assert commands.append.command_class.name in run("commands", "-q", name)


def test_an_unknown_verb_names_the_others(site: Site) -> None:
    with pytest.raises(CommandError, match="'why'"):
        run("explode")


def test_exit_codes_and_help_are_those_of_the_command(site: Site, terminal: Terminal) -> None:
    def manage(*words: str) -> subprocess.CompletedProcess[str]:
        return terminal.run(*MANAGE, "queue", *words)

    assert manage("workers", "-q", site.queue.name).returncode == 4
    assert manage("why").returncode == 1
    assert "--span" in manage("commands", "--help").stdout
    assert "explode" in manage("explode").stderr


def test_every_verb_stands_for_a_command_that_exists(site: Site) -> None:
    for verb in VERBS:
        with pytest.raises((CommandError, SystemExit)):
            run(verb, "--no-such-option")
