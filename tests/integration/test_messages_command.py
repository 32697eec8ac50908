"""``manage.py queue_messages``: what happened to a call."""

from __future__ import annotations

import json
import pickle
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from djutils.queue.backends import queues
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter, Envelope, Rejection, Retrial
from djutils.queue.registry import registry
from tests.project.app import commands
from tests.sites import Site

everywhere = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
NOTE = "tests.project.app.commands.note"
FAIL = "tests.project.app.commands.fail"
TRACEBACK = "ValueError: what a day\nTraceback (most recent call last):\n  File 'a.py', line 1\n"


def command(*words: str, **options: object) -> str:
    """What it prints."""
    out = StringIO()
    call_command("queue_messages", *words, stdout=out, **options)
    return out.getvalue()


def as_json(*words: str) -> Any:
    return json.loads(command(*words, "--format", "json"))


def shown(id: str) -> dict[str, Any]:
    (message,) = as_json("show", id)["messages"]
    return dict(message)


def lend(site: Site, count: int = 100) -> tuple[LeasedQueue, int, list[str]]:
    """Lend the waiting messages; return the queue, the owner and the ids, oldest first."""
    queue, owner = site.queue, new_owner()
    assert isinstance(queue, LeasedQueue)
    queue.enroll(owner)
    return queue, owner, [delivery.id for delivery in queue.receive(owner, count).deliveries]


def waiting(site: Site) -> str:
    """The id of the only message that waits."""
    (one,) = site.queue.peek("ready")
    return one.id


@everywhere
def test_a_call_that_waits(site: Site) -> None:
    commands.note("a secret")
    id = waiting(site)

    said = command("show", id[:31])

    assert re.search(r"^state +waiting$", said, re.MULTILINE)
    for part in (id, NOTE, site.queue.name, "ago)", "priority"):
        assert part in said
    assert "a secret" not in said
    found = shown(id)
    assert (found["state"], found["command"], found["attempts"], found["error"]) == ("ready", NOTE, 0, None)
    assert datetime.fromisoformat(found["enqueued_at"]) > datetime.now(UTC) - timedelta(minutes=5)


@everywhere
def test_a_call_that_is_retried_says_when_and_why(site: Site) -> None:
    commands.note("a")
    queue, owner, (id,) = lend(site)
    queue.retry(owner, [Retrial(id, 3600.0, TRACEBACK)])

    said = command("show", id)

    assert re.search(
        r"^state +waiting, due at \d{4}-.* \(in 0:5\d:\d\d\); retried after it failed once$",
        said,
        re.MULTILINE,
    )
    assert TRACEBACK.rstrip() in said
    found = shown(id)
    assert (found["state"], found["attempts"], found["error"]) == ("delayed", 1, TRACEBACK)
    assert datetime.fromisoformat(found["due_at"]) > datetime.now(UTC) + timedelta(minutes=50)


@everywhere
def test_a_call_that_runs_says_what_is_known_and_what_is_not(site: Site) -> None:
    commands.note("a")
    queue, owner, (id,) = lend(site)

    said = command("show", id)

    assert f"running since an unknown moment, or about to run: lent to worker process {owner:x}\n" in said
    found = shown(id)
    assert (found["state"], found["owner"], found["owner_is_registered"]) == ("leased", f"{owner:x}", True)
    assert found["running_since"] is None
    queue.release(owner, [id])


@everywhere
def test_a_dead_one(site: Site) -> None:
    commands.fail("a")
    queue, owner, (id,) = lend(site)
    queue.reject(owner, [Rejection(id, TRACEBACK)])

    said = command("show", id[:31])

    assert re.search(r"^state +dead since \d{4}-.*; failed once$", said, re.MULTILINE)
    assert "ValueError: what a day" in said
    assert shown(id)["state"] == "dead"


@everywhere
def test_a_call_that_succeeded_is_gone(site: Site) -> None:
    commands.note("a")
    queue, owner, (id,) = lend(site)
    queue.ack(owner, [id])

    assert re.search(
        rf"^id +{id}\nstate +gone: it has succeeded, or was discarded", command("show", id), re.MULTILINE
    )
    found = shown(id)
    assert (found["id"], found["state"]) == (id, "gone")
    assert site.queue.name in found["queues"]


@everywhere
def test_a_call_on_a_queue_that_a_command_names_is_found_without_naming_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = f"{site.queue.name}-elsewhere"
    monkeypatch.setattr(registry.get_class(NOTE), "queue_name", elsewhere)
    commands.note("a")
    (one,) = queues[elsewhere].peek("ready")

    assert re.search(rf"^queue +{elsewhere}$", command("show", one.id), re.MULTILINE)
    assert elsewhere in command("list").splitlines()[1]
    assert "gone" in command("show", one.id, "-q", site.queue.name)
    queues[elsewhere].flush()


@on_sqlite
def test_a_beginning_that_fits_several_is_an_error_and_shows_nothing(site: Site) -> None:
    assert isinstance(site.queue, LeasedQueue)
    site.queue.send([Envelope(f"{digit}{'0' * 31}", b"x") for digit in "ab"] + [Envelope("a" * 32, b"y")])

    assert "b0000000" in command("show", "B")
    out = StringIO()
    with pytest.raises(CommandError, match="'a' could be 2 messages: a0000.*, aaaaa.*Give more characters"):
        call_command("queue_messages", "show", "b", "a", stdout=out)
    assert not out.getvalue()


@everywhere
def test_list_shows_each_state_and_how_many_there_are(site: Site) -> None:
    for call in (commands.fail, commands.note, commands.note):
        call("a")
    queue, owner, (dead, lent) = lend(site, 2)
    queue.reject(owner, [Rejection(dead, TRACEBACK)])
    commands.note.using(run_after=timedelta(hours=1))("later")

    lines = command("list", "-q", site.queue.name).splitlines()

    assert lines[0].split() == ["ID", "STATE", "COMMAND", "ENQUEUED", "DUE", "RUNS", "LAST", "ERROR"]
    assert [line.split()[1:3] for line in lines[1:5]] == [
        ["leased", NOTE],
        ["ready", NOTE],
        ["delayed", NOTE],
        ["dead", FAIL],
    ]
    assert re.search(r" 1 +ValueError: what a day$", lines[4])
    assert lines[5] == f"The queue '{site.queue.name}': 1 ready, 1 delayed, 1 leased, 1 dead."
    listed = as_json("list", "-q", site.queue.name, "--state", "leased")
    assert [one["id"] for one in listed["messages"]] == [lent]
    assert listed["counts"] == {
        site.queue.name: {"ready": 1, "delayed": 1, "leased": 1, "dead": 1, "waiting": 0}
    }
    assert listed["more"] is False


@everywhere
def test_list_takes_the_oldest_or_the_newest_and_says_that_there_are_more(site: Site) -> None:
    for number in range(5):
        commands.note(str(number))
    ids = [one.id for one in site.queue.peek("ready")]

    oldest = as_json("list", "--count", "2", "-q", site.queue.name)
    newest = as_json("list", "--count", "2", "--newest", "-q", site.queue.name)

    assert [one["id"] for one in oldest["messages"]] == ids[:2]
    assert [one["id"] for one in newest["messages"]] == ids[:2:-1]
    assert oldest["more"] is newest["more"] is True
    assert "there may be more; --count" in command("list", "--count", "2")
    assert "there may be more" not in command("list", "--count", "5", "-q", site.queue.name)


@everywhere
@pytest.mark.parametrize("name", [FAIL, "fail", "commands.fail"])
def test_list_finds_the_messages_of_one_command_among_many(site: Site, name: str) -> None:
    for number in range(300):
        commands.note(str(number))
    commands.fail("a")

    (found,) = as_json("list", "--command", name)["messages"]

    assert found["command"] == FAIL
    assert as_json("list", "--command", "ail")["messages"] == []


@on_sqlite
def test_bytes_that_are_not_ours_are_shown_and_never_unpickled(site: Site, tmp_path) -> None:
    class Bomb:
        def __reduce__(self) -> object:
            return (open, (str(tmp_path / "exploded"), "w"))

    assert isinstance(site.queue, LeasedQueue)
    site.queue.send([Envelope(id := new_id(), pickle.dumps(Bomb()))])

    for out in (command("list"), command("show", id)):
        assert "These bytes are not a message of djutils" in out
    assert shown(id)["command"] is None
    assert "not a message" in shown(id)["problem"]
    assert not (tmp_path / "exploded").exists()


@on_sqlite
def test_an_error_cannot_steer_the_terminal(site: Site) -> None:
    commands.note("a")
    queue, owner, (id,) = lend(site)
    queue.retry(owner, [Retrial(id, 0.0, "ValueError: \x1b[2J\n\x1b[31m")])

    assert "\x1b" not in command("list") + command("show", id)


@on_sqlite
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show"], "give the ids"),
        (["show", ""], "is neither an id nor the prefix of one"),
        (["show", "a" * 33], "is neither an id nor the prefix of one"),
        (["show", "a%"], "is neither an id nor the prefix of one"),
        (["show", "a", "--state", "ready"], "takes no --state"),
        (["show", "a", "--command", "note"], "takes no --command"),
        (["show", "a", "--newest"], "takes no --newest"),
        (["list", "a"], "takes no ids"),
        (["list", "--count", "0"], "at least 1"),
        (["list", "--state", "lost"], "invalid choice"),
    ],
)
def test_a_request_that_is_not_clear_is_refused(site: Site, words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        command(*words)


@on_sqlite
def test_a_backend_out_of_reach_is_a_clear_error(site: Site, settings) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.redis_backend.RedisQueue"
    settings.QUEUE_CONNECTION = "127.0.0.1:1:0"
    for words in (["list"], ["show", "a"]):
        with pytest.raises(CommandError, match="BackendUnavailable: "):
            command(*words)
    settings.QUEUE_BACKEND = site.environment["DJUTILS_TEST_QUEUE_BACKEND"]
    settings.QUEUE_CONNECTION = ""


@on_sqlite
def test_a_backend_of_four_methods_says_what_it_cannot_know(site: Site, settings, tmp_path) -> None:
    before = (settings.QUEUE_BACKEND, settings.QUEUE_CONNECTION)
    settings.QUEUE_BACKEND = "tests.contract.four_methods.FolderQueue"
    settings.QUEUE_CONNECTION = str(tmp_path / "messages")
    commands.note("dead")
    data = site.queue.read()
    assert data is not None
    site.queue.bury(DeadLetter(id := new_id(), data, "ValueError: no", datetime.now(UTC), 3))
    commands.note("waiting")

    said = command("list")
    assert "ValueError: no" in said
    assert "1 ready, unknown delayed, unknown leased, 1 dead" in said
    assert as_json("list")["counts"][site.queue.name]["leased"] is None
    assert "; failed 3 times" in command("show", id)
    said = command("show", "f" * 32)
    assert "unknown: FolderQueue cannot show waiting or running messages" in said
    assert "gone" not in said
    assert shown("f" * 32)["state"] == "unknown"
    with pytest.raises(CommandError, match="FolderQueue cannot show"):
        command("list", "--state", "ready")
    settings.QUEUE_BACKEND, settings.QUEUE_CONNECTION = before
