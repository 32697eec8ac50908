"""How a worker process starts and ends: the project is notified, and buffered output is not lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands, world
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
SETTINGS = """
from tests.project.settings import *
import atexit, logging, logging.handlers, os, queue, sys, tempfile, threading
from tests.project.app.files import write

folder = tempfile.TemporaryDirectory(dir=".", prefix="made-")
consumer = os.getpid()
atexit.register(lambda: write("lives", "exit") if os.getpid() != consumer else None)

from djutils.queue.signals import worker_started, worker_stopping

class Listening:
    "A queue of log records and a thread that writes them, as LOGGING may have it."

    def begin(self, **facts):
        self.records = queue.SimpleQueue()
        handler.queue = self.records
        self.listener = logging.handlers.QueueListener(self.records, logging.FileHandler("queued"))
        self.listener.start()
        write("lives", f"started {facts['queues']} {threading.current_thread() is threading.main_thread()}")

    def end(self, **facts):
        self.listener.stop()
        write("lives", "stopping")

listening = Listening()
handler = logging.handlers.QueueHandler(queue.SimpleQueue())
logging.getLogger("app").addHandler(handler)
worker_started.connect(listening.begin)
worker_stopping.connect(listening.end)
"""


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    (site.folder / "told.py").write_text(SETTINGS)
    yield terminal
    terminal.close()


def test_what_commands_left_for_the_end_of_a_daemon_happens_and_arrives_in_its_log(
    site: Site, terminal: Terminal
) -> None:
    terminal.consumer("start")
    world.leave_things_to_do(site.file())
    wait_until(lambda: "a whole line\n" in terminal.log(), why=terminal.log)
    site.wait_until_empty()

    assert terminal.consumer("stop").returncode == 0

    assert commands.lines(site.file()) == ["thread", "exit handler"]
    assert "half a line" in terminal.log()


def test_what_a_consumer_in_the_foreground_prints_into_a_pipe_arrives(site: Site, terminal: Terminal) -> None:
    running = terminal.begin(*BY_PATH, "run", "-p", "pid")
    world.leave_things_to_do(site.file())
    site.wait_until_empty()

    terminal.consumer("stop")

    output, _ = running.communicate(timeout=30)
    assert (output.count("a whole line"), output.count("half a line")) == (1, 1)
    assert commands.lines(site.file()) == ["thread", "exit handler"]


def test_an_exit_handler_that_does_not_end_keeps_no_worker_from_being_replaced(
    site: Site, terminal: Terminal
) -> None:
    terminal.consumer("start", "--max-commands", "1", "--grace", "1")
    for _ in range(2):
        world.hang_at_exit(site.file())
    site.wait_until_empty()
    wait_until(lambda: "exit handlers did not end" in terminal.log(), why=terminal.log)
    assert len(set(commands.lines(site.file()))) == 2


def test_the_project_hears_of_each_worker_process_and_its_log_listener_works(
    site: Site, terminal: Terminal
) -> None:
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "told"
    terminal.consumer("start", "--max-commands", "1")
    for number in range(2):
        world.say(site.file(), f"line {number}")
    site.wait_until_empty()
    wait_until(lambda: terminal.log().count("is ready") == 3, why=terminal.log)
    assert terminal.consumer("stop").returncode == 0

    name = site.environment["DJUTILS_TEST_QUEUE_NAME"]
    lives = commands.lines(terminal.folder / "lives")
    assert lives[:3] == [f"started ('{name}',) True", "stopping", "exit"]
    assert lives.count("stopping") == 3
    assert Path(terminal.folder, "queued").read_text() == "line 0\nline 1\n"


def test_a_worker_that_ends_takes_no_temporary_folder_of_the_settings_away(
    site: Site, terminal: Terminal
) -> None:
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "told"
    terminal.consumer("start", "--max-commands", "1")
    for _ in range(2):
        world.look_into_the_settings_folder(site.file())
    site.wait_until_empty()
    assert commands.lines(site.file()) == ["True", "True"]
    assert terminal.consumer("stop").returncode == 0
    assert not list(terminal.folder.glob("made-*"))


SLOW = """
from pathlib import Path
from tests.project.settings import *
from tests.waiting import wait_until
from djutils.queue.signals import worker_started

def begin(**kwargs):
    Path("beginning").touch()
    wait_until(Path("gate").exists)

worker_started.connect(begin, weak=False)
"""


def test_a_worker_whose_supervisor_is_killed_while_it_starts_ends_without_a_fault(
    site: Site, terminal: Terminal
) -> None:
    (site.folder / "slow.py").write_text(SLOW)
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "slow"
    running = terminal.begin(*BY_PATH, "run", "-l", "log", "-p", "pid")
    wait_until((terminal.folder / "beginning").exists, why=terminal.log)

    running.kill()
    running.wait()
    (terminal.folder / "gate").touch()

    wait_until(lambda: not terminal.processes(), why=terminal.log)
    assert "This worker process failed" not in terminal.log()
