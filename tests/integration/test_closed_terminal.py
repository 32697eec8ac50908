"""``run`` in a terminal that is closed: in a real one."""

from __future__ import annotations

import os
import pty
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.consumers import is_alive
from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
RUN = (*BY_PATH, "run", "-p", "pid", "-l", "log")


class Window:
    """A terminal with a program in it, which is the leader of its session."""

    def __init__(self, terminal: Terminal, *command: str) -> None:
        self.pid, self._screen = pty.fork()
        if not self.pid:
            try:
                os.chdir(terminal.folder)
                os.execvpe(command[0], command, terminal.environment)
            finally:
                os._exit(1)

    def close(self) -> None:
        if self._screen != -1:
            os.close(self._screen)
            self._screen = -1

    def exit_code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def start_in(terminal: Terminal, *command: str) -> Window:
    window = Window(terminal, *command)
    wait_until(lambda: "is ready" in terminal.log(), why=terminal.log)
    return window


def test_a_consumer_ends_in_order_with_its_terminal(site: Site, terminal: Terminal) -> None:
    commands.hold(site.file(), site.file("gate"))
    window = start_in(terminal, *RUN)
    wait_until(lambda: commands.lines(site.file()) == ["began"])

    window.close()
    wait_until(lambda: "terminal was closed" in terminal.log(), why=terminal.log)
    Path(site.file("gate")).touch()

    assert window.exit_code() == 0, terminal.log()
    assert commands.lines(site.file()) == ["began", "ended"]
    assert terminal.processes() == set()


def test_a_consumer_that_logs_to_its_terminal_ends_with_it(site: Site, terminal: Terminal) -> None:
    window = Window(terminal, *BY_PATH, "run", "-p", "pid")
    commands.append(site.file(), 1)
    site.wait_until_empty()
    window.close()
    assert window.exit_code() == 0
    assert terminal.processes() == set()


def test_a_consumer_ends_with_the_terminal_of_its_shell(site: Site, terminal: Terminal) -> None:
    window = start_in(terminal, "sh", "-c", '"$@"; true', "sh", *RUN)
    window.close()
    window.exit_code()
    wait_until(lambda: not terminal.processes(), why=terminal.log)
    assert "terminal was closed" in terminal.log()
    assert not terminal.pidfile.exists()


def test_with_nohup_it_lives_on(site: Site, terminal: Terminal) -> None:
    window = start_in(terminal, "sh", "-c", '"$@" & wait', "sh", "nohup", *RUN)
    consumer = terminal.pid()
    window.close()
    with suppress(ProcessLookupError):
        os.kill(window.pid, signal.SIGHUP)
    window.exit_code()
    commands.append(site.file(), 1)
    site.wait_until_empty()
    assert is_alive(consumer)
    assert terminal.consumer("stop").returncode == 0


def test_a_hangup_while_the_terminal_is_there_reopens_the_log(site: Site, terminal: Terminal) -> None:
    window = start_in(terminal, *RUN)
    terminal.log_file.rename(terminal.folder / "log.1")
    os.kill(terminal.pid(), signal.SIGHUP)
    wait_until(terminal.log_file.exists)
    commands.append(site.file(), 1)
    site.wait_until_empty()
    assert terminal.consumer("stop").returncode == 0
    window.close()
    assert window.exit_code() == 0
