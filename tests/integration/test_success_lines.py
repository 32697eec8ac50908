"""The log has a line of each command that succeeded, also of those that ran just before their process was killed."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from djutils.queue.bin.pidfile import read
from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

SUCCEEDED = re.compile(r"([0-9a-f]{32}) \S+ succeeded in \d+\.\d{3} s$", re.MULTILINE)
COUNT = 2000


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def kill_workers(terminal: Terminal) -> int:
    """Kill the worker processes that the pidfile names, and return how many there were.

    It names one that was killed before until the supervisor has replaced it.
    """
    holder, killed = read(terminal.pidfile), 0
    for worker in holder.info["workers"] if holder else ():
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
            killed += 1
    return killed


@pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
@pytest.mark.parametrize("threads", ["1", "2"])
def test_no_line_is_lost_when_worker_processes_are_killed(
    site: Site, terminal: Terminal, threads: str
) -> None:
    ids = {commands.append(site.file(), number).id for number in range(COUNT)}
    started = terminal.run(*BY_PATH, "start", "-p", "pid", "-l", "log", "-n", "-t", threads)
    assert started.returncode == 0, started.stderr

    for part in range(1, 4):
        wait_until(lambda part=part: len(commands.lines(site.file())) > part * COUNT // 5)
        wait_until(lambda: kill_workers(terminal))
    site.wait_until_empty()
    assert terminal.consumer("stop").returncode == 0

    assert set(SUCCEEDED.findall(terminal.log_file.read_text())) == ids
