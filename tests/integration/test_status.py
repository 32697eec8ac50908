"""``status``: what the store knows, even without a pidfile, for people and for programs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.message import Rejection
from djutils.queue.queue import invoker
from djutils.queue.schedule_records import Records, Run
from tests.daemons import BY_PATH, MANAGE, Terminal
from tests.project.app import commands, nightly
from tests.sites import Site
from tests.waiting import wait_until

on_every_store = pytest.mark.parametrize("site", ["sqlite", "postgres", "redis"], indirect=True)
EACH_MINUTE = f"{nightly.__name__}.each_minute"
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site.folder, site.environment)
    yield terminal
    terminal.close()


def status(terminal: Terminal, *options: str, code: int = 3) -> str:
    done = terminal.run(*BY_PATH, "status", "-p", "pid", *options)
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


def as_json(terminal: Terminal, *options: str, code: int = 3) -> Any:
    return json.loads(status(terminal, "--format", "json", *options, code=code))


@on_sqlite
def test_a_consumer_without_a_pidfile_is_seen_in_the_store(site: Site, terminal: Terminal) -> None:
    commands.append(site.file("more"), 1)
    site.consumer(processes=2).ready()
    site.wait_until_empty()
    said = status(terminal)
    assert f"there is no pidfile {terminal.pidfile}" in said
    assert "0 waiting (0 of them not yet due), 0 in flight, 0 dead letters" in said
    assert "2 worker processes registered, on all machines, and all of them beat" in said


@on_sqlite
def test_a_queue_that_no_consumer_empties_is_reported(site: Site, terminal: Terminal) -> None:
    commands.append(site.file(), 1)
    said = status(terminal)
    assert "1 waiting" in said
    assert "no worker is registered: no consumer takes these messages" in said


@on_every_store
def test_a_paused_queue_says_since_when_and_why_and_nothing_of_a_missing_consumer(
    site: Site, terminal: Terminal
) -> None:
    assert as_json(terminal)["queues"][0]["paused"] is None
    made = invoker.pause(reason="the mail server moves", by="ada")

    said = status(terminal)

    assert " by ada (the mail server moves): no consumer begins these messages until it is resumed" in said
    assert "no worker is registered\n" in said
    assert as_json(terminal)["queues"][0]["paused"] == made.as_json()
    invoker.resume()


@on_sqlite
def test_one_that_was_killed_left_more_than_its_pidfile(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0
    commands.hold(site.file(), site.file("gate"))
    wait_until(lambda: commands.lines(site.file()))
    pid = terminal.pid()
    terminal.close()
    said = status(terminal, code=1)
    assert f"process {pid} died and left the pidfile" in said
    assert ("1 in flight" in said) != ("1 waiting" in said), "the maintainer may be the last to be killed"


@on_sqlite
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DJANGO_SETTINGS_MODULE": ""}, "The queues cannot be queried. DJANGO_SETTINGS_MODULE is not set"),
        ({"DJANGO_SETTINGS_MODULE": "no.such"}, "The queues cannot be queried."),
        ({"DJUTILS_TEST_QUEUE_BACKEND": "no.Queue"}, "cannot be queried: "),
        (
            {
                "DJUTILS_TEST_QUEUE_BACKEND": "djutils.queue.backends.redis_backend.RedisQueue",
                "DJUTILS_TEST_QUEUE_CONNECTION": "127.0.0.1:1:0",
            },
            "cannot be queried: BackendUnavailable",
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
            "does not register its workers",
        ),
    ],
)
def test_what_cannot_be_asked_says_so(
    site: Site, terminal: Terminal, environment: dict[str, str], said: str
) -> None:
    terminal.environment |= environment
    assert said in status(terminal)


@on_every_store
def test_all_that_is_known_of_a_queue_is_said_in_json(site: Site, terminal: Terminal) -> None:
    queue, owner = site.queue, new_owner()
    assert isinstance(queue, LeasedQueue)
    for name in ("dead", "lent", "oldest", "newest"):
        commands.append(site.file(), name)
    commands.append.using(run_after=timedelta(hours=1))(site.file(), "later")
    queue.enroll(owner)
    dead, _ = queue.receive(owner, 2).deliveries
    queue.reject(owner, [Rejection(dead.id, "no")])
    (oldest, _) = queue.peek("ready")

    told = as_json(terminal, "--watch", "0")
    (said,) = told["queues"]

    assert (told["state"], told["problem"], said["problem"]) == ("not running", None, None)
    assert {
        name: said[name] for name in ("name", "ready", "delayed", "leased", "dead", "waiting", "oldest")
    } == {
        "name": queue.name,
        "ready": 2,
        "delayed": 1,
        "leased": 1,
        "dead": 1,
        "waiting": 0,
        "oldest": oldest.id,
    }
    assert 0 <= said["oldest_age"] < 300
    assert said["workers"] == [{"owner": f"{owner:x}", "beats": 0, "beating": None}]
    assert "the oldest that is due was sent 0:0" in status(terminal, "--watch", "0")
    queue.reap(owner)


@on_every_store
def test_who_beats_is_seen_of_a_consumer_in_the_foreground(site: Site, terminal: Terminal) -> None:
    consumer = site.consumer("--lease", "1", processes=2).ready()

    (said,) = as_json(terminal)["queues"]
    assert [worker["beating"] for worker in said["workers"]] == [True, True]

    consumer.kill_all()
    (said,) = as_json(terminal, "--watch", "0.5")["queues"]
    assert [worker["beating"] for worker in said["workers"]] == [False, False]
    assert "0 beat, and of 2 no beat was seen" in status(terminal, "--watch", "0.5")


@on_sqlite
def test_a_daemon_is_told_of_in_json(site: Site, terminal: Terminal) -> None:
    assert terminal.consumer("start").returncode == 0

    told = as_json(terminal, code=0)

    assert (told["state"], told["pid"], told["processes"]) == ("running", terminal.pid(), 1)
    assert told["uptime"] >= 0
    assert len(told["workers"]) == len(told["queues"][0]["workers"]) == 1
    os.kill(terminal.pid(), signal.SIGTERM)
    assert terminal.consumer("stop").returncode in (0, 3)


@on_sqlite
def test_a_schedule_that_did_not_run_is_said_and_changes_the_exit_code(
    site: Site, terminal: Terminal
) -> None:
    terminal.environment[nightly.FILE] = site.file()
    assert "OVERDUE" not in status(terminal, "--watch", "0")
    hour_ago = int(time.time()) // 60 - 60
    Records(site.queue.store).note(EACH_MINUTE, Run(hour_ago, "", "<every 0:01:00>"))

    assert f"OVERDUE: {EACH_MINUTE} was due at" in status(terminal, "--watch", "0")

    assert terminal.consumer("start", "--no-periodic").returncode == 0
    (queue,) = as_json(terminal, code=150)["queues"]
    assert [one["name"] for one in queue["overdue"]] == [EACH_MINUTE]
    call_command("queue_schedules", "run", EACH_MINUTE)
    assert "OVERDUE" not in status(terminal, code=0)
    terminal.consumer("stop")


@on_sqlite
def test_the_management_command_tells_the_same(site: Site, terminal: Terminal) -> None:
    done = terminal.run(*MANAGE, "queue_consumer", "status", "--format", "json", "-p", "pid")

    assert done.returncode == 3
    assert json.loads(done.stdout) == as_json(terminal)


@on_sqlite
def test_what_a_backend_cannot_know_is_null_and_not_zero(site: Site, terminal: Terminal) -> None:
    terminal.environment |= {
        "DJUTILS_TEST_QUEUE_BACKEND": "tests.contract.four_methods.FolderQueue",
        "DJUTILS_TEST_QUEUE_CONNECTION": str(terminal.folder / "messages"),
    }

    (said,) = as_json(terminal)["queues"]

    assert (said["ready"], said["dead"]) == (0, 0)
    assert said["delayed"] is said["leased"] is said["oldest"] is said["workers"] is None
    text = status(terminal)
    for part in (
        "not yet due is unknown",
        "unknown in flight",
        "this backend does not know how old the oldest message is",
    ):
        assert part in text


@on_sqlite
def test_settings_that_cannot_be_imported_are_a_problem_in_json(site: Site, terminal: Terminal) -> None:
    terminal.environment["DJANGO_SETTINGS_MODULE"] = ""

    told = as_json(terminal)

    assert told["queues"] is None
    assert "DJANGO_SETTINGS_MODULE is not set" in told["problem"]


@on_sqlite
@pytest.mark.parametrize("words", [("stop", "--format", "json"), ("start", "--watch", "1")])
def test_options_of_status_are_refused_elsewhere(
    site: Site, terminal: Terminal, words: tuple[str, ...]
) -> None:
    done = terminal.consumer(*words)

    assert done.returncode == 2
    assert f"{words[1]} is an option of status" in done.stderr
