"""Damage to a daemon's log and pidfile does not affect its commands."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from djutils.queue.bin.pidfile import read
from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

from .catalogue import FULL
from .grounds import small_disk

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not FULL, reason="only in the full form: python -m tests.chaos --full"),
]


@pytest.fixture
def site(settings: Settings, tmp_path: Path, sqlite_alias: str) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(settings, tmp_path, stack, sqlite_alias)


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def run_some(site: Site, first: int) -> None:
    """Send ten commands, and wait until they have run."""
    for number in range(first, first + 10):
        commands.append(site.file(), number)
    wait_until(lambda: numbers(site) >= set(range(first, first + 10)))


def numbers(site: Site) -> set[int]:
    return {int(line.split()[0]) for line in commands.lines(site.file())}


def end(terminal: Terminal) -> None:
    stopped = terminal.consumer("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert terminal.processes() == set()
    assert not terminal.pidfile.exists()


def kill_all(terminal: Terminal) -> None:
    for pid in terminal.processes():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not terminal.processes())


def test_a_log_that_was_deleted_is_created_again(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    run_some(site, 0)
    terminal.log_file.unlink()

    wait_until(lambda: run_some(site, 10) or terminal.log_file.exists())
    wait_until(lambda: "succeeded" in terminal.log())
    end(terminal)


def test_a_log_whose_directory_is_gone_stops_nothing(site: Site, terminal: Terminal) -> None:
    place = terminal.folder / "logs"
    place.mkdir()
    assert terminal.run(*BY_PATH, "start", "-l", "logs/log", "-p", "pid").returncode == 0
    run_some(site, 0)
    (place / "log").unlink()
    place.rmdir()

    run_some(site, 10)

    place.mkdir()
    wait_until(lambda: run_some(site, 20) or (place / "log").exists())
    end(terminal)


def test_a_full_disk_of_the_log_stops_nothing(site: Site, terminal: Terminal) -> None:
    with small_disk(terminal.folder / "disk") as disk:
        assert terminal.run(*BY_PATH, "start", "-l", "disk/log", "-p", "pid").returncode == 0
        run_some(site, 0)
        with pytest.raises(OSError, match="No space"), (disk / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))

        run_some(site, 10)

        (disk / "fill").unlink()
        size = (disk / "log").stat().st_size
        run_some(site, 20)
        wait_until(lambda: (disk / "log").stat().st_size > size)
        end(terminal)


def test_a_device_that_is_always_full_stops_nothing(site: Site, terminal: Terminal) -> None:
    started = terminal.run(*BY_PATH, "start", "-l", "/dev/full", "-p", "pid")
    assert started.returncode in {0, 73}, started.stderr
    if started.returncode == 0:
        run_some(site, 0)
        end(terminal)


@pytest.mark.parametrize("name", ["pid", "pid.state"])
@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_file_cut_short_by_a_crash_is_replaced(
    site: Site, terminal: Terminal, name: str, keep: int
) -> None:
    assert terminal.consumer("start").returncode == 0
    kill_all(terminal)
    os.truncate(terminal.folder / name, keep)

    assert terminal.consumer("status").returncode == 1
    started = terminal.consumer("start")
    assert started.returncode == 0, started.stderr
    run_some(site, 0)
    end(terminal)


@pytest.mark.parametrize("name", ["pid", "pid.state"])
@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_file_cut_short_under_a_living_daemon_is_still_locked(
    site: Site, terminal: Terminal, name: str, keep: int
) -> None:
    assert terminal.consumer("start").returncode == 0
    os.truncate(terminal.folder / name, keep)

    assert terminal.consumer("start").returncode == 75
    run_some(site, 0)

    end(terminal)


def test_a_pidfile_that_names_another_process_harms_no_process(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    first = terminal.pid()
    kill_all(terminal)
    # As if our pid had been given away again: to us.
    terminal.pidfile.write_text(f"{os.getpid()}\n")
    assert first != os.getpid()

    assert terminal.consumer("stop").returncode == 3
    terminal.pidfile.write_text(f"{os.getpid()}\n{json.dumps({})}\n")
    started = terminal.consumer("start")
    assert started.returncode == 0, started.stderr
    holder = read(terminal.pidfile)
    assert holder
    assert holder.pid != os.getpid()
    run_some(site, 0)
    end(terminal)
