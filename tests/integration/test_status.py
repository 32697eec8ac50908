"""``status`` where there is no pidfile: what only the store knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemons import BY_PATH, Terminal
from tests.project.app import commands
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def status(terminal: Terminal, code: int = 3) -> str:
    done = terminal.run(*BY_PATH, "status", "-p", "pid")
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


def test_a_consumer_without_a_pidfile_is_seen_in_the_store(site: Site, terminal: Terminal) -> None:
    commands.append(site.file("more"), 1)
    site.consumer(processes=2).ready()
    site.wait_until_empty()
    said = status(terminal)
    assert f"there is no pidfile {terminal.pidfile}" in said
    assert "0 waiting (0 of them not yet due), 0 in flight, 0 dead letters" in said
    assert "2 worker processes registered" in said


def test_a_queue_that_nobody_empties_is_told_of(site: Site, terminal: Terminal) -> None:
    commands.append(site.file(), 1)
    said = status(terminal)
    assert "1 waiting" in said
    assert "no worker is registered: nobody takes these messages" in said


def test_one_that_was_killed_left_more_than_its_pidfile(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    commands.hold(site.file(), site.file("gate"))
    wait_until(lambda: commands.lines(site.file()))
    pid = terminal.pid()
    terminal.close()
    said = status(terminal, code=1)
    assert f"process {pid} died and left the pidfile" in said
    assert ("1 in flight" in said) != ("1 waiting" in said), "the maintainer may be the last to be killed"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DJANGO_SETTINGS_MODULE": ""}, "The queues cannot be asked. DJANGO_SETTINGS_MODULE is not set"),
        ({"DJANGO_SETTINGS_MODULE": "no.such"}, "The queues cannot be asked."),
        ({"DJUTILS_TEST_QUEUE_BACKEND": "no.Queue"}, "cannot be asked: "),
        (
            {
                "DJUTILS_TEST_QUEUE_BACKEND": "djutils.queue.backends.redis_backend.RedisQueue",
                "DJUTILS_TEST_QUEUE_CONNECTION": "127.0.0.1:1:0",
            },
            "cannot be asked: BackendUnavailable",
        ),
        (
            {"DJUTILS_TEST_QUEUE_BACKEND": "djutils.queue.backends.memory.MemoryQueue"},
            "only the process that made it can see",
        ),
        (
            {
                "DJUTILS_TEST_QUEUE_BACKEND": "tests.contract.four_methods.FolderQueue",
                "DJUTILS_TEST_QUEUE_CONNECTION": "/nowhere",
            },
            "does not know who takes its messages",
        ),
    ],
)
def test_what_cannot_be_asked_says_so(
    site: Site, terminal: Terminal, environment: dict[str, str], said: str
) -> None:
    terminal.environment |= environment
    assert said in status(terminal)
