"""``consumer.py start|stop|restart|status``: the daemon, seen from the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.consumers import is_alive
from tests.daemons import AS_MODULE, BY_PATH, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
CONSOLE = (sys.executable, "-c", "import sys; from djutils.queue.bin.consumer import main; sys.exit(main())")


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def of_process(pid: int, name: str) -> str:
    """A line of /proc/<pid>/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{name}:")).split()[1]


def test_start_leaves_a_daemon_that_runs_commands_and_stop_ends_it(site: Site, terminal: Terminal) -> None:
    started = terminal.consumer("start", "-w", "2")
    assert started.returncode == 0, started.stderr
    assert f"process {terminal.pid()}" in started.stdout
    assert str(terminal.folder / "log") in started.stdout
    assert len(terminal.processes()) == 4

    commands.append(site.file(), 1)
    site.wait_until_empty()
    assert len(commands.lines(site.file())) == 1

    stopped = terminal.consumer("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert terminal.processes() == set()
    assert not terminal.pidfile.exists()


def test_the_daemon_is_a_proper_one(site: Site, terminal: Terminal) -> None:
    hear, say = os.pipe()
    starting = terminal.begin(*BY_PATH, "start", "-l", "log", "-p", "pid", pass_fds=(say,))
    os.close(say)
    # The daemon holds neither our pipe nor its starter's output, otherwise these two would never end.
    output, _ = starting.communicate(timeout=30)
    assert (starting.returncode, os.read(hear, 1)) == (0, b""), output
    os.close(hear)

    pid = terminal.pid()
    assert os.getsid(pid) not in {os.getsid(0), pid}
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4] == "0"  # no terminal
    assert Path(f"/proc/{pid}/cwd").resolve() == terminal.folder.resolve()
    assert terminal.log_file.stat().st_mode & 0o777 == 0o640


@pytest.mark.slow
@pytest.mark.parametrize("command", [BY_PATH, AS_MODULE, CONSOLE], ids=["path", "module", "console"])
def test_it_may_be_called_in_several_ways(site: Site, terminal: Terminal, command: tuple[str, ...]) -> None:
    assert terminal.run(*command, "status", "-p", "pid").returncode == 3
    assert terminal.run(*command, "start", "-l", "log", "-p", "pid").returncode == 0
    assert terminal.run(*command, "status", "-p", "pid").returncode == 0
    assert terminal.run(*command, "stop", "-p", "pid").returncode == 0


def test_the_script_finds_djutils_and_a_project_in_the_current_directory(
    site: Site, terminal: Terminal
) -> None:
    (terminal.folder / "options.py").write_text("raise AssertionError('ours is djutils.queue.bin.options')")
    (terminal.folder / "plain_settings.py").write_text(
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['djutils']\n"
        "QUEUE_BACKEND = 'djutils.queue.backends.memory.MemoryQueue'\n"
    )
    command = (*BY_PATH, "start", "-l", "log", "-p", "pid")
    started = terminal.run(*command, PYTHONPATH="", DJANGO_SETTINGS_MODULE="plain_settings")
    assert started.returncode == 0, started.stderr


def test_of_two_starts_at_once_one_wins(site: Site, terminal: Terminal) -> None:
    command = (*BY_PATH, "start", "-l", "log", "-p", "pid")
    both = [terminal.begin(*command) for _ in range(2)]
    outputs = [starting.communicate(timeout=30)[0] for starting in both]

    assert sorted(starting.returncode for starting in both) == [0, 75], outputs
    assert f"Already running: process {terminal.pid()}" in "".join(outputs)
    assert len(terminal.processes()) == 3


@pytest.mark.slow
def test_the_pidfile_of_a_killed_daemon_is_replaced(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start")
    killed = terminal.pid()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not is_alive(killed))
    assert terminal.consumer("status").returncode == 1

    assert terminal.consumer("start").returncode == 0
    assert terminal.pid() != killed
    assert terminal.consumer("status").returncode == 0


def test_stop_removes_a_stale_pidfile_and_harms_no_process(site: Site, terminal: Terminal) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        terminal.pidfile.write_text(f"{stranger.pid}\n")
        stopped = terminal.consumer("stop")
        assert (stopped.returncode, stranger.poll()) == (3, None)
        stranger.kill()
    assert "removed" in stopped.stdout
    assert not terminal.pidfile.exists()
    assert terminal.consumer("stop").returncode == 3


def test_stop_waits_for_running_commands(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start")
    commands.hold(site.file(), site.file("gate"))
    wait_until(lambda: commands.lines(site.file()) == ["began"])

    stopping = terminal.begin(*BY_PATH, "stop", "-p", "pid")
    wait_until(lambda: "Stopping" in terminal.log())
    assert stopping.poll() is None
    Path(site.file("gate")).touch()

    output, _ = stopping.communicate(timeout=30)
    assert stopping.returncode == 0, output
    assert commands.lines(site.file()) == ["began", "ended"]
    assert terminal.processes() == set()


def test_stop_kills_what_does_not_end_in_time(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start", "--grace", "60", "-w", "2")
    commands.hold(site.file(), site.file("gate"))
    wait_until(lambda: commands.lines(site.file()) == ["began"])

    stopped = terminal.consumer("stop", "--timeout", "0.3")

    assert (stopped.returncode, terminal.processes()) == (0, set()), stopped.stderr
    assert "killed" in stopped.stderr
    assert not terminal.pidfile.exists()


def test_restart_replaces_the_daemon(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("restart").returncode == 0
    before = terminal.pid()
    assert terminal.consumer("restart").returncode == 0
    assert terminal.pid() != before
    assert not is_alive(before)


def test_restart_does_not_stop_what_it_could_not_start_again(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start")
    terminal.environment["DJUTILS_TEST_QUEUE_BACKEND"] = "nowhere.NoQueue"
    assert terminal.consumer("restart").returncode == 78
    assert terminal.consumer("status").returncode == 0


def test_status_tells_what_the_daemon_does(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start")
    commands.hold(site.file(), site.file("gate"))
    commands.append.using(run_after=datetime.now(UTC) + timedelta(days=1))(site.file(), 1)
    wait_until(lambda: commands.lines(site.file()) == ["began"])

    status = terminal.consumer("status").stdout

    workers = terminal.processes() - {terminal.pid()}
    assert f"Running: process {terminal.pid()}, up 0:00:0" in status
    assert any(f"workers  {pid} (1 processes x 1 threads)" in status for pid in workers)
    assert "1 waiting (1 of them not yet due), 1 in flight, 0 dead letters" in status
    assert "DatabaseQueue, at least once" in status


def test_status_works_while_the_backend_does_not(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start")
    terminal.environment["DJUTILS_TEST_QUEUE_BACKEND"] = "djutils.queue.backends.redis_backend.RedisQueue"
    terminal.environment["DJUTILS_TEST_QUEUE_CONNECTION"] = "127.0.0.1:1:0"
    status = terminal.consumer("status")
    assert status.returncode == 0
    assert "cannot be queried: BackendUnavailable" in status.stdout


def test_a_hangup_reopens_the_log(site: Site, terminal: Terminal) -> None:
    terminal.consumer("start")
    old = terminal.log_file.rename(terminal.folder / "log.1")
    os.kill(terminal.pid(), signal.SIGHUP)
    wait_until(terminal.log_file.exists)

    commands.append(site.file(), 1)
    site.wait_until_empty()
    wait_until(lambda: "succeeded" in terminal.log())
    assert "succeeded" not in old.read_text()


def test_a_crashs_last_words_are_kept(site: Site, terminal: Terminal) -> None:
    app = terminal.folder / "shouting"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "commands.py").write_text(
        "import os\nfrom djutils.queue.decorators import queue_command\n"
        "os.register_at_fork(after_in_child=lambda: print('only on stdout', flush=True))\n"
    )
    (terminal.folder / "loud.py").write_text(
        "from tests.project.settings import *\nINSTALLED_APPS += ['shouting']\n"
    )
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "loud"
    assert terminal.consumer("start").returncode == 0
    assert "only on stdout" in terminal.log()
