"""``restart`` and ``stop``: options are kept, commands may call them, and several may run at once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from djutils.queue.bin.pidfile import read
from tests.consumers import is_alive
from tests.daemons import BY_PATH, MANAGE, Terminal
from tests.project.app import commands, operations
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
FILES = ("-p", "pid", "-l", "log")


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def running(terminal: Terminal) -> tuple[list[str], int, int]:
    """The queues, processes and threads of the consumer that runs."""
    holder = read(terminal.pidfile)
    assert holder is not None
    assert holder.alive
    return holder.info["queues"], holder.info["processes"], holder.info["threads"]


@pytest.mark.parametrize("command", [BY_PATH, (*MANAGE, "queue_consumer")], ids=["script", "manage"])
def test_a_consumer_comes_back_as_it_was(site: Site, terminal: Terminal, command: tuple[str, ...]) -> None:
    started = terminal.run(
        *command, "start", *FILES, "-w", "2", "-q", "slow", "-q", "b", "-n", "--umask", "027"
    )
    assert started.returncode == 0, started.stderr

    again = terminal.run(*command, "restart", "-p", "pid")
    assert again.returncode == 0, again.stderr
    assert running(terminal) == (["slow", "b"], 2, 1)
    for word in (
        "--queue=slow",
        "--processes=2",
        "--no-periodic",
        "--umask=27",
        f"log      {terminal.log_file}",
    ):
        assert word in again.stdout

    changed = terminal.run(*command, "restart", "-p", "pid", "-q", "quick", "-t", "3", "--periodic")
    assert changed.returncode == 0, changed.stderr
    assert running(terminal) == (["quick"], 2, 3)
    assert "--periodic" in changed.stdout


def test_one_that_was_killed_comes_back_as_it_was(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start", "-w", "2").returncode == 0
    for pid in terminal.processes():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not terminal.processes())
    assert terminal.consumer("restart").returncode == 0
    assert running(terminal)[1] == 2


def test_options_that_contradict_those_it_has_stop_nothing(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start", "-d", "2", "-m", "5").returncode == 0
    refused = terminal.consumer("restart", "-m", "1")
    assert (refused.returncode, "shorter than --delay" in refused.stderr) == (2, True)
    assert terminal.consumer("status").returncode == 0


@pytest.mark.parametrize(
    "damage", ['{"pid": %d, "options": ["--no-such"]}', '{"pid": %d, "options": ["-w=x"]}']
)
def test_recorded_options_that_make_no_sense_stop_nothing(
    site: Site, terminal: Terminal, damage: str
) -> None:
    assert terminal.consumer("start").returncode == 0
    state = terminal.folder / "pid.state"
    state.write_text(damage % terminal.pid())
    refused = terminal.consumer("restart")
    assert (refused.returncode, "cannot be taken over" in refused.stderr) == (2, True)
    assert terminal.consumer("stop").returncode == 0


def test_a_lost_state_file_is_told_of(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start", "-w", "2").returncode == 0
    (terminal.folder / "pid.state").unlink()
    again = terminal.consumer("restart")
    assert (again.returncode, "the defaults" in again.stderr) == (0, True), again.stderr
    assert running(terminal)[1] == 1


def test_a_consumer_of_an_older_version_is_stopped_and_comes_back(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start", "-w", "2").returncode == 0
    state = json.loads((terminal.folder / "pid.state").read_text())
    old = terminal.pid()
    kept = ("birth", "started", "session", "queues", "processes", "threads", "grace", "workers")
    info = {name: state[name] for name in kept}
    terminal.pidfile.write_text(f"{old}\n{json.dumps(info)}\n")  # in place: the lock is still held
    (terminal.folder / "pid.state").unlink()

    assert f"process {old}, up" in terminal.consumer("status").stdout
    assert terminal.consumer("start").returncode == 75
    assert terminal.consumer("restart").returncode == 0
    assert not is_alive(old)
    assert running(terminal)[1] == 2
    assert terminal.pidfile.read_text() == f"{terminal.pid()}\n"


@pytest.mark.parametrize("daemon", [True, False])
def test_a_command_can_restart_its_own_consumer(site: Site, terminal: Terminal, daemon: bool) -> None:
    if daemon:
        assert terminal.consumer("start").returncode == 0
    else:
        terminal.begin(*BY_PATH, "run", *FILES)
        wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)
    before = terminal.pid()

    operations.operate(
        site.file(), *BY_PATH, "restart", "-p", str(terminal.pidfile), "-l", str(terminal.log_file)
    )
    wait_until(lambda: commands.lines(site.file()), why=terminal.log)

    (said,) = commands.lines(site.file())
    assert said.startswith("0 A command of this consumer requested this")
    wait_until(lambda: terminal.pidfile.exists() and terminal.pid() != before, 40, why=terminal.log)
    commands.append(site.file("after"), 1)
    site.wait_until_empty()
    assert not is_alive(before)
    assert terminal.consumer("stop").returncode == 0
    assert terminal.processes() == set()
    assert len(commands.lines(site.file())) == 1


def test_a_command_can_stop_its_own_consumer(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    operations.operate(site.file(), *BY_PATH, "stop", "-p", str(terminal.pidfile))
    wait_until(lambda: not terminal.processes(), 40, why=terminal.log)
    assert commands.lines(site.file())[0].startswith("0 A command of this consumer requested this")
    assert not terminal.pidfile.exists()
    assert "are killed" not in terminal.log()


@pytest.mark.parametrize("action", ["stop", "restart"])
def test_a_worker_process_itself_cannot(site: Site, terminal: Terminal, action: str) -> None:
    assert terminal.consumer("start").returncode == 0
    operations.operate_here(site.file(), "queue_consumer", action, "-p", str(terminal.pidfile))
    site.wait_until_empty()
    assert "Run djutils-consumer as a program" in commands.lines(site.file())[0]
    assert terminal.consumer("status").returncode == 0


def test_a_restart_that_cannot_start_again_tells_the_command(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    place = ("-p", str(terminal.pidfile), "-l", str(terminal.folder / "no" / "log"))
    operations.operate(site.file(), "env", "DJUTILS_TEST_QUEUE_BACKEND=no.Queue", *BY_PATH, "restart", *place)
    site.wait_until_empty()
    assert commands.lines(site.file())[0].startswith("78 ")
    assert terminal.consumer("status").returncode == 0


@pytest.mark.parametrize(
    ("actions", "codes", "runs"),
    [
        (("start", "start", "start"), {0, 75}, True),
        (("restart", "restart", "restart"), {0, 1, 75}, True),
        (("stop", "stop", "stop"), {0, 3}, False),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_several_at_once_leave_one_or_none(
    site: Site, terminal: Terminal, actions: tuple[str, ...], codes: set[int], runs: bool, before: bool
) -> None:
    if before and actions[0] != "start":
        assert terminal.consumer("start").returncode == 0
    several = [terminal.begin(*BY_PATH, action, *FILES) for action in actions]
    said = [one.communicate(timeout=90)[0] for one in several]
    found = [one.returncode for one in several]

    assert set(found) <= codes, said
    assert "Traceback" not in "".join(said)
    assert len(terminal.processes()) == (3 if runs else 0), said
    assert terminal.consumer("status").returncode == (0 if runs else 3), said
    if runs:
        assert 0 in found
        assert terminal.consumer("stop").returncode == 0
    assert terminal.processes() == set()
