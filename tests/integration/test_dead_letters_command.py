"""``manage.py queue_dead_letters``: list, show, replay and discard dead letters."""

from __future__ import annotations

import getpass
import logging
import pickle
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from djutils.models import QueueMessage
from djutils.queue.backends.base import new_owner
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import DeadLetter, Envelope, Rejection
from tests.project.app import commands
from tests.sites import Site

everywhere = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
TRACEBACK = "ValueError: what a day\nTraceback (most recent call last):\n  File 'a.py', line 1\n"


def command(*words: str, **options: object) -> str:
    """What it prints."""
    out = StringIO()
    call_command("queue_dead_letters", *words, stdout=out, **options)
    return out.getvalue()


def let_die(site: Site, error: str = TRACEBACK, count: int = 100) -> list[str]:
    """Make dead letters of the waiting messages; return their ids, oldest first."""
    queue, owner = site.queue, new_owner()
    assert isinstance(queue, LeasedQueue)
    queue.enroll(owner)
    ids = [delivery.id for delivery in queue.receive(owner, count).deliveries]
    for id in ids:
        queue.reject(owner, [Rejection(id, error)])
    queue.reap(owner)
    return ids


@everywhere
def test_list_is_a_table_of_what_died_and_why(site: Site) -> None:
    commands.note("a")
    commands.fail("b")
    first, second = let_die(site)

    lines = command("list").splitlines()

    assert lines[0].split() == ["ID", "COMMAND", "DIED", "RUNS", "REASON"]
    words = [re.split(r"\s{2,}", line) for line in lines[1:]]
    assert [(second.startswith(id), name) for id, name, *_ in words[:1]] == [
        (True, "tests.project.app.commands.fail")
    ]
    assert [(first.startswith(id), name) for id, name, *_ in words[1:]] == [
        (True, "tests.project.app.commands.note")
    ]
    assert [rest[1:] for _, _, *rest in words] == [["1", "ValueError: what a day"]] * 2


@on_sqlite
def test_list_says_so_when_there_are_none_or_more(site: Site) -> None:
    assert "no dead letters" in command("list")
    for number in range(3):
        commands.note(str(number))
    let_die(site)
    assert "the newest 2 of 3" in command("list", "--count", "2")


@on_sqlite
def test_bytes_that_are_not_ours_are_listed_and_never_unpickled(site: Site, tmp_path) -> None:
    class Bomb:
        def __reduce__(self) -> object:
            return (open, (str(tmp_path / "exploded"), "w"))

    assert isinstance(site.queue, LeasedQueue)
    site.queue.send([Envelope(new_id(), pickle.dumps(Bomb()))])
    (id,) = let_die(site, "InvalidMessage: no")

    assert "?  " in command("list")
    assert "These bytes are not a message of djutils" in command("list")
    assert "These bytes are not a message of djutils" in command("show", id)
    assert not (tmp_path / "exploded").exists()


@everywhere
def test_show_tells_everything_but_the_arguments(site: Site) -> None:
    commands.note("a secret")
    (id,) = let_die(site)

    shown = command("show", id)

    for part in (
        id,
        site.queue.name,
        "tests.project.app.commands.note",
        "attempts     1",
        "enqueued",
        TRACEBACK,
    ):
        assert part in shown
    assert "a secret" not in shown


@on_sqlite
def test_an_exceptions_text_cannot_steer_the_terminal(site: Site) -> None:
    commands.note("a")
    (id,) = let_die(site, "ValueError: \x1b[2J\n\x1b[31m")
    assert "\x1b" not in command("list") + command("show", id)


@everywhere
def test_replay_puts_one_or_all_back(site: Site) -> None:
    for number in range(3):
        commands.note(str(number))
    ids = let_die(site)

    assert "Replayed: 1 dead letter, " in command("replay", ids[1])
    assert (site.queue.stats().ready, site.queue.stats().dead) == (1, 2)
    assert "Replayed: 2 dead letters, " in command("replay", "--all")
    assert (site.queue.stats().ready, site.queue.stats().dead) == (3, 0)


@everywhere
def test_discard_forgets_one_or_all(site: Site) -> None:
    for number in range(3):
        commands.note(str(number))
    ids = let_die(site)

    assert "Discarded: 2 dead letters" in command("discard", ids[0], ids[2], ids[0])
    assert [letter.id for letter in site.queue.dead_letters()] == [ids[1]]
    assert "Discarded: 1 dead letter " in command("discard", "--all")
    assert site.queue.stats() == (0, 0, 0, 0, 0)


@on_sqlite
def test_an_id_may_be_shortened_while_it_is_unique(site: Site) -> None:
    letters = [Envelope(f"{digit}{'0' * 31}", b"x") for digit in "ab"] + [Envelope("a" * 32, b"y")]
    assert isinstance(site.queue, LeasedQueue)
    site.queue.send(letters)
    let_die(site)

    assert "b0000000" in command("show", "B")
    assert "aaaaaaaa" in command("show", "aa")
    with pytest.raises(CommandError, match="'a' could be 2 dead letters"):
        command("discard", "a")
    assert site.queue.stats().dead == 3


@everywhere
@pytest.mark.parametrize("action", ["show", "replay", "discard"])
def test_ids_and_options_come_in_any_order(site: Site, action: str) -> None:
    name = site.queue.name
    for number in range(4):
        commands.note(str(number))
    first, second, third, fourth = let_die(site)
    for id, words in (
        (first, [action, "-q", name, first]),
        (second, ["-q", name, action, second]),
        (third, [action, third, "-q", name]),
        (fourth, [action, f"--queue={name}", "--count", "3", fourth]),
    ):
        out = command(*words)
        assert id in out or ": 1 dead letter" in out


@everywhere
def test_several_ids_may_stand_around_an_option(site: Site) -> None:
    for number in range(3):
        commands.note(str(number))
    one, two, three = let_die(site)
    assert "Discarded: 2 dead letters" in command("discard", one, "-q", site.queue.name, two)
    assert [letter.id for letter in site.queue.dead_letters()] == [three]


@on_sqlite
def test_show_shows_as_many_as_are_named(site: Site) -> None:
    for number in range(120):
        commands.note(str(number))
    ids = let_die(site, count=200)
    assert command("show", *ids).count("message id") == 120


@everywhere
def test_those_that_are_old_enough_are_listed_and_discarded(site: Site) -> None:
    for number in range(3):
        commands.note(str(number))
    let_die(site)
    assert "no dead letters that old" in command("list", "--older-than", "1h")
    assert "Discarded: 0 dead letters" in command("discard", "--older-than", "30d")
    assert site.queue.stats().dead == 3
    assert command("list", "--older-than", "0").count("ValueError: what a day") == 3
    assert "Discarded: 3 dead letters" in command("discard", "--older-than", "0")
    assert site.queue.stats().dead == 0


@on_sqlite
def test_only_the_old_ones_are_listed_and_discarded(site: Site) -> None:
    for number in range(4):
        commands.note(str(number))
    ids = let_die(site)
    for id, days in zip(ids, (1, 10, 40, 50), strict=True):
        died = datetime.now(UTC) - timedelta(days=days)
        rows = QueueMessage.objects.using(site.alias).filter(message_id=id)
        rows.update(died=round(died.timestamp() * 1000))

    lines = command("list", "--older-than", "30d").splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        ids[2][: len(lines[1].split()[0])],
        ids[3][: len(lines[1].split()[0])],
    ]
    assert "the newest 1 that old" in command("list", "--older-than", "30d", "--count", "1")
    assert "Discarded: 2 dead letters" in command("discard", older_than=timedelta(days=30))
    assert {letter.id for letter in site.queue.dead_letters()} == {*ids[:2]}


@on_sqlite
@pytest.mark.parametrize("age", ["30x", "", "-1d", "1.5d", "d", "99999999w", "30 days", True])
def test_what_is_no_age_is_refused(site: Site, age: object) -> None:
    commands.note("a")
    let_die(site)
    with pytest.raises(CommandError, match="--older-than: .* is not an age: write 30d, 12h, 90m"):
        command("discard", older_than=age)
    assert site.queue.stats().dead == 1


@everywhere
def test_every_replay_and_discard_is_logged_with_who_and_what(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "alice\nERROR forged")
    for number in range(15):
        commands.note(str(number))
    ids = let_die(site)

    def logged(*words: str) -> str:
        caplog.clear()
        with caplog.at_level(logging.INFO, "djutils.queue.dead_letters"):
            command(*words)
        (record,) = [one for one in caplog.records if one.name == "djutils.queue.dead_letters"]
        return record.getMessage()

    name = site.queue.name
    text = logged("replay", ids[0], ids[1])
    assert text.startswith(f"{getpass.getuser()} (sudo by alice\\nERROR forged) on ")
    assert text.endswith(f"replayed 2 dead letters of the queue '{name}': {ids[0]}, {ids[1]}")
    assert logged("discard", *ids[2:14]).endswith(
        f"discarded 12 dead letters of the queue '{name}': {', '.join(ids[2:12])} and 2 more"
    )
    assert "discarded 0 dead letters" not in logged("discard", "--older-than", "0")
    let_die(site)
    assert logged("replay", "--all").endswith(f"replayed 2 dead letters of the queue '{name}': all of them")


@on_sqlite
@pytest.mark.parametrize("id", ["f00", "f" * 32])
def test_an_unknown_id_is_an_error_and_changes_nothing(site: Site, id: str) -> None:
    commands.note("a")
    (known,) = let_die(site)
    with pytest.raises(CommandError, match=f"no dead letter '{id}'"):
        command("replay", known, id)
    assert site.queue.stats().dead == 1


@on_sqlite
@pytest.mark.parametrize(
    "words",
    [
        ["replay"],
        ["replay", ""],
        ["replay", "a", "--older-than", "1d"],
        ["discard"],
        ["discard", "a", "--all"],
        ["discard", "a", "--older-than", "1d"],
        ["discard", "--all", "--older-than", "1d"],
        ["show"],
        ["show", "--all"],
        ["show", "a", "--older-than", "1d"],
        ["list", "a"],
    ],
)
def test_a_request_that_is_not_clear_is_refused(site: Site, words: list[str]) -> None:
    with pytest.raises(CommandError, match=f"{words[0]}: "):
        command(*words)


@on_sqlite
def test_another_queue_may_be_named(site: Site) -> None:
    commands.note("a")
    let_die(site)
    assert "'elsewhere' has no dead letters" in command("list", "-q", "elsewhere")
    assert "note" in command("list", queue=site.queue.name)


@on_sqlite
def test_a_backend_out_of_reach_is_a_clear_error(site: Site, settings) -> None:
    settings.QUEUE_BACKEND = "djutils.queue.backends.redis_backend.RedisQueue"
    settings.QUEUE_CONNECTION = "127.0.0.1:1:0"
    with pytest.raises(CommandError, match="BackendUnavailable: "):
        command("list")
    settings.QUEUE_BACKEND = site.environment["DJUTILS_TEST_QUEUE_BACKEND"]
    settings.QUEUE_CONNECTION = ""


@on_sqlite
def test_the_dead_letters_of_a_four_method_backend(site: Site, settings, tmp_path) -> None:
    before = (settings.QUEUE_BACKEND, settings.QUEUE_CONNECTION)
    settings.QUEUE_BACKEND = "tests.contract.four_methods.FolderQueue"
    settings.QUEUE_CONNECTION = str(tmp_path / "messages")
    commands.note("a")
    data = site.queue.read()
    assert data is not None
    site.queue.bury(DeadLetter(new_id(), data, "ValueError: no", datetime.now(UTC), 3))
    assert "tests.project.app.commands.note" in command("list")
    assert "Replayed: 1 dead letter" in command("replay", "--all")
    assert len(site.queue) == 1
    settings.QUEUE_BACKEND, settings.QUEUE_CONNECTION = before
