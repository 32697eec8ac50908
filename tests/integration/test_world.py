"""The process state that a command finds, unchanged by the previous one: in a daemon and in the foreground."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemons import BY_PATH, MANAGE, Terminal
from tests.project.app import commands, world
from tests.sites import Site
from tests.waiting import wait_until

ONE = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
pytestmark = ONE
WAYS = {
    "daemon": (*BY_PATH, "start"),
    "foreground": (*BY_PATH, "run"),
    "manage.py": (*MANAGE, "queue_consumer"),
    "closed": ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *BY_PATH, "start"),
    "closed foreground": ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *BY_PATH, "run"),
    "nohup": ("sh", "-c", 'trap "" HUP INT QUIT TSTP USR1; exec "$@"', "sh", *BY_PATH, "run"),
}
"""How a consumer may be started."""


class Started(Terminal):
    """A terminal from which a consumer was started in one of the ways."""

    def start(self, way: str, *options: str) -> Started:
        begun = self.begin(*WAYS[way], "-l", "log", "-p", "pid", *options)
        if "start" in WAYS[way]:
            output, _ = begun.communicate(timeout=30)
            assert begun.returncode == 0, output + self.log()
        wait_until(lambda: "is ready" in self.log(), why=self.log)
        return self

    def stop(self) -> str:
        """End it, and return its log."""
        stopped = self.consumer("stop")
        assert stopped.returncode == 0, stopped.stderr
        wait_until(lambda: not self.processes(), why=self.log)
        return self.log()


@pytest.fixture
def terminal(site: Site) -> Iterator[Started]:
    terminal = Started(site.folder, site.environment)
    yield terminal
    terminal.close()


def found(site: Site) -> list[Any]:
    """What the commands wrote, when all have run."""
    site.wait_until_empty()
    return [json.loads(line) for line in commands.lines(site.file())]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_command_finds_a_fresh_world_however_its_consumer_was_started(
    site: Site, terminal: Started, way: str, threads: int
) -> None:
    world.look_around(site.file())
    terminal.start(way, "-t", str(threads))

    (seen,) = found(site)

    masks, handlers, _ = world.fresh()
    assert seen["started"] == [masks, handlers, ""]
    assert seen["forked"] == [handlers, []]
    assert (seen["stdin"], seen["cat"]) == ("", "")
    assert seen["inheritable"] == [True] * 3
    assert (seen["blocked"], seen["main"]) == ([], threads == 1)


@pytest.mark.parametrize("way", ["daemon", "foreground"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_of_a_command_hears_that_it_shall_end(
    site: Site, terminal: Started, way: str, threads: int
) -> None:
    world.end_a_child(site.file())
    terminal.start(way, "-t", str(threads))
    site.wait_until_empty()
    assert commands.lines(site.file()) == [str(-signal.SIGTERM)]


@pytest.mark.parametrize("way", ["daemon", "foreground"])
def test_an_alarm_interrupts_a_command_and_never_the_next_one(
    site: Site, terminal: Started, way: str
) -> None:
    world.be_interrupted(site.file("alarmed"))
    world.look_about(site.file(), 1.0)
    terminal.start(way)

    assert len(found(site)) == 1
    assert commands.lines(site.file("alarmed")) == [f"signal {signal.SIGALRM}"]
    assert "was killed" not in terminal.stop()


@pytest.mark.parametrize("way", ["daemon", "foreground"])
def test_directory_umask_and_handlers_are_put_back(site: Site, terminal: Started, way: str) -> None:
    terminal.start(way)
    world.look_about(site.file())
    site.wait_until_empty()
    world.make_a_mess(site.file("mess"))
    world.look_about(site.file())

    before, after = found(site)

    assert after == before
    assert before[0] == str(terminal.folder)
    assert "was killed" not in terminal.stop()


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGHUP, signal.SIGTERM)])
def test_an_idle_worker_ends_soon_after_it_is_asked_to(
    site: Site, terminal: Started, numbers: tuple[signal.Signals, ...]
) -> None:
    terminal.start("foreground")
    for number in numbers:
        os.kill(terminal.pid(), number)
    wait_until(lambda: not terminal.processes(), timeout=5, why=terminal.log)
    assert "Stopped." in terminal.log()
