"""The admin's lists and pages ask the queue, wherever it is stored, and say what they cannot know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from djutils.queue.backends import queues
from djutils.queue.backends.leased import LeasedQueue
from djutils.queue.ids import new_id
from djutils.queue.message import Retrial
from djutils.queue.queue import invoker
from djutils.queue.registry import registry
from tests.admins import (
    DEAD,
    MESSAGES,
    NOTE,
    TRACEBACK,
    field,
    ids_listed,
    lend,
    let_die,
    next_page,
    page,
    send,
    signed_in,
    words,
)
from tests.project.app import limits
from tests.sites import Site

MEMORY = "djutils.queue.backends.memory.MemoryQueue"
FOUR = "tests.contract.four_methods.FolderQueue"
FAIL = "tests.project.app.commands.fail"


@pytest.fixture
def admin(site: Site) -> Iterator[Client]:
    with signed_in("alice", superuser=True) as client:
        yield client


@pytest.fixture
def own_backend(settings: Settings, tmp_path: Path, sqlite_alias: str) -> Iterator[Site]:
    with ExitStack() as stack:
        folder = str(tmp_path / "queue")
        yield Site(settings, tmp_path, stack, sqlite_alias, backend=FOUR, connection=folder)


@pytest.fixture
def unreachable(site: Site, settings: Settings) -> Iterator[None]:
    settings.QUEUE_CONNECTION = "redis://:pass%20word@127.0.0.1:1/0"
    yield
    settings.QUEUE_CONNECTION = site.environment["DJUTILS_TEST_QUEUE_CONNECTION"]


def message_page(client: Client, queue: str, id: str, kind: str = "queuedeadletter") -> str:
    response = client.get(reverse(f"admin:djutils_{kind}_change", args=[quote(f"{queue}:{id}")]))
    assert response.status_code == 200
    return response.content.decode()


def test_each_queue_is_counted_and_each_number_leads_to_its_messages(admin: Client, site: Site) -> None:
    let_die(site.queue, 3)
    send(site.queue, 2)
    lend(site.queue, 1)
    send(site.queue, 1, delay=3600.0)

    html = page(admin)

    row = words(html)[words(html).index(site.queue.name) :]
    assert row.startswith(f"{site.queue.name} 1 1 1 3 ")
    for state in ("ready", "delayed", "leased"):
        assert f"?queue={site.queue.name}&amp;state={state}" in html
        listed = page(admin, MESSAGES, queue=site.queue.name, state=state)
        assert len(ids_listed(listed)) == 1


def test_a_paused_queue_says_since_when_and_why(admin: Client, site: Site) -> None:
    send(site.queue, 2)
    invoker.pause(reason="the <mail> server moves", by="ada")

    html = page(admin)

    assert "It is paused since " in html
    assert (
        " by ada (the &lt;mail&gt; server moves): no consumer begins its messages until it is resumed."
        in html
    )
    invoker.resume()
    assert "paused" not in page(admin)


def test_a_dead_letter_is_listed_with_command_and_reason_first(admin: Client, site: Site) -> None:
    (id,) = let_die(site.queue, 1)

    html = page(admin)

    assert ids_listed(html) == [id]
    said = words(html)
    assert said.index(NOTE) < said.index("ValueError: no such customer") < said.index(id[:12])
    assert "a secret" not in html
    assert re.search(r'title="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d" class="moment">\d+ s ago', html)


def test_every_state_is_listed_with_due_or_age(admin: Client, site: Site) -> None:
    let_die(site.queue, 1)
    (lent,) = send(site.queue, 1)
    lend(site.queue, 1)
    send(site.queue, 1)
    send(site.queue, 1, delay=7200.0)

    said = words(page(admin, MESSAGES))

    for state in ("running", "ready", "delayed", "dead"):
        assert f"{NOTE} {state}" in said
    assert re.search(r"delayed due in (1|2)\xa0?\s?hours?", said)
    assert lent in ids_listed(page(admin, MESSAGES, state="leased"))


def test_what_waits_in_lanes_is_counted_listed_and_shown(admin: Client, site: Site) -> None:
    first, *others = [limits.tell(site.file(), "a", number).id for number in range(4)]

    html = page(admin, MESSAGES)

    assert f"?queue={site.queue.name}&amp;state=waiting" in html
    assert ">waiting in a lane</option>" in html
    assert ids_listed(html) == [first, *others[::-1]]
    listed = page(admin, MESSAGES, state="waiting", order="oldest", queue=site.queue.name)
    assert ids_listed(listed) == others
    assert "in a lane" in words(listed)
    assert re.search(r'title="waiting in the lane [^"]+, until there is room"', listed)
    (url,) = set(re.findall(rf'href="([^"]+/change/)" title="{others[0]}"', listed))
    assert "waiting in the lane" in words(admin.get(url).content.decode())


def test_pages_show_each_dead_letter_once_either_way(admin: Client, site: Site) -> None:
    ids = let_die(site.queue, 230)
    for order in ("", "oldest"):
        html = page(admin, order=order)
        seen = ids_listed(html)
        while following := next_page(html):
            html = admin.get(reverse(DEAD) + following).content.decode()
            seen += ids_listed(html)
        assert sorted(seen) == sorted(ids)
        assert len(seen) == 230


def test_the_dead_of_several_queues_are_one_list_by_their_time(
    admin: Client, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = queues[f"{site.queue.name}-mail"]
    monkeypatch.setattr(registry.get_class(FAIL), "queue_name", mail.name)
    assert mail.name in words(page(admin))
    first, second, third = (let_die(queue, 1)[0] for queue in (mail, site.queue, mail))
    try:
        assert ids_listed(page(admin)) == [third, second, first]
        assert ids_listed(page(admin, order="oldest")) == [first, second, third]
        assert ids_listed(page(admin, queue=mail.name)) == [third, first]
    finally:
        mail.discard()


@pytest.mark.parametrize("site", ["sqlite", "postgres", "mariadb"], indirect=True)
def test_queues_of_other_names_in_the_database_are_counted_but_not_touched(admin: Client, site: Site) -> None:
    other = queues[f"{site.queue.name}-other"]
    (theirs,) = let_die(other, 1)
    (ours,) = let_die(site.queue, 1)
    try:
        html = page(admin)
        assert f"{other.name} 0 0 0 1 0 none" in words(html)
        assert ids_listed(html) == [ours]
        assert ids_listed(page(admin, queue=other.name)) == [theirs]
        question = admin.post(reverse(DEAD), {"action": "discard_matching"}).content.decode()
        form = {"action": "discard_matching", "progress": field(question, "progress")}
        assert admin.post(reverse(DEAD), form).status_code == 302
        assert other.dead_ids("") == [theirs]
    finally:
        other.discard()


def test_the_list_is_filtered_by_command_reason_and_id(admin: Client, site: Site) -> None:
    (one,) = let_die(site.queue, 1)
    (two,) = let_die(site.queue, 1, "TimeoutError: <too> slow", FAIL)

    assert ids_listed(page(admin, command="fail")) == [two]
    assert ids_listed(page(admin, command=NOTE)) == [one]
    assert ids_listed(page(admin, reason="timeouterror")) == [two]
    assert ids_listed(page(admin, id=one.upper())) == [one]
    assert ids_listed(page(admin, id=one[:31], command="fail")) == []
    assert "No dead letter fits this filter" in words(page(admin, reason="nowhere"))


def test_a_page_looks_through_so_many_and_goes_on_from_there(
    admin: Client, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("djutils.admin.asking.MOST", 200)
    (one,) = let_die(site.queue, 1, "TimeoutError: slow")
    let_die(site.queue, 250)

    html = page(admin, reason="slow")

    assert ids_listed(html) == []
    assert "Looked through 200 messages, then stopped" in words(html)
    assert ids_listed(admin.get(reverse(DEAD) + next_page(html)).content.decode()) == [one]


def test_one_message_says_everything_and_keeps_its_traceback(admin: Client, site: Site) -> None:
    (id,) = let_die(site.queue, 1, TRACEBACK + "  <b>\n")

    html = message_page(admin, site.queue.name, id)

    assert TRACEBACK.replace('"', "&quot;") + "  &lt;b&gt;" in html[html.index("<pre") :]
    for part in (id, NOTE, site.queue.name, "ago)", "dead since", "attempts"):
        assert part in words(html)
    assert "a secret" not in html


def test_a_message_that_waits_says_when_it_is_due_and_why(admin: Client, site: Site) -> None:
    send(site.queue, 1)
    owner, (id,) = lend(site.queue, 1)
    queue = site.queue
    assert isinstance(queue, LeasedQueue)
    queue.retry(owner, [Retrial(id, 3600.0, TRACEBACK)])

    said = words(message_page(admin, queue.name, id, "queuemessage"))

    assert re.search(r"waiting, due at \d{4}-.* \(in 0:5\d:\d\d\); retried after it failed once", said)
    assert "customer = find(number)" in said


def test_a_message_that_is_gone_says_so(admin: Client, site: Site) -> None:
    said = words(message_page(admin, site.queue.name, new_id()))
    assert "Gone: it has succeeded, or was discarded, or never existed." in said


def test_a_beginning_that_fits_several_lists_them(admin: Client, site: Site) -> None:
    one, two = let_die(site.queue, 2)
    said = words(message_page(admin, site.queue.name, one[:4]))
    assert one in said
    assert two in said


def test_the_queue_of_another_alias_is_shown(
    settings: Settings, sqlite_alias: str, postgres_alias: str
) -> None:
    settings.QUEUE_CONNECTION = postgres_alias
    settings.QUEUE_NAME = f"q-{new_id()}"
    ids = let_die(queues[settings.QUEUE_NAME], 2)
    with signed_in("alice", superuser=True) as client:
        assert sorted(ids_listed(page(client))) == ids
    queues[settings.QUEUE_NAME].discard()


def test_a_memory_queue_says_that_it_is_this_process(settings: Settings, sqlite_alias: str) -> None:
    settings.QUEUE_BACKEND = MEMORY
    settings.QUEUE_NAME = f"q-{new_id()}"
    ids = let_die(queues[settings.QUEUE_NAME], 2)
    with signed_in("alice", superuser=True) as client:
        html = page(client)
        assert sorted(ids_listed(html)) == ids
        assert "only the messages of this process" in words(html)


def test_four_methods_show_dead_letters_and_say_what_they_cannot(own_backend: Site) -> None:
    queue = own_backend.queue
    ids = let_die(queue, 120)
    with signed_in("alice", superuser=True) as client:
        html = page(client)
        rest = client.get(reverse(DEAD) + next_page(html)).content.decode()
        assert sorted(ids_listed(html) + ids_listed(rest)) == sorted(ids)
        assert f"{queue.name} 0 unknown unknown 120 0 unknown" in words(html)
        waiting = words(page(client, MESSAGES, state="ready"))
        assert "unknown: this backend cannot show waiting or running messages" in waiting
        assert "FolderQueue cannot show waiting or running messages" in waiting
        assert "no such customer" in words(message_page(client, queue.name, ids[0]))
        absent = words(message_page(client, queue.name, new_id()))
        assert "FolderQueue cannot show waiting or running messages" in absent


@pytest.mark.parametrize("site", ["redis"], indirect=True)
def test_a_store_that_cannot_be_reached_is_a_page_that_says_so(
    admin: Client, site: Site, settings: Settings, unreachable: None
) -> None:
    for name in (DEAD, MESSAGES):
        html = page(admin, name)
        assert f"The queue '{site.queue.name}' cannot be asked. BackendUnavailable" in words(html)
        assert "load this page again" in words(html)
        assert f"{site.queue.name} 0" not in words(html), "what is not known is no number"
        assert "There are no dead letters" not in html
        assert "pass" not in words(html)
    assert "cannot be asked" in words(message_page(admin, site.queue.name, new_id()))
    answer = admin.post(reverse(DEAD), {"action": "replay_matching"}, follow=True)
    assert "cannot be asked" in answer.content.decode()
    answer = admin.post(reverse(DEAD), {"action": "replay_selected", "selected": ["a:b"]}, follow=True)
    assert "cannot be asked" in answer.content.decode()


@pytest.mark.parametrize("wrong", [{"QUEUE_BACKEND": "no.Such"}, {"QUEUE_CONNECTION": "defualt"}])
def test_settings_that_cannot_work_are_said(
    settings: Settings, sqlite_alias: str, wrong: dict[str, str]
) -> None:
    for name, value in wrong.items():
        setattr(settings, name, value)
    with signed_in("alice", superuser=True) as client:
        assert "ConfigurationError: QUEUE_" in words(page(client))


@pytest.mark.parametrize(
    "query", ["after=1", "after=[0,{}]", "after=[0,%7B%22{q}%22:%22x%22%7D]", "after=[7,3]"]
)
def test_an_address_that_was_changed_is_no_error(admin: Client, site: Site, query: str) -> None:
    let_die(site.queue, 1)
    response = admin.get(reverse(DEAD) + "?" + query.replace("{q}", site.queue.name) + "&state=x&order=y")
    assert response.status_code == 200


def test_numbers_are_written_as_the_project_does(admin: Client, site: Site, settings: Settings) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    settings.LANGUAGE_CODE = "de"
    let_die(site.queue, 1100)
    html = page(admin)
    assert "1.100" in words(html)
    confirm = admin.post(reverse(DEAD), {"action": "replay_matching"}).content.decode()
    progress = field(confirm, "progress")
    assert admin.post(reverse(DEAD), {"action": "replay_matching", "progress": progress}).status_code == 302
    assert site.queue.stats()[:] == (1100, 0, 0, 0, 0)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_what_a_project_without_time_zones_sees(admin: Client, site: Site, settings: Settings) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/New_York"
    (id,) = let_die(site.queue, 1)
    send(site.queue, 1, delay=100.0)
    assert ids_listed(page(admin)) == [id]
    assert len(ids_listed(page(admin, MESSAGES))) == 2
    message_page(admin, site.queue.name, id)
