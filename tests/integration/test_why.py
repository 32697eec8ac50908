"""Why a message is not running: each reason is found on every store."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse

from djutils.queue.backends.base import new_owner
from djutils.queue.inspecting import read
from djutils.queue.message import Lane, Rejection
from djutils.queue.queue import invoker
from djutils.queue.results import Result
from djutils.queue.why import Obstacle, why
from tests.admins import envelope, signed_in
from tests.project.app import commands, limits
from tests.sites import Site
from tests.waiting import wait_until


def reasons(site: Site, call: Result | str) -> list[Obstacle]:
    """Return why the message of a call is not running."""
    id = call if isinstance(call, str) else call.id
    (snapshot,) = site.queue.find(id, data=True)
    return why(read(site.queue, snapshot))


def codes(site: Site, call: Result | str) -> list[str]:
    """Return the codes of the reasons."""
    return [reason.code for reason in reasons(site, call)]


def test_without_a_consumer_that_is_the_first_reason_and_those_before_it_the_second(site: Site) -> None:
    first, second, third = [commands.append(site.file(), number) for number in range(3)]
    assert codes(site, first) == ["no_consumer"]
    assert codes(site, third) == ["no_consumer", "behind"]
    assert reasons(site, second)[1].text == "1 message is before it."
    assert reasons(site, third)[1].text.startswith("2 messages are before it")


def test_a_paused_queue_says_since_when_and_why(site: Site) -> None:
    call = commands.append(site.file(), 1)
    invoker.pause(site.queue.name, reason="the disk is full", by="ada")
    assert codes(site, call)[:2] == ["paused", "no_consumer"]
    assert "by ada (the disk is full)" in reasons(site, call)[0].text
    invoker.resume(site.queue.name)


def test_a_paused_command_says_since_when_and_why(site: Site) -> None:
    call, other = commands.append(site.file(), 1), commands.note("text")
    invoker.pause(site.queue.name, command=commands.append, reason="it fails", by="ada")
    assert codes(site, call)[:2] == ["no_consumer", "paused"]
    assert "by ada (it fails)" in reasons(site, call)[1].text
    assert "paused" not in codes(site, other)
    invoker.resume(site.queue.name, command=commands.append)


def test_what_is_not_due_says_when_it_will_be(site: Site) -> None:
    call = commands.append.using(run_after=timedelta(hours=1))(site.file(), 1)
    assert codes(site, call) == ["no_consumer", "not_due"]
    assert "(in 0:59" in reasons(site, call)[1].text


def test_a_dead_one_says_of_what(site: Site) -> None:
    call = commands.append(site.file(), 1)
    owner = new_owner()
    site.queue.enroll(owner)
    site.queue.receive(owner, 1)
    site.queue.reject(owner, [Rejection(call.id, "ValueError: no such customer")])
    assert codes(site, call) == ["dead"]
    assert "ValueError: no such customer" in reasons(site, call)[0].text
    site.queue.reap(owner)


def test_a_worker_that_is_gone_is_named_as_the_reason(site: Site) -> None:
    call = commands.append(site.file(), 1)
    owner = new_owner()
    site.queue.enroll(owner)
    site.queue.receive(owner, 1)
    assert codes(site, call) == ["worker_gone"]
    site.queue.reap(owner)


def test_a_command_that_nobody_knows_is_said(site: Site) -> None:
    sent = envelope(site.queue, "shop.commands.removed")
    site.queue.send([sent])
    assert "unknown_command" in codes(site, sent.id)


def test_a_full_lane_says_who_holds_it_and_who_is_before(site: Site) -> None:
    calls = [limits.tell(site.file(), "ada", number) for number in range(3)]
    wait_until(lambda: site.queue.stats().waiting == 2)
    assert codes(site, calls[1]) == ["no_consumer", "lane_full"]
    assert calls[0].id in reasons(site, calls[1])[1].text
    assert codes(site, calls[2]) == ["no_consumer", "lane_full", "behind_in_lane"]


def test_a_lane_with_a_rate_says_when_it_opens(site: Site) -> None:
    sent = [envelope(site.queue) for _ in range(3)]
    site.queue.send_in_lanes([(one, Lane("api", 5, pace=600.0)) for one in sent])
    site.queue.admit(["api"])
    assert codes(site, sent[1].id) == ["no_consumer", "lane_paced"]
    assert codes(site, sent[2].id) == ["no_consumer", "lane_paced", "behind_in_lane"]
    assert "one starts every 10 min): it opens at" in reasons(site, sent[1].id)[1].text


def test_with_a_busy_consumer_it_says_what_runs_and_for_how_long(site: Site) -> None:
    consumer = site.consumer(processes=1).ready()
    running = commands.hold(site.file(), site.file("gate"))
    wait_until(lambda: "running" in codes(site, running), why=site.logs)
    behind = [commands.append(site.file(), number) for number in range(30)]
    wait_until(lambda: "workers_busy" in codes(site, behind[-1]), why=site.logs)
    assert f"process {consumer.workers()[0]} on " in reasons(site, running)[0].text
    open(site.file("gate"), "w").close()
    site.wait_until_empty()


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_the_command_line_and_the_admin_say_the_same(site: Site) -> None:
    call = commands.append(site.file(), 1)
    out = io.StringIO()
    call_command("queue_messages", "why", call.id[:20], queue=site.queue.name, stdout=out)
    text = f"No consumer works on the queue '{site.queue.name}'. Start one."
    assert text in out.getvalue()

    out = io.StringIO()
    call_command("queue_messages", "why", call.id, queue=site.queue.name, format="json", stdout=out)
    (told,) = json.loads(out.getvalue())["messages"]
    assert (told["id"], told["reasons"]) == (call.id, [{"code": "no_consumer", "text": text}])

    with signed_in("alice", superuser=True) as client:
        page = reverse("admin:djutils_queuemessage_change", args=[f"{site.queue.name}_3A{call.id}"])
        assert "No consumer works on the queue" in client.get(page).content.decode()
