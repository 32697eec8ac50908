"""The consumer's actions with a broken output, home or current directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import BY_PATH, MANAGE, Terminal
from tests.project.app import commands, operations
from tests.sites import Site

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
FILES = ("-p", "pid", "-l", "log")
OUTPUTS = {
    "full": "> /dev/full",
    "all full": "> /dev/full 2> /dev/full",
    "closed": ">&-",
    "all closed": "<&- >&- 2>&-",
    "broken": "| true",
}


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def into(output: str, terminal: Terminal, *command: str) -> int:
    """Run a command with its output led elsewhere; its exit code."""
    terminal.run("sh", "-c", f'{{ "$@"; echo $? > code; }} {OUTPUTS[output]}', "sh", *command)
    return int((terminal.folder / "code").read_text())


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_that_cannot_be_written_stops_no_action(
    site: Site, terminal: Terminal, output: str
) -> None:
    assert into(output, terminal, *BY_PATH, "start", *FILES) == 0
    first = terminal.pid()
    assert into(output, terminal, *BY_PATH, "status", *FILES) == 0
    assert into(output, terminal, *BY_PATH, "restart", *FILES) == 0
    assert terminal.pid() != first
    commands.append(site.file(), 1)
    site.wait_until_empty()
    assert into(output, terminal, *BY_PATH, "start", *FILES) == 75
    assert into(output, terminal, *BY_PATH, "stop", *FILES) == 0
    assert into(output, terminal, *BY_PATH, "status", *FILES) == 3
    assert terminal.processes() == set()


@pytest.mark.parametrize("output", ["all full", "all closed", "broken"])
def test_nor_does_it_stop_manage_py(site: Site, terminal: Terminal, output: str) -> None:
    assert into(output, terminal, *MANAGE, "queue_consumer", "restart", *FILES) == 0
    assert into(output, terminal, *MANAGE, "queue_consumer", "start", *FILES) == 75
    assert into(output, terminal, *MANAGE, "queue_consumer", "stop", *FILES) == 0


def test_what_was_not_written_does_not_come_later_in_the_log(site: Site, terminal: Terminal) -> None:
    (terminal.folder / "chatty.py").write_text("from tests.project.settings import *\nprint('left over')\n")
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "chatty"
    assert into("full", terminal, *BY_PATH, "start", *FILES) == 0
    assert "left over" not in terminal.log()


def test_a_consumer_runs_in_the_foreground_without_any_output(site: Site, terminal: Terminal) -> None:
    commands.append(site.file(), 1)
    running = terminal.begin("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *BY_PATH, "run", "-p", "pid")
    site.wait_until_empty()
    assert terminal.consumer("stop").returncode == 0
    running.communicate(timeout=30)
    assert running.returncode == 0


def test_the_end_of_a_huge_log_is_not_searched_when_no_caller_waits(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    os.truncate(terminal.log_file, 1 << 40)  # a hole: it takes no room
    assert terminal.consumer("stop").returncode == 0
    with terminal.log_file.open("rb") as log:
        log.seek(1 << 40)
        end = log.read().decode()
    assert "Stopped." in end
    assert "failed" not in end


@pytest.mark.parametrize("action", ["start", "status", "stop", "restart"])
@pytest.mark.parametrize("home", ["/proc/nonexistent", ""])
def test_a_home_that_is_not_there_is_said_in_words(
    site: Site, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, action: str, home: str
) -> None:
    # As if we were not root, who has no need of a home.
    where = "import os, sys; os.geteuid = lambda: 1; from djutils.queue.bin.consumer import main; sys.exit(main())"
    if not home:
        where = f"import pwd; pwd.getpwuid = lambda uid: {{}}[uid]; {where}"
        terminal.environment.pop("HOME", None)
    else:
        terminal.environment["HOME"] = home
    terminal.environment.pop("XDG_STATE_HOME", None)
    done = terminal.run(BY_PATH[0], "-c", where, action, "-q", site.environment["DJUTILS_TEST_QUEUE_NAME"])
    assert done.returncode == (3 if home and action in {"status", "stop"} else 73), done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode == 73:
        assert "-p" in done.stderr


@pytest.mark.parametrize("command", [BY_PATH, (BY_PATH[0], "-m", "djutils.queue.bin.consumer")])
def test_a_directory_that_was_deleted_is_no_reason_to_fail(
    site: Site, terminal: Terminal, command: tuple[str, ...]
) -> None:
    assert terminal.consumer("start").returncode == 0
    gone = terminal.folder / "gone"

    def there(*words: str) -> tuple[int, str]:
        gone.mkdir()
        line = ("sh", "-c", f'cd {gone}; rmdir {gone}; exec "$@"', "sh", *command, *words)
        done = terminal.run(*line)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    full = ("-p", str(terminal.pidfile), "-l", str(terminal.log_file))
    assert there("status", *full)[0] == 0
    for action in ("start", "restart", "run"):
        code, said = there(action, *full)
        assert code in {73, 75}, said
        assert action == "start" or "current directory is gone" in said
    code, said = there("stop", "-p", "pid")
    assert (code, "leads nowhere" in said) == (73, True)
    assert there("stop", *full)[0] == 0
    assert there("start", *full)[0] == 73
    assert terminal.processes() == set()


@pytest.mark.parametrize(
    ("caller", "option", "folder"),
    [("022", (), 0o755), ("002", (), 0o775), ("022", ("--umask", "077"), 0o700)],
)
@pytest.mark.parametrize("action", ["start", "run"])
def test_a_command_makes_files_with_the_umask_of_the_caller_or_the_option(
    site: Site, terminal: Terminal, action: str, caller: str, option: tuple[str, ...], folder: int
) -> None:
    line = ("sh", "-c", f'umask {caller}; exec "$@"', "sh", *BY_PATH, action, *FILES, *option)
    process = terminal.begin(*line)
    operations.make_files(str(terminal.folder))
    site.wait_until_empty()
    assert (terminal.folder / "folder").stat().st_mode & 0o777 == folder
    assert (terminal.folder / "file").stat().st_mode & 0o777 == folder & 0o666
    modes = {name: (terminal.folder / name).stat().st_mode & 0o777 for name in ("log", "pid", "pid.state")}
    assert modes == {"log": 0o640, "pid": 0o644, "pid.state": 0o600}
    assert terminal.consumer("stop").returncode == 0
    process.communicate(timeout=30)


def test_stop_and_status_need_no_settings(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "no.such.settings"
    status = terminal.consumer("status")
    assert (status.returncode, "cannot be queried" in status.stdout) == (0, True)
    assert terminal.consumer("stop").returncode == 0
    assert terminal.processes() == set()


def test_root_imports_nothing_from_a_directory_that_others_can_write_to(
    site: Site, terminal: Terminal
) -> None:
    (terminal.folder / "planted.py").write_text("raise AssertionError('imported')")
    console = "import sys; sys.path[:] = sys.path[1:]; from djutils.queue.bin.consumer import main; sys.exit(main())"
    command = (BY_PATH[0], "-c", console, "start", *FILES)
    settings = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DJANGO_SETTINGS_MODULE": "planted",
    }
    terminal.folder.chmod(0o777)
    refused = terminal.run(*command, **settings)
    assert (refused.returncode, "AssertionError" in refused.stderr) == (78, os.geteuid() != 0)
    terminal.folder.chmod(0o755)
    imported = terminal.run(*command, **settings)
    assert (imported.returncode, "AssertionError" in imported.stderr) == (78, True)
