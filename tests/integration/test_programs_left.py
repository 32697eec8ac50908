"""Programs that commands have started: ``stop`` neither waits for them nor ends them, and says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.consumers import is_alive
from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands, operations
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
RUN = (*BY_PATH, "run", "-p", "pid", "-l", "log")


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def start(terminal: Terminal, daemon: bool, *options: str) -> None:
    if daemon:
        assert terminal.consumer("start", *options).returncode == 0
    else:
        terminal.begin(*RUN, *options)
        wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)


@pytest.mark.parametrize("daemon", [True, False])
@pytest.mark.parametrize("words", [("sleep", "300"), ("sh", "-c", "sleep 301; true")])
def test_a_program_left_behind_is_named_and_left_alone(
    site: Site, terminal: Terminal, daemon: bool, words: tuple[str, ...]
) -> None:
    start(terminal, daemon)
    operations.leave_program(site.file(), *words)
    site.wait_until_empty()
    (program,) = map(int, commands.lines(site.file()))

    stopped = terminal.consumer("stop", "--timeout", "15")

    assert stopped.returncode == 0, stopped.stderr
    assert f"{program} ({words[0]})" in stopped.stdout
    assert stopped.stderr == ""
    assert is_alive(program)
    assert terminal.consumer("start").returncode == 0
    assert terminal.consumer("stop").returncode == 0
    os.kill(program, signal.SIGKILL)


def test_what_ran_is_said_to_run_again_only_if_something_was_killed(site: Site, terminal: Terminal) -> None:
    start(terminal, True, "--grace", "60")
    operations.leave_program(site.file(), "sleep", "300")
    site.wait_until_empty()
    commands.hold(site.file("held"), site.file("gate"))
    wait_until(lambda: commands.lines(site.file("held")))
    program = int(commands.lines(site.file())[0])

    stopped = terminal.consumer("stop", "--timeout", "0.3")

    assert "will run again" in stopped.stderr
    assert f"{program} (sleep)" in stopped.stdout
    assert str(program) not in stopped.stderr
    assert terminal.processes() == {program}


@pytest.mark.parametrize("busy", [False, True])
def test_workers_that_outlive_a_killed_consumer_are_ended(site: Site, terminal: Terminal, busy: bool) -> None:
    start(terminal, True, "--grace", "60", "-w", "2")
    if busy:
        commands.hold(site.file(), site.file("gate"))
        wait_until(lambda: commands.lines(site.file()))
    supervisor = terminal.pid()
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not is_alive(supervisor))

    stopped = terminal.consumer("stop", "--timeout", "0.5" if busy else "20")

    assert stopped.returncode == 3, stopped.stderr
    assert ("will run again" in stopped.stderr) == busy
    assert not list(terminal.folder.glob("pid*"))
    wait_until(lambda: not terminal.processes())  # the maintainer ends by itself


def test_only_the_workers_themselves_are_ended(site: Site, terminal: Terminal) -> None:
    start(terminal, True)
    state = terminal.folder / "pid.state"
    with subprocess.Popen(["sleep", "60"]) as stranger:
        for pid in terminal.processes():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not terminal.processes() - {stranger.pid})
        info = json.loads(state.read_text())
        # As if their numbers had been given away again.
        info |= {"workers": [stranger.pid], "births": {stranger.pid: "1"}}
        state.write_text(json.dumps(info))
        assert terminal.consumer("stop").returncode == 3
        assert stranger.poll() is None
        stranger.kill()
