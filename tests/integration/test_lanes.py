"""Limits in real consumers: never more at once than allowed, whatever is killed, and nothing waits forever."""

from __future__ import annotations

import io
import json
import time
from collections import Counter, defaultdict
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from djutils.queue.backends.base import counts_of
from djutils.queue.cancelling import Cancellation
from djutils.queue.record import ResultStatus
from djutils.testing.enqueued import enqueued
from tests.project.app import commands, limits
from tests.sites import Site
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite", "redis"], indirect=True)


def most_at_once(path: str) -> dict[str, int]:
    """Return how many of each tenant ran at once, at most, by what they wrote."""
    running, most = Counter[str](), defaultdict[str, int](int)
    for line in commands.lines(path):
        sign, tenant, *_ = line.split()
        running[tenant] += 1 if sign == "+" else -1
        most[tenant] = max(most[tenant], running[tenant])
    return dict(most)


def printed(*words: str, **options: Any) -> str:
    """Return what a management command prints."""
    out = io.StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def ended(path: str) -> Counter[str]:
    """Return how often each command came to its end."""
    return Counter(" ".join(line.split()[1:3]) for line in commands.lines(path) if line.startswith("-"))


def test_no_more_of_a_key_run_at_once_than_allowed_and_other_keys_do_not_wait(site: Site) -> None:
    for number in range(30):
        limits.visit(site.file(), "busy", number, 0.02)
    limits.visit(site.file(), "other", 0)
    consumer = site.consumer(processes=2, threads=4)

    site.wait_until_empty()

    assert most_at_once(site.file()) == {"busy": 2, "other": 1}
    assert ended(site.file()) == Counter([*(f"busy {number}" for number in range(30)), "other 0"])
    order = [line.split()[1] for line in commands.lines(site.file()) if line.startswith("+")]
    assert order.index("other") <= 8, "it waited for the busy one"
    assert consumer.stop() == 0


def test_results_are_kept_of_what_is_limited(site: Site) -> None:
    results = [limits.tell(site.file(), "a", number) for number in range(10)]
    site.consumer(threads=3)

    assert [result.wait(30) for result in results] == [*range(10)]
    assert most_at_once(site.file()) == {"a": 1}


def test_a_limited_command_that_waits_is_ready_and_can_be_cancelled(site: Site) -> None:
    results = [limits.tell(site.file(), "a", number) for number in range(3)]
    assert {result.refresh() or result.status for result in results} == {ResultStatus.READY}

    assert results[1].cancel() is Cancellation.REMOVED
    site.consumer()
    site.wait_until_empty()

    assert [line.split()[2] for line in commands.lines(site.file())] == ["0", "0", "2", "2"]


def test_what_waits_in_lanes_is_counted_and_found(site: Site) -> None:
    calls = [limits.tell(site.file(), "a", number) for number in range(3)]

    assert counts_of(site.queue) == {"ready": 1, "delayed": 0, "leased": 0, "dead": 0, "waiting": 2}
    assert [call.args[2] for call in enqueued(site.queue)] == [0, 1, 2]
    name = site.queue.name
    assert "waiting in the lane" in printed("queue_messages", "show", calls[2].id, queue=name)
    listed = printed("queue_messages", "list", queue=name)
    assert [line.split()[1] for line in listed.splitlines()[1:4]] == ["ready", "waiting", "waiting"]
    assert "2 more wait in lanes; queue_lanes shows these." in listed


def test_what_waits_in_lanes_is_listed_with_its_lane_and_in_one_lane_alone(site: Site) -> None:
    calls = [limits.tell(site.file(), tenant, number) for tenant in "ab" for number in range(3)]
    name = site.queue.name

    listed = json.loads(printed("queue_messages", "list", state="waiting", queue=name, format="json"))

    lane_a, lane_b = sorted({one["lane"] for one in listed["messages"]})
    assert [(one["id"], one["state"], one["lane"]) for one in listed["messages"]] == [
        (call.id, "waiting", lane)
        for call, lane in zip(calls[1:3] + calls[4:], [lane_a] * 2 + [lane_b] * 2, strict=True)
    ]
    header, *lines = printed("queue_messages", "list", lane=lane_b, queue=name).splitlines()
    assert "LANE" in header
    assert [line.split()[:3] for line in lines[:-1]] == [
        [line.split()[0], "waiting", limits.tell.command_class.__module__ + ".tell"] for line in lines[:-1]
    ]
    assert [
        call.id.startswith(line.split()[0]) for call, line in zip(calls[4:], lines[:-1], strict=True)
    ] == [True] * 2
    first = printed("queue_messages", "list", state="waiting", queue=name, count=1)
    assert "there may be more" in first

    assert calls[1].cancel() is Cancellation.REMOVED
    assert calls[1].id not in printed("queue_messages", "list", state="waiting", queue=name)


def test_lanes_are_shown_with_what_waits_and_what_holds_their_places(site: Site) -> None:
    calls = [limits.visit(site.file(), "many", number) for number in range(5)]
    limits.visit(site.file(), "few", 0)
    [limits.call(site.file(), number) for number in range(3)]
    name = site.queue.name

    told = json.loads(printed("queue_lanes", queue=name, format="json"))

    many, paced, few = told["lanes"]
    assert told["more"] is False
    assert (many["waiting"], many["admitted"], many["width"]) == (3, 2, 2)
    assert many["holders"] == [call.id for call in calls[:2]]
    assert (paced["pace"], paced["burst"], paced["queue"]) == (0.1, 1, name)
    assert (few["waiting"], few["admitted"], few["pace"], few["opens_at"]) == (0, 1, None, None)
    header, first, *_ = printed("queue_lanes", queue=name).splitlines()
    assert header.split()[:3] == ["LANE", "WAITING", "ADMITTED"]
    assert first.split()[1:5] == ["3", "2", "of", "2"]
    assert f"{calls[0].id} and 1 more" in first
    assert "... and 2 more; --count shows more." in printed("queue_lanes", queue=name, count=1)


def test_where_nothing_waits_no_lane_is_shown(site: Site) -> None:
    assert printed("queue_lanes", queue=site.queue.name) == "Nothing waits or runs in a lane.\n"
    assert "No such message." in printed("queue_messages", "list", state="waiting", queue=site.queue.name)


def test_questions_about_lanes_that_make_no_sense_are_refused(site: Site) -> None:
    with pytest.raises(CommandError, match="--lane: lists what waits in a lane"):
        printed("queue_messages", "list", lane="a", state="ready")
    with pytest.raises(CommandError, match="show: takes no --lane"):
        printed("queue_messages", "show", "ab", lane="a")
    with pytest.raises(CommandError, match="--count: must be at least 1"):
        printed("queue_lanes", count=0)


def test_atomic_commands_keep_to_their_limit(site: Site) -> None:
    if site.queue.transaction_alias is None:
        pytest.skip("the queue is in no database")
    tenant = site.queue.name
    for number in range(10):
        limits.note(site.file(), tenant, number)
    consumer = site.consumer(threads=3)

    site.wait_until_empty()

    assert site.notes(f"{tenant} ") == [f"{tenant} {number}" for number in range(10)]
    assert most_at_once(site.file()) == {tenant: 1}
    assert consumer.stop() == 0


def test_what_is_ordered_runs_in_order_though_it_fails_and_is_retried(site: Site) -> None:
    for number in range(6):
        limits.follow(site.file(), "a", number, failures=1 if number in {1, 4} else 0)
    limits.follow(site.file(), "b", 0)
    site.consumer(processes=2, threads=2)

    site.wait_until_empty()

    order = [line for line in commands.lines(site.file()) if line.startswith("a")]
    assert order == [f"a {number}" for number in (0, 1, 1, 2, 3, 4, 4, 5)]


def test_a_poisoned_message_blocks_its_ordered_lane_for_its_attempts_only(site: Site) -> None:
    limits.follow(site.file(), "a", 0, failures=99)
    limits.follow(site.file(), "a", 1)
    site.consumer(threads=2)

    wait_until(lambda: "a 1" in commands.lines(site.file()), why=site.logs)

    assert commands.lines(site.file()) == ["a 0", "a 0", "a 0", "a 1"]
    wait_until(lambda: site.queue.stats() == (0, 0, 0, 1, 0), why=site.logs)


def test_starts_keep_their_distance_across_commands_that_share_a_lane(site: Site) -> None:
    for number in range(6):
        (limits.call, limits.call_again)[number % 2](site.file(), number)
    consumer = site.consumer(processes=2, threads=3)

    site.wait_until_empty()

    moments = sorted(map(float, commands.lines(site.file())))
    assert len(moments) == 6
    # Never sooner than the rate allows; what a machine delays may come closer to the next one.
    assert moments[-1] - moments[0] >= 0.4
    assert consumer.stop() == 0


def test_killed_workers_leave_no_place_taken_and_nothing_waiting(site: Site) -> None:
    # More than two processes can run while four of them are killed, however long it takes to notice.
    for number in range(60):
        limits.visit(site.file(), f"tenant-{number % 3}", number, 0.02 if number < 30 else 0.2)
    consumer = site.consumer(processes=2, threads=3).ready()

    for _ in range(4):
        seen = len(commands.lines(site.file()))
        wait_until(lambda seen=seen: len(commands.lines(site.file())) > seen + 4, why=consumer.log)
        consumer.kill_worker()
    site.wait_until_empty(60)
    site.queue.replay()  # what was by chance in three of the processes killed
    site.wait_until_empty(60)

    assert {one.split()[1] for one in ended(site.file())} == {str(number) for number in range(60)}
    assert site.queue.stats() == (0, 0, 0, 0, 0)
    began = time.monotonic()
    limits.visit(site.file("after"), "tenant-0", 0)
    wait_until(lambda: ended(site.file("after")), why=consumer.log)
    assert time.monotonic() - began < 10
    assert consumer.stop() == 0
