"""``--user`` and ``--group``: root starts the consumer, another user runs the commands."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from djutils.queue.bin import processes
from djutils.queue.bin.options import Usage
from djutils.queue.bin.pidfile import read
from djutils.queue.bin.privileges import find
from tests.daemons import ROOT, SCRIPT, Terminal
from tests.project.app import commands, operations
from tests.sites import Site
from tests.users import MALLORY, NOBODY, needs_root, public_folder, public_python
from tests.waiting import wait_until

WHO = pwd.getpwuid(NOBODY)
GROUP = 4343
FILES = ("-l", "log", "-p", "pid")
BACKEND = "tests.contract.four_methods.FolderQueue"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that belongs to the user named nobody."""
    with public_folder(0o755) as folder:
        os.chown(folder, NOBODY, WHO.pw_gid)
        yield folder


@pytest.fixture
def site(settings: Settings, folder: Path, sqlite_alias: str) -> Iterator[Site]:
    """A backend that another user can reach: that user has no access to the tests' databases."""
    messages = folder / "messages"
    with ExitStack() as stack:
        site = Site(settings, folder, stack, sqlite_alias, backend=BACKEND, connection=str(messages))
        inner = messages / settings.QUEUE_NAME
        inner.mkdir(parents=True)
        os.chown(inner, NOBODY, WHO.pw_gid)
        yield site


@pytest.fixture
def terminal(site: Site, folder: Path) -> Iterator[Terminal]:
    terminal = Terminal(folder, site.environment)
    _, packages = public_python()
    terminal.environment["PYTHONPATH"] = os.pathsep.join((str(folder), str(ROOT), packages))
    yield terminal
    terminal.close()


def call(terminal: Terminal, *words: str, code: int = 0, **environment: str) -> str:
    """Run the consumer's script to its end; return its output."""
    done = terminal.run(public_python()[0], str(SCRIPT), *words, **environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_root
def test_a_user_and_a_group_may_be_names_or_numbers() -> None:
    for user in (WHO.pw_name, str(NOBODY)):
        account = find(user, None)
        assert account == (NOBODY, WHO.pw_gid, WHO.pw_name, WHO.pw_dir)
    group = grp.getgrgid(1)
    assert find(WHO.pw_name, group.gr_name).gid == find(WHO.pw_name, "1").gid == 1
    assert find("4242", "4343")[:2] == (4242, 4343)
    assert find(None, "1")[:2] == (0, 1)
    assert find(None, None) is None


@needs_root
@pytest.mark.parametrize(
    ("user", "group", "said"),
    [
        ("nobody-of-this-name", None, "There is no user"),
        (None, "none-of-this-name", "There is no group"),
        ("4242", None, "--group"),
    ],
)
def test_one_that_does_not_exist_is_refused(user: str | None, group: str | None, said: str) -> None:
    with pytest.raises(Usage, match=said):
        find(user, group)


def test_only_root_can_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr(os, "getegid", lambda: WHO.pw_gid)
    assert find(WHO.pw_name, None) is None
    for user, group in (("root", None), (None, "12345")):
        with pytest.raises(Usage, match="Only root"):
            find(user, group)


@needs_root
@pytest.mark.parametrize("action", ["start", "run"])
def test_commands_run_as_the_user_and_everything_is_his(site: Site, terminal: Terminal, action: str) -> None:
    options = (*FILES, "--user", WHO.pw_name, "--group", str(GROUP), "--umask", "027")
    if action == "start":
        assert "root" not in call(terminal, "start", *options)
    else:
        terminal.begin(public_python()[0], str(SCRIPT), "run", *options)
    operations.make_files(str(terminal.folder))
    # This backend forgets a message before it runs.
    wait_until(lambda: commands.lines(terminal.folder / "who"))

    assert commands.lines(terminal.folder / "who") == [f"{NOBODY} {GROUP} [{GROUP}] {WHO.pw_dir}"]
    assert {processes.identity(pid) for pid in terminal.processes()} == {(NOBODY, GROUP)}
    assert (terminal.folder / "folder").stat().st_mode & 0o777 == 0o750
    for name in ("log", "pid", "pid.state", "file"):
        assert (terminal.folder / name).stat().st_uid == NOBODY, name
    assert (terminal.folder / "log").stat().st_mode & 0o777 == 0o640

    call(terminal, "stop", *FILES)
    assert terminal.processes() == set()
    assert not list(terminal.folder.glob("pid*"))


@needs_root
def test_the_projects_code_is_never_run_by_root(site: Site, terminal: Terminal) -> None:
    (terminal.folder / "spying.py").write_text(
        "from tests.project.settings import *\nimport os\n"
        "if os.geteuid() == 0: raise AssertionError('as root')\n"
    )
    terminal.environment["DJANGO_SETTINGS_MODULE"] = "spying"
    user = ("--user", WHO.pw_name)
    call(terminal, "start", *FILES, *user)
    for action in ("status", "restart", "stop"):
        call(terminal, action, *FILES, *user)
    call(terminal, "start", *FILES, *user)
    call(terminal, "restart", *FILES)  # it knows
    assert {processes.identity(pid)[0] for pid in terminal.processes()} == {NOBODY}
    call(terminal, "stop", *FILES)
    assert "as root" in call(terminal, "start", *FILES, code=78)


@needs_root
def test_in_a_folder_of_roots_the_log_is_made_and_the_pidfile_emptied(site: Site, terminal: Terminal) -> None:
    os.chown(terminal.folder, 0, 0)
    user = ("--user", WHO.pw_name)
    call(terminal, "start", *FILES, *user)
    assert terminal.log_file.stat().st_uid == NOBODY
    holder = read(terminal.pidfile)
    assert holder is not None
    os.kill(holder.pid, 15)
    wait_until(lambda: not terminal.processes())

    assert terminal.pidfile.read_bytes() == b""
    call(terminal, "status", *FILES, *user, code=1)
    call(terminal, "start", *FILES, *user)
    call(terminal, "stop", *FILES)
    assert not list(terminal.folder.glob("pid*"))


@needs_root
def test_a_state_file_makes_no_user_root_or_another_user(site: Site, terminal: Terminal) -> None:
    call(terminal, "start", *FILES, "--user", WHO.pw_name)
    state = terminal.folder / "pid.state"
    state.write_text(state.read_text().replace(f"--user={WHO.pw_name}", "--user=root"))
    call(terminal, "restart", "-p", "pid")
    assert {processes.identity(pid) for pid in terminal.processes()} == {(NOBODY, WHO.pw_gid)}
    assert terminal.log_file.stat().st_uid == NOBODY

    words = state.read_text().replace('"options": [', '"options": ["--gro=0", "--us=0", ')
    for pid in terminal.processes():
        os.kill(pid, 9)
    wait_until(lambda: not terminal.processes())
    state.write_text(words)
    call(terminal, "restart", "-p", "pid")
    assert {processes.identity(pid) for pid in terminal.processes()} == {(NOBODY, WHO.pw_gid)}

    target = Path("/etc/djutils-test-of-a-state-file")
    state.write_text(state.read_text().replace(str(terminal.log_file), str(target)))
    call(terminal, "restart", "-p", "pid", code=73)
    assert not target.exists()


@needs_root
def test_the_log_is_reopened_by_the_user(site: Site, terminal: Terminal) -> None:
    call(terminal, "start", *FILES, "--user", WHO.pw_name)
    terminal.log_file.rename(terminal.folder / "log.1")
    os.kill(terminal.pid(), 1)
    wait_until(terminal.log_file.exists)
    assert terminal.log_file.stat().st_uid == NOBODY
    call(terminal, "stop", *FILES)


@needs_root
def test_the_user_can_ask_and_stop_it_himself(site: Site, terminal: Terminal) -> None:
    call(terminal, "start", *FILES, "--user", WHO.pw_name)
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={WHO.pw_gid}", "--clear-groups")
    status = terminal.run(*drop, public_python()[0], str(SCRIPT), "status", *FILES)
    assert (status.returncode, "workers" in status.stdout) == (0, True), status.stderr
    stopped = terminal.run(*drop, public_python()[0], str(SCRIPT), "stop", *FILES)
    assert stopped.returncode == 0, stopped.stderr
    assert not list(terminal.folder.glob("pid*"))


@needs_root
def test_a_log_of_another_user_is_refused(site: Site, terminal: Terminal) -> None:
    terminal.log_file.touch()
    os.chown(terminal.log_file, MALLORY, MALLORY)
    said = call(terminal, "start", *FILES, "--user", WHO.pw_name, code=73)
    assert "Cannot write the log" in said
    assert terminal.processes() == set()


@needs_root
def test_root_is_warned(site: Site, terminal: Terminal) -> None:
    os.chown(terminal.folder, 0, 0)
    assert "as root" in call(terminal, "start", *FILES)
    assert "as root" in terminal.log()
    assert "as root" not in call(terminal, "restart", *FILES, "--user", "root")
    call(terminal, "stop", *FILES)
