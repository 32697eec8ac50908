"""What happens to programs that a command has started, when the command ends and when it is killed."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.consumers import is_alive
from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands, world
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


class Program:
    """Return a program with a unique sleeping time."""

    def __init__(self) -> None:
        self.seconds = f"333.{secrets.randbelow(10**9):09}"

    def running(self) -> list[int]:
        """Its processes."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if self._is(path)]

    def _is(self, path: Path) -> bool:
        with suppress(OSError):
            words = (path / "cmdline").read_bytes().split(b"\0")
            return words[:2] == [b"sleep", self.seconds.encode()] and is_alive(int(path.name))
        return False


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    yield program
    for pid in program.running():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_past_its_hard_limit_a_command_takes_its_programs_with_it(
    site: Site, program: Program, threads: int
) -> None:
    world.wait_for_a_program(site.file(), program.seconds)
    consumer = site.consumer(threads=threads)
    wait_until(lambda: site.queue.stats().dead == 1, why=consumer.log)

    assert len(set(commands.lines(site.file()))) == 2
    wait_until(lambda: not program.running())
    assert consumer.stop() == 0


@pytest.mark.parametrize("action", ["start", "run"])
def test_nothing_of_a_command_that_outlasts_the_grace_period_is_left(
    site: Site, terminal: Terminal, program: Program, action: str
) -> None:
    begun = terminal.begin(*BY_PATH, action, "-l", "log", "-p", "pid", "--grace", "0.5")
    world.wait_for_a_program_for_ever(site.file(), program.seconds)
    wait_until(program.running, why=terminal.log)

    stopped = terminal.consumer("stop")

    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert not program.running()
    begun.communicate(timeout=30)
    assert terminal.processes() == set()


def test_a_worker_that_is_killed_takes_its_programs_with_it(site: Site, program: Program) -> None:
    world.wait_for_a_program_for_ever(site.file(), program.seconds)
    consumer = site.consumer().ready()
    (first,) = wait_until(program.running, why=consumer.log)

    consumer.kill_worker()

    wait_until(lambda: not is_alive(first))


def test_when_the_supervisor_is_killed_nothing_outlasts_the_grace_period(
    site: Site, program: Program
) -> None:
    world.wait_for_a_program_for_ever(site.file(), program.seconds)
    consumer = site.consumer("--grace", "0.5").ready()
    wait_until(program.running, why=consumer.log)

    os.kill(consumer.pid, signal.SIGKILL)

    wait_until(lambda: not program.running(), why=consumer.log)
    consumer.exit_code()


@pytest.mark.parametrize("session", [False, True])
def test_what_a_command_left_running_lives_on_when_its_worker_ends_in_order(
    site: Site, program: Program, session: bool
) -> None:
    world.leave_a_program(site.file(), program.seconds, session)
    consumer = site.consumer("--max-commands", "1").ready()
    site.wait_until_empty()
    worker = int(commands.lines(site.file())[0])
    wait_until(lambda: not is_alive(worker))
    assert program.running()
    assert consumer.is_running()


@pytest.mark.parametrize("session", [False, True])
def test_only_a_session_of_its_own_outlives_a_killed_worker(
    site: Site, program: Program, session: bool
) -> None:
    world.leave_a_program(site.file(), program.seconds, session)
    consumer = site.consumer().ready()
    site.wait_until_empty()
    (worker,) = consumer.workers()
    world.wait_for_a_program(site.file("second"), program.seconds)

    wait_until(lambda: worker not in consumer.workers(), why=consumer.log)
    wait_until(lambda: site.queue.stats().dead == 1, why=consumer.log)
    wait_until(lambda: len(program.running()) == int(session))


def test_ctrl_c_at_a_terminal_lets_the_programs_of_a_command_be(site: Site, program: Program) -> None:
    world.wait_for_a_program_for_ever(site.file(), program.seconds)
    consumer = site.consumer("--grace", "60").ready()
    wait_until(program.running, why=consumer.log)

    os.killpg(consumer.pid, signal.SIGINT)  # as the terminal does it

    wait_until(lambda: "Stopping" in consumer.log(), why=consumer.log)
    assert program.running()
    os.kill(program.running()[0], signal.SIGTERM)
    assert consumer.exit_code() == 0
