"""Who works on a queue, as consumers publish it."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from djutils.queue.backends.memory import MemoryQueue
from djutils.queue.ids import new_id
from djutils.queue.presence import presence_key, presented, workers_of
from djutils.queue.reading import published, running_key
from djutils.queue.workers.arena import Arena
from djutils.queue.workers.chore import Stores
from djutils.queue.workers.crew import Crew
from djutils.queue.workers.options import ConsumerOptions
from djutils.queue.workers.presenting import Presenting
from djutils.queue.workers.worker import Born

from .helpers import ListQueue

OWNER = 7
FACTS = {
    "host": "web-1",
    "pid": 12,
    "consumer": 11,
    "since": time.time() - 100,
    "version": "djutils 1",
    "queues": ["mail"],
    "threads": 2,
    "coroutines": 0,
    "memory": None,
}


def show(*words: str) -> str:
    """Return what ``queue_workers`` prints."""
    out = StringIO()
    call_command("queue_workers", *words, stdout=out)
    return out.getvalue()


def test_a_consumer_publishes_its_processes_until_they_die(memory: MemoryQueue) -> None:
    arena = Arena(1, 10)
    board, crew, stores = arena.boards[0], Crew(arena), Stores(())
    stores.queues[memory.name] = stores.leased[memory.name] = memory
    chore = Presenting(stores, crew, ConsumerOptions((memory.name,), threads=3, lease=0.6))
    chore.do()
    crew.join(Born({memory.name: OWNER}, 0, board.begin_life()))
    memory.enroll(OWNER)
    board.sit()
    chore.do()

    (one,) = workers_of(memory) or ()
    assert (one.is_present, one.pid, one.consumer, one.threads) == (True, os.getpid(), os.getppid(), 3)
    assert one.memory is None or one.memory > 5
    assert one.version.startswith("djutils ") and one.queues == (memory.name,)

    crew.mark_dead({memory.name: OWNER})
    time.sleep(0.7)
    chore.do()
    assert [worker.is_present for worker in workers_of(memory) or ()] == [False]


def test_it_is_told_what_each_runs_and_since_when(memory: MemoryQueue) -> None:
    memory.enroll(OWNER)
    id = new_id()
    told = published("web-1:12", [(id, time.time() - 60, None)])
    memory.store.set({presence_key(OWNER): presented(FACTS), running_key(OWNER): told}, 60)

    (one,) = workers_of(memory) or ()
    assert [run.id for run in one.running] == [id]
    assert f"{id} for 60 s" in show("-q", memory.name)
    (as_json,) = json.loads(show("-q", memory.name, "--format", "json"))["queues"][memory.name]
    assert (as_json["owner"], as_json["host"], as_json["running"][0]["id"]) == ("7", "web-1", id)


def test_versions_that_differ_are_said(memory: MemoryQueue) -> None:
    for owner, version in ((7, "djutils 1"), (8, "djutils 2")):
        memory.enroll(owner)
        memory.store.set({presence_key(owner): presented(FACTS | {"version": version})}, 60)
    assert "Their versions differ: djutils 1; djutils 2." in show("-q", memory.name)


def test_a_queue_without_a_worker_has_its_own_exit_code(memory: MemoryQueue) -> None:
    with pytest.raises(CommandError, match=f"'{memory.name}'") as error:
        show()
    assert error.value.returncode == 4
    memory.enroll(OWNER)  # registered, but nothing was heard
    with pytest.raises(CommandError) as error:
        show()
    assert error.value.returncode == 4


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"{}", b'{"since": "x", "queues": []}'])
def test_a_damaged_value_shows_a_worker_of_which_little_is_known(memory: MemoryQueue, value: bytes) -> None:
    memory.enroll(OWNER)
    memory.store.set({presence_key(OWNER): value, running_key(OWNER): value}, 60)
    (one,) = workers_of(memory) or ()
    assert (one.is_present, one.host, one.running) == (True, "", ())


def test_where_no_workers_are_registered_nothing_is_known() -> None:
    assert workers_of(ListQueue("four methods")) is None


def test_since_is_a_moment(memory: MemoryQueue) -> None:
    memory.enroll(OWNER)
    memory.store.set({presence_key(OWNER): presented(FACTS)}, 60)
    (one,) = workers_of(memory) or ()
    assert one.since is not None and one.since.utcoffset() == timedelta(0)
